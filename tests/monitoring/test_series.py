from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from cdcproof.clients.prometheus import parse
from cdcproof.monitoring.exporter.series import Collector, Metric, counter, gauge, registry_of


class Fixed(Collector):
    def __init__(self, *metrics: Metric) -> None:
        self.metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self.metrics


def test_what_is_served_is_read_back_letter_for_letter() -> None:
    page = registry_of(
        Fixed(
            counter("runs_total", "Runs.", {"success": 1, "fail\nure": 0}, "status"),
            gauge("rate", "Rate.", {(): 2.5}),
            gauge("lag", "Lag.", {("sink", 'or"ders'): 3.0}, "connector", "table"),
            gauge("nothing", "None.", {}, "x"),
        )
    )
    metrics = parse(generate_latest(page).decode(), "http://x")
    assert metrics.labelled("runs_total", "status") == {"success": 1.0, "fail\nure": 0.0}
    assert metrics.series("rate") == {(): 2.5}
    assert metrics.series("lag") == {(("connector", "sink"), ("table", 'or"ders')): 3.0}
    assert metrics.series("nothing") == {}
    assert "# TYPE runs_total counter" in generate_latest(page).decode()
    assert 'runs_total{status="success"} 1.0' in openmetrics(page).decode(), "what Prometheus itself asks for"


@pytest.mark.parametrize("unknown", [None, math.nan, math.inf])
def test_a_value_that_is_not_known_is_absent(unknown: float | None) -> None:
    page = registry_of(Fixed(gauge("lag", "Lag.", {"a": unknown, "b": 0.0}, "connector")))
    assert parse(generate_latest(page).decode(), "http://x").labelled("lag", "connector") == {"b": 0.0}
