"""Prometheus and Alertmanager: what they say of the alert, and that they may be down."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any

from cdcproof.oncall.alert import find
from cdcproof.oncall.watchers import states
from cdcproof.pipeline.model import Pipeline
from tests.canned import serving
from tests.pipelines import pipeline_of

ALERT = find("ConnectorDown", {"connector": "sink"}, {})
QUERY = "GET /api/v1/query?query=ALERTS%7Balertname%3D%22ConnectorDown%22%7D"
ALERTS = "GET /api/v2/alerts?filter=alertname%3D%22ConnectorDown%22"


def watched(url: str) -> Pipeline:
    return pipeline_of("customers", prometheus={"url": url}, alertmanager={"url": url})


def series(**labels: str) -> dict[str, Any]:
    return {"metric": {"__name__": "ALERTS", "alertname": "ConnectorDown", **labels}, "value": [1, "1"]}


def test_only_what_has_these_labels_is_shown() -> None:
    found = [
        series(alertstate="firing", connector="sink", severity="critical"),
        series(alertstate="pending", connector="source"),
    ]
    entries = [
        {"labels": {"connector": "sink"}, "startsAt": "2026-11-29T06:00:00Z", "status": {"state": "suppressed", "silencedBy": [], "inhibitedBy": ["abc"]}},
        {"labels": {"connector": "source"}, "startsAt": "2026-11-29T06:00:00Z", "status": {"state": "active"}},
    ]  # fmt: skip
    with serving({QUERY: (200, {"data": {"result": found}}), ALERTS: (200, entries)}) as canned:
        assert states(ALERT, watched(canned.url)) == [
            "Prometheus: firing, connector=sink, severity=critical",
            "Alertmanager: suppressed since 2026-11-29T06:00:00Z, muted by abc",
        ]


def test_that_it_fires_no_more_is_said() -> None:
    with serving({QUERY: (200, {"data": {"result": []}}), ALERTS: (200, [])}) as canned:
        assert states(ALERT, watched(canned.url)) == [
            "Prometheus: it neither fires nor is pending with these labels",
            "Alertmanager: it has no such alert",
        ]


def test_both_may_be_down_or_answer_nonsense() -> None:
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        down = states(ALERT, watched(f"http://127.0.0.1:{held.getsockname()[1]}"))
    with serving({QUERY: (200, {"oops": 1}), ALERTS: (200, {"oops": 1})}) as canned:
        odd = states(ALERT, watched(canned.url))

    assert [line.partition(": not known: ")[0] for line in down] == ["Prometheus", "Alertmanager"]
    assert all("does not answer: connection refused" in line for line in down)
    assert odd[0].startswith("Prometheus: not known: ")
    assert odd[1] == "Alertmanager: it has no such alert"


def test_a_pipeline_that_names_neither_is_not_asked() -> None:
    assert states(ALERT, pipeline_of("customers")) == []
