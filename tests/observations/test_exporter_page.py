"""Metrics that prove nothing: another pipeline's, a copy's, and numbers that cannot be."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.clients.prometheus import Metrics, Sample
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.monitoring.exporter.connectors import ConnectorCollector
from cdcproof.monitoring.exporter.reconciliation import ReconciliationCollector
from cdcproof.observations.reconciliation.exporter_page import (
    INFO,
    LAST_REPORT,
    RENDERED,
    demand_counted,
    demand_own,
    made_at,
    not_own,
)
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.report.result import Report, TableResult, TableStatus, write
from tests.monitoring.pages import scraped
from tests.pipelines import pipeline_of

NOW = datetime.now(UTC)
MATCHED = {"orders": NOW - timedelta(minutes=10), "customers": NOW - timedelta(minutes=10)}
LAST_MATCH, LAST_MISMATCH = (f"reconciliation_last_{word}_timestamp_seconds" for word in ("match", "mismatch"))
ROWS, CONTENTS = (f"reconciliation_{word}_mismatch_total" for word in ("row_count", "checksum"))
HOUR = 3600


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    paths = {"reconciliation_reports": str(tmp_path / "reconciliation_reports")}
    return pipeline_of("orders", "customers", paths=paths, connect={"url": "http://127.0.0.1:1"})


@pytest.fixture
def page(pipeline: Pipeline, tmp_path: Path) -> Metrics:
    """What the exporter serves when both tables have matched ten minutes ago."""
    at = MATCHED["orders"].isoformat()
    source, target = "sqlserver://h:1/warehouse_source", "postgresql://h:1/warehouse_target"
    tables = tuple(TableResult(table, TableStatus.MATCH, 10, 10, True) for table in MATCHED)
    write(Report("r", at, at, source, target, "m", tables), pipeline.paths.reconciliation_reports)
    page = scraped(ReconciliationCollector(pipeline, tmp_path / "state.json"))
    # a busy machine gets here more than a minute after NOW
    return changed(page, "cdcproof_exporter_rendered_timestamp_seconds", NOW.timestamp())


def changed(page: Metrics, name: str, value: float | None, **labels: str) -> Metrics:
    """The page with other values of a series, or without it."""

    def is_meant(one: Sample) -> bool:
        return one.name == name and labels.items() <= dict(one.labels).items()

    assert any(map(is_meant, page.samples))
    samples = [replace(one, value=value) if is_meant(one) and value is not None else one for one in page.samples]
    return replace(page, samples=tuple(one for one in samples if value is not None or not is_meant(one)))


def believe(page: Metrics, pipeline: Pipeline, now: datetime = NOW) -> None:
    demand_own(page, pipeline, now, ["reports"])
    demand_counted(page, pipeline, now, MATCHED)


def problem(page: Metrics, pipeline: Pipeline, now: datetime = NOW) -> str:
    with pytest.raises(UnexpectedAnswerError) as raised:
        believe(page, pipeline, now)
    return raised.value.message


def test_the_pipelines_own_metrics_are_believed(page: Metrics, pipeline: Pipeline) -> None:
    believe(page, pipeline)


def test_metrics_without_an_owner_or_of_another_are_not(page: Metrics, pipeline: Pipeline) -> None:
    assert "do not say whose they are" in problem(changed(page, "cdcproof_exporter_info", None), pipeline)
    other = pipeline.model_copy(update={"name": "other"})
    assert "they are of pipeline test, not other" in problem(page, other)
    moved = pipeline.model_copy(update={"target": pipeline.target.model_copy(update={"port": 2})})
    assert "of the target postgresql://h:1/warehouse_target, not postgresql://h:2/" in problem(page, moved)


def test_a_copy_and_a_clock_that_is_ahead_are_not(page: Metrics, pipeline: Pipeline) -> None:
    assert "they were made 72.0 h ago" in problem(page, pipeline, NOW + timedelta(days=3))
    assert "they were made in the future" in problem(page, pipeline, NOW - timedelta(minutes=9))
    for value in (None, float("nan"), float("inf")):
        found = problem(changed(page, "cdcproof_exporter_rendered_timestamp_seconds", value), pipeline)
        assert "do not say when they were made" in found


@pytest.mark.parametrize("value", [0.0, None, float("nan")])
def test_an_exporter_that_could_not_look_is_not(page: Metrics, pipeline: Pipeline, value: float | None) -> None:
    down = changed(page, "cdcproof_exporter_up", value, service="reports")
    assert 'the exporter itself says cdcproof_exporter_up{service="reports"} is' in problem(down, pipeline)


@pytest.mark.parametrize("name", [LAST_MATCH, LAST_MISMATCH, ROWS, CONTENTS])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_what_is_no_number_is_not(page: Metrics, pipeline: Pipeline, name: str, value: float) -> None:
    assert f"{name} of orders is {value}" in problem(changed(page, name, value, table="orders"), pipeline)


@pytest.mark.parametrize("name", [LAST_MATCH, LAST_MISMATCH])
def test_a_time_in_the_future_is_not(page: Metrics, pipeline: Pipeline, name: str) -> None:
    ahead = changed(page, name, NOW.timestamp() + HOUR, table="orders")
    assert f"{name} of orders is in the future" in problem(ahead, pipeline)


@pytest.mark.parametrize("name", [ROWS, CONTENTS])
def test_mismatches_without_a_time_are_not(page: Metrics, pipeline: Pipeline, name: str) -> None:
    assert "count 7 mismatches of orders and no time" in problem(changed(page, name, 7, table="orders"), pipeline)


@pytest.mark.parametrize("value", [0.0, NOW.timestamp() - 72 * HOUR], ids=["never", "three days ago"])
def test_metrics_that_never_saw_the_newest_report_are_not(page: Metrics, pipeline: Pipeline, value: float) -> None:
    assert "they show the last match of" in problem(changed(page, LAST_MATCH, value), pipeline)
    old = changed(page, "cdcproof_exporter_last_report_timestamp_seconds", value)
    assert "the newest report that they count is of" in problem(old, pipeline)


def test_a_mismatch_that_stands_is_judged_and_not_put_off(page: Metrics, pipeline: Pipeline) -> None:
    older = changed(page, LAST_MATCH, NOW.timestamp() - 31 * HOUR, table="orders")
    demand_counted(changed(older, LAST_MISMATCH, NOW.timestamp() - 30 * HOUR, table="orders"), pipeline, NOW, MATCHED)


def test_the_connectors_metrics_have_an_owner_too(pipeline: Pipeline) -> None:
    page = scraped(ConnectorCollector(pipeline))
    with pytest.raises(UnexpectedAnswerError, match='service="connect"} is 0'):
        demand_own(page, pipeline, datetime.now(UTC), ["connect"])
    demand_own(changed(page, "cdcproof_exporter_up", 1, service="connect"), pipeline, datetime.now(UTC), ["connect"])


def test_whose_fault_it_is_is_said_with_what_helps(page: Metrics, pipeline: Pipeline) -> None:
    other = pipeline.model_copy(update={"name": "other"})
    with pytest.raises(UnexpectedAnswerError) as raised:
        demand_own(page, other, NOW, [])
    assert raised.value.message == f"The metrics at {page.url} prove nothing: they are of pipeline test, not other."
    assert raised.value.remedy == (
        "Look at what serves this address, then start `cdcproof exporter` with the file of this pipeline."
    )
    with pytest.raises(UnexpectedAnswerError) as raised:
        demand_counted(changed(page, ROWS, -1.0, table="orders"), pipeline, NOW, MATCHED)
    assert raised.value.message == f"The metrics at {page.url} prove nothing: {ROWS} of orders is -1.0."
    assert raised.value.remedy == "Compare its reports directory and its clock with this machine's, and read its log."


def test_whose_metrics_they_are_is_said_once_and_for_both_sides(page: Metrics, pipeline: Pipeline) -> None:
    unknown = f"they do not say whose they are ({INFO}): another program serves them, or an older cdcproof"
    [info] = [one for one in page.samples if one.name == INFO]
    twice = replace(info, labels=(("pipeline", "second"),))
    assert not_own(replace(page, samples=(*page.samples, twice)), pipeline) == unknown
    assert not_own(page, pipeline) == ""
    for side, place in (("source", "sqlserver://h:1/elsewhere"), ("target", "postgresql://h:1/elsewhere")):
        labels = tuple((key, place if key == side else value) for key, value in info.labels)
        others = tuple(replace(one, labels=labels) if one is info else one for one in page.samples)
        assert not_own(replace(page, samples=others), pipeline).startswith(f"they are of the {side} {place}, not ")
        unsaid = tuple((key, value) for key, value in info.labels if key != side)
        others = tuple(replace(one, labels=unsaid) if one is info else one for one in page.samples)
        assert not_own(replace(page, samples=others), pipeline).startswith(f"they are of the {side} None, not ")


def test_a_page_may_be_two_minutes_old_and_as_far_ahead_as_clocks_may_be(page: Metrics, pipeline: Pipeline) -> None:
    """And as much older as clocks may differ: 60 s, unless the pipeline file says otherwise."""
    for seconds in (180, -60):
        demand_own(page, pipeline, NOW + timedelta(seconds=seconds), ["reports"])
    old = problem(page, pipeline, NOW + timedelta(seconds=181))
    at = f"{NOW.astimezone():%Y-%m-%d %H:%M:%S}"
    assert f"they were made 0.1 h ago, at {at}: a copy, or an exporter that hangs." in old
    ahead = problem(page, pipeline, NOW - timedelta(seconds=61))
    assert f"they were made in the future, at {at}: a clock is wrong." in ahead


def test_a_service_that_the_page_does_not_name_is_absent(page: Metrics, pipeline: Pipeline) -> None:
    with pytest.raises(UnexpectedAnswerError, match=r'cdcproof_exporter_up\{service="connect"\} is absent\.'):
        demand_own(page, pipeline, NOW, ["reports", "connect"])


def test_a_time_may_be_as_far_ahead_as_clocks_may_be(page: Metrics, pipeline: Pipeline) -> None:
    near = NOW.timestamp() + 60
    demand_counted(changed(page, LAST_MATCH, near, table="orders"), pipeline, NOW, MATCHED)
    with pytest.raises(UnexpectedAnswerError, match="is in the future, 20"):
        demand_counted(changed(page, LAST_MATCH, near + 1, table="orders"), pipeline, NOW, MATCHED)


def test_a_report_counts_that_is_older_by_no_more_than_clocks_may_differ(page: Metrics, pipeline: Pipeline) -> None:
    at = MATCHED["orders"].timestamp()
    demand_counted(changed(changed(page, LAST_MATCH, at - 60), LAST_REPORT, at - 60), pipeline, NOW, MATCHED)
    with pytest.raises(
        UnexpectedAnswerError, match=r"the newest report that they count is of 20.*, and there is one of 20"
    ):
        demand_counted(changed(page, LAST_REPORT, at - 61), pipeline, NOW, MATCHED)
    with pytest.raises(
        UnexpectedAnswerError, match=r"they show the last match of orders at 20.*, and a report matched at 20"
    ):
        demand_counted(changed(page, LAST_MATCH, at - 61, table="orders"), pipeline, NOW, MATCHED)
    with pytest.raises(
        UnexpectedAnswerError, match="the newest report that they count is of never, and there is one of 20"
    ):
        demand_counted(changed(page, LAST_REPORT, None), pipeline, NOW, MATCHED)
    with pytest.raises(UnexpectedAnswerError, match="they show the last match of orders at never, and"):
        demand_counted(changed(page, LAST_MATCH, 0, table="orders"), pipeline, NOW, MATCHED)


def test_a_mismatch_as_old_as_the_match_does_not_stand(page: Metrics, pipeline: Pipeline) -> None:
    old = NOW.timestamp() - 30 * HOUR
    same = changed(changed(page, LAST_MATCH, old, table="orders"), LAST_MISMATCH, old, table="orders")
    with pytest.raises(UnexpectedAnswerError, match="they show the last match of orders"):
        demand_counted(same, pipeline, NOW, MATCHED)


def test_a_table_that_has_no_series_yet_is_for_the_check_of_mismatches(page: Metrics, pipeline: Pipeline) -> None:
    bare = page
    for name in (ROWS, CONTENTS, LAST_MATCH, LAST_MISMATCH):
        bare = changed(bare, name, None, table="orders")
    demand_counted(bare, pipeline, NOW, MATCHED)
    counted = changed(changed(page, ROWS, 2, table="orders"), LAST_MISMATCH, NOW.timestamp() - 1, table="orders")
    demand_counted(counted, pipeline, NOW, MATCHED)


def test_when_a_page_was_made_is_read_from_it(page: Metrics) -> None:
    assert made_at(page) == NOW.timestamp()
    assert math.isnan(made_at(changed(page, RENDERED, None)))


@pytest.mark.parametrize("shown", [0.0, NOW.timestamp() - 30 * HOUR], ids=["never", "long ago"])
def test_a_match_that_was_not_counted_is_missed_where_no_mismatch_was(
    page: Metrics, pipeline: Pipeline, shown: float
) -> None:
    never = changed(changed(page, LAST_MATCH, shown, table="orders"), LAST_MISMATCH, None, table="orders")
    with pytest.raises(UnexpectedAnswerError, match="they show the last match of orders"):
        demand_counted(never, pipeline, NOW, MATCHED)
