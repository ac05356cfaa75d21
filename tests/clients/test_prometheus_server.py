from __future__ import annotations

from typing import Any

import pytest

from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core.errors import UnexpectedAnswerError, UnreachableError
from cdcproof.pipeline.model import HttpService
from tests.canned import serving

ASKED = "GET /api/v1/query?query=up%7Bjob%3D%22x%22%7D"


def answer(*series: dict[str, Any]) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": list(series)}}


def test_series_are_told_by_their_labels() -> None:
    told = answer(
        {"metric": {"__name__": "up", "job": "x", "instance": "b"}, "value": [1700000000.1, "1"]},
        {"metric": {"instance": "a"}, "value": [1700000000.1, "NaN"]},
    )
    with serving({ASKED: (200, told)}) as server:
        found = PrometheusServer(HttpService(url=server.url)).query('up{job="x"}')

    assert found[("__name__", "up"), ("instance", "b"), ("job", "x")] == 1.0
    assert found[(("instance", "a"),)] != found[(("instance", "a"),)]


@pytest.mark.parametrize("told", [{}, {"data": {"result": [{"metric": {}}]}}, [], {"data": None}])
def test_an_answer_that_is_not_prometheus_is_our_error(told: Any) -> None:
    with serving({ASKED: (200, told)}) as server, pytest.raises(UnexpectedAnswerError, match="as Prometheus does"):
        PrometheusServer(HttpService(url=server.url)).query('up{job="x"}')


def test_no_server_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match="Prometheus at http"):
        PrometheusServer(HttpService(url="http://127.0.0.1:1")).query("up")
