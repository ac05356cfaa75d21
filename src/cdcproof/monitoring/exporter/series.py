"""Makes the metrics that are served, by prometheus_client: a value that is not known is left out, never zero."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["Collector", "Metric", "counter", "gauge", "registry_of"]

K = TypeVar("K", bound=str | tuple[str, ...])
"""The value of the one label, or the values of all of them in their order; the empty tuple of a series without labels."""


def gauge(name: str, help_text: str, values: Mapping[K, float | None], *labels: str) -> Metric:
    """Series that go up and down, under this name and these labels."""
    return _filled(GaugeMetricFamily(name, help_text, labels=labels), values)


def counter(name: str, help_text: str, values: Mapping[K, float | None], *labels: str) -> Metric:
    """Series that only go up; the name ends in ``_total``."""
    return _filled(CounterMetricFamily(name, help_text, labels=labels), values)


def registry_of(collector: Collector) -> CollectorRegistry:
    """What a page is made from: this collector alone, asked at each request."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[K, float | None]) -> Metric:
    for key, value in _known(values):
        family.add_metric(list(key) if isinstance(key, tuple) else [key], value)
    return family


def _known(values: Mapping[K, float | None]) -> Iterable[tuple[K, float]]:
    return ((key, value) for key, value in values.items() if value is not None and math.isfinite(value))
