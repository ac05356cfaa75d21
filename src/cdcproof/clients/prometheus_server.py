"""The door to a Prometheus server: instant queries by its HTTP API (Prometheus documentation, "HTTP API")."""

from __future__ import annotations

from typing import Any

from cdcproof.clients.http import Http
from cdcproof.clients.prometheus import Labels
from cdcproof.errors import UnexpectedAnswerError
from cdcproof.pipeline import HttpService


class PrometheusServer:
    """Errors as `cdcproof.clients.http.Http`."""

    def __init__(self, service: HttpService, timeout_seconds: tuple[float, float] = (3.0, 10.0)) -> None:
        self.url = service.url
        self._http = Http.to("Prometheus", service, timeout_seconds)

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

    def _not_prometheus(self, path: str) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            f"{self.url}{path} does not answer as Prometheus does.",
            "Check that prometheus.url is the address of Prometheus.",
        )


def _labels(metric: dict[str, Any]) -> Labels:
    return tuple(sorted((str(name), str(value)) for name, value in metric.items()))
