"""The client of a Prometheus server: queries by its HTTP API (Prometheus documentation, "HTTP API")."""

from __future__ import annotations

from typing import Any

from cdcproof.clients.http import Http
from cdcproof.clients.prometheus import Labels
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.pipeline.model import HttpService


class PrometheusServer:
    """Errors as `cdcproof.clients.http.Http`."""

    def __init__(self, service: HttpService, timeout_seconds: tuple[float, float] = (3.0, 10.0)) -> None:
        self.url = service.url
        self._http = Http.to("Prometheus", service, timeout_seconds, may_be_cached=True)

    def retention(self) -> str:
        """How long it keeps data, in its own words: ``30d``, ``30d or 5GiB``."""
        answer = self._http.get_json("/api/v1/status/runtimeinfo")
        try:
            return str(answer["data"]["storageRetention"])
        except (KeyError, TypeError):
            raise self._not_prometheus("/api/v1/status/runtimeinfo") from None

    def query(self, expression: str) -> dict[Labels, float]:
        """Every series that the expression selects now, by its labels (``__name__`` included) in alphabetical order."""
        answer = self._http.get_json("/api/v1/query", {"query": expression})
        try:
            return {_labels(series["metric"]): float(series["value"][1]) for series in answer["data"]["result"]}
        except (KeyError, TypeError, ValueError, IndexError):
            raise self._not_prometheus("/api/v1/query") from None

    def query_range(
        self, expression: str, start: float, end: float, step_seconds: float
    ) -> dict[Labels, tuple[tuple[float, float], ...]]:
        """Every series that the expression selects from `start` to `end` (Unix time), as (time, value) at each step.

        A step at which a series had no value is left out.
        """
        asked = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step_seconds:g}"}
        answer = self._http.get_json("/api/v1/query_range", asked)
        try:
            return {
                _labels(series["metric"]): tuple((float(at), float(value)) for at, value in series["values"])
                for series in answer["data"]["result"]
            }
        except (KeyError, TypeError, ValueError, IndexError):
            raise self._not_prometheus("/api/v1/query_range") from None

    def _not_prometheus(self, path: str) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            f"{self.url}{path} does not answer as Prometheus does.",
            "Check that prometheus.url is the address of Prometheus.",
        )


def _labels(metric: dict[str, Any]) -> Labels:
    return tuple(sorted((str(name), str(value)) for name, value in metric.items()))
