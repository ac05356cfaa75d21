"""The metrics of both exporters, and what Prometheus says of alerts and targets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from cdcproof.clients.http import Http
from cdcproof.diagnostics.parts import File, Part, Remark, Scope, as_json, attempt

_ALWAYS = "Watchdog"
"""The alert that fires as long as all is well with the alerting."""


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


def alertmanager(scope: Scope) -> Iterator[Part]:
    """What Alertmanager has, and who has silenced what."""
    if scope.pipeline.alertmanager is None:
        return
    http = Http.to("Alertmanager", scope.pipeline.alertmanager)
    for name in ("alerts", "silences", "status"):
        yield from attempt(f"metrics/alertmanager-{name}", partial(_of_alertmanager, http, name))


def pushed(scope: Scope) -> Iterator[Part]:
    """The page of the Pushgateway: what the runs of checks and the scheduled commands left."""
    if scope.pipeline.pushgateway is None:
        return
    yield File("metrics/pushed.txt", Http.to("Pushgateway", scope.pipeline.pushgateway).get_text("/metrics"))


def _of_alertmanager(http: Http, name: str) -> Iterator[Part]:
    yield File(f"metrics/alertmanager-{name}.json", as_json(http.get_json(f"/api/v2/{name}")))


def _alerts(http: Http) -> Iterator[Part]:
    answer = http.get_json("/api/v1/alerts")
    yield File("metrics/alerts.json", as_json(answer))
    for alert in _listed(answer, "alerts"):
        labels = dict(alert.get("labels") or {})
        name = labels.pop("alertname", "an alert")
        if alert.get("state") == "firing" and name != _ALWAYS:
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
