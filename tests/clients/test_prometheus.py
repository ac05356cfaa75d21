from __future__ import annotations

import math

import pytest

from cdcproof.clients.http import NotFoundError
from cdcproof.clients.prometheus import parse, scrape
from cdcproof.core.errors import UnexpectedAnswerError
from tests.canned import serving

TEXT = """# HELP runs_total Runs.
# TYPE runs_total counter
runs_total{status="success"} 3
runs_total{status="failure",reason="a \\"quoted\\" one"} 0
# TYPE connector_state gauge
connector_state{connector="sink"} NaN
rows_per_second 12.5
"""


def test_series_are_found_by_their_written_name() -> None:
    metrics = parse(TEXT, "http://x")
    assert metrics.series("runs_total") == {
        (("status", "success"),): 3.0,
        (("reason", 'a "quoted" one'), ("status", "failure")): 0.0,
    }
    assert metrics.series("runs") == {}
    assert metrics.series("rows_per_second") == {(): 12.5}
    assert metrics.labelled("runs_total", "status") == {"success": 3.0, "failure": 0.0}
    assert metrics.labelled("rows_per_second", "table") == {}
    assert math.isnan(metrics.labelled("connector_state", "connector")["sink"])


def test_an_absent_series_is_absent_and_not_zero() -> None:
    assert parse("", "http://x").series("runs_total") == {}


def test_two_series_for_one_label_value_are_not_guessed_between() -> None:
    metrics = parse('up{job="a",instance="1"} 1\nup{job="a",instance="2"} 0\n', "http://x")
    with pytest.raises(UnexpectedAnswerError, match=r'more than one series up\{job="a"\}'):
        metrics.labelled("up", "job")


@pytest.mark.parametrize("text", ["<html>no</html>", '{"a": 1}', "Not Found"])
def test_text_of_another_format_is_an_error(text: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="http://x does not answer with metrics"):
        parse(text, "http://x")


def test_a_scrape_reads_one_address() -> None:
    with serving({"GET /metrics": (200, TEXT.encode())}) as server:
        assert scrape(f"{server.url}/metrics").series("rows_per_second") == {(): 12.5}
        with pytest.raises(NotFoundError, match="The exporter at"):
            scrape(f"{server.url}/other", "The exporter")
