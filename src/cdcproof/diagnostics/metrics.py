"""The metrics of both exporters, and what Prometheus says of alerts and targets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from cdcproof.clients.http import Http
from cdcproof.diagnostics.parts import File, Part, Remark, Scope, as_json, attempt


def exporter(name: str, url: str, scope: Scope) -> Iterator[Part]:
    """The page of one exporter, as it is."""
    del scope
    yield File(f"metrics/{name}.txt", Http(f"The exporter of {name} metrics", url).get_text())


def prometheus(scope: Scope) -> Iterator[Part]:
    """Alerts and targets."""
    if scope.pipeline.prometheus is None:
        return
    http = Http.to("Prometheus", scope.pipeline.prometheus)
    yield from attempt("metrics/alerts", partial(_alerts, http))
    yield from attempt("metrics/targets", partial(_targets, http))


def _alerts(http: Http) -> Iterator[Part]:
    answer = http.get_json("/api/v1/alerts")
    yield File("metrics/alerts.json", as_json(answer))
    for alert in _listed(answer, "alerts"):
        if alert.get("state") == "firing":
            labels = {name: value for name, value in dict(alert.get("labels") or {}).items() if name != "alertname"}
            name = dict(alert.get("labels") or {}).get("alertname", "an alert")
            yield Remark(f"Prometheus: {name} fires, {', '.join(f'{n}={v}' for n, v in sorted(labels.items()))}")


def _targets(http: Http) -> Iterator[Part]:
    answer = http.get_json("/api/v1/targets?state=active")
    yield File("metrics/targets.json", as_json(answer))
    for target in _listed(answer, "activeTargets"):
        if target.get("health") == "down":
            yield Remark(f"Prometheus cannot scrape {target.get('scrapeUrl')}: {target.get('lastError')}")


def _listed(answer: Any, name: str) -> list[dict[str, Any]]:
    """A list in Prometheus' answer; nothing where it is another kind of answer, which the file shows."""
    data = answer.get("data") if isinstance(answer, dict) else None
    found = data.get(name) if isinstance(data, dict) else None
    return [entry for entry in found or () if isinstance(entry, dict)]
