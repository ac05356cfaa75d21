"""What a collector serves, as whoever scrapes it reads it."""

from __future__ import annotations

from prometheus_client import generate_latest

from cdcproof.clients.prometheus import Metrics, parse
from cdcproof.monitoring.exporter.series import Collector, registry_of


def scraped(collector: Collector) -> Metrics:
    return parse(generate_latest(registry_of(collector)).decode(), "http://exporter/metrics")
