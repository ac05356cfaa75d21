"""What Prometheus and Alertmanager say of an alert now. Either may be down: then that is what is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from cdcproof.clients.http import Http
from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core.errors import CdcproofError
from cdcproof.core.patience import stretched
from cdcproof.core.waiting import side_by_side
from cdcproof.oncall.alert import Alert
from cdcproof.pipeline.model import HttpService, Pipeline

_TIMEOUT_SECONDS = (2.0, 3.0)
_SECONDS = 5.0
"""Whoever is on call waits for both, side by side, before the first line."""


def states(alert: Alert, pipeline: Pipeline) -> list[str]:
    """A sentence of each watcher that the pipeline file names."""
    watchers = {
        "Prometheus": (pipeline.prometheus, _of_prometheus),
        "Alertmanager": (pipeline.alertmanager, _of_alertmanager),
    }
    jobs = {name: partial(_said, ask, alert, service) for name, (service, ask) in watchers.items() if service}
    seconds = stretched(_SECONDS)
    said = side_by_side(jobs, seconds)
    late = [f"not known: no answer within {seconds:g} s"]
    return [f"{name}: {line}" for name in jobs for line in said.get(name, late)]


def _said(ask: Callable[[Alert, HttpService], Iterator[str]], alert: Alert, service: HttpService) -> list[str]:
    try:
        return list(ask(alert, service))
    except CdcproofError as error:
        return [f"not known: {error.message}"]


def _of_prometheus(alert: Alert, service: HttpService) -> Iterator[str]:
    series = PrometheusServer(service, _TIMEOUT_SECONDS).query(f'ALERTS{{alertname="{alert.name}"}}')
    found = [dict(labels) for labels in series if _is_meant(alert, dict(labels))]
    yield from (f"{labels.get('alertstate', 'active')}, {_shown(labels)}" for labels in found)
    if not found:
        yield "it neither fires nor is pending with these labels"


def _of_alertmanager(alert: Alert, service: HttpService) -> Iterator[str]:
    answer = Http.to("Alertmanager", service, _TIMEOUT_SECONDS).get_json(
        "/api/v2/alerts", {"filter": f'alertname="{alert.name}"'}
    )
    entries = [entry for entry in answer if isinstance(entry, dict)] if isinstance(answer, list) else []
    found = [entry for entry in entries if _is_meant(alert, _mapping(entry.get("labels")))]
    for entry in found:
        status = _mapping(entry.get("status"))
        muted = [*status.get("silencedBy", ()), *status.get("inhibitedBy", ())]
        by = f", muted by {', '.join(map(str, muted))}" if muted else ""
        yield f"{status.get('state', 'active')} since {entry.get('startsAt', 'a time that is not known')}{by}"
    if not found:
        yield "it has no such alert"


def _is_meant(alert: Alert, labels: Mapping[str, Any]) -> bool:
    """Whether the labels that were given are among these: an alert's own has more of them."""
    return all(str(labels.get(name, value)) == value for name, value in alert.labels.items())


def _shown(labels: Mapping[str, Any]) -> str:
    hidden = ("alertname", "alertstate", "__name__")
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name not in hidden) or "no labels"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
