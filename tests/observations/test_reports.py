"""The newest report of today, judged: every way it can prove nothing."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.findings import Finding, require_equal
from cdcproof.observations import reports
from cdcproof.pipeline import Pipeline
from cdcproof.reconcile.result import Report, TableResult, TableStatus, write
from tests.pipelines import pipeline_of

NOW = datetime(2026, 3, 10, 6, 0, 0).astimezone()
TABLES = ("customers", "orders")


@pytest.fixture
def pipeline(tmp_path):
    return pipeline_of(*TABLES, paths={"reconciliation_reports": str(tmp_path / "reconciliation_reports")})


def report(finished: datetime, *tables: TableResult) -> Report:
    started = finished - timedelta(seconds=1)
    return Report(
        run_id="r",
        started_at=started.isoformat(),
        finished_at=finished.isoformat(),
        source="sqlserver://sql:1433/warehouse_source",
        target="postgresql://pg:5432/warehouse_target",
        method="test",
        tables=tables or tuple(TableResult(t, TableStatus.MATCH, 10, 10) for t in TABLES),
    )


def store(pipeline: Pipeline, made: Report) -> Path:
    return write(made, pipeline.paths.reconciliation_reports)


def problem(pipeline: Pipeline, now: datetime = NOW) -> str:
    """What is found under the subject `report` where it is wrong."""
    newest = reports.look(pipeline, now).newest()
    with pytest.raises(Finding) as raised:
        require_equal(newest.found(), newest.expected(), details=newest.details())
    return next(d.found for d in raised.value.differences if d.subject == "report")


def is_green(pipeline: Pipeline, now: datetime = NOW) -> bool:
    newest = reports.look(pipeline, now).newest()
    return newest.found() == newest.expected()


def test_a_fresh_report_that_matches_is_green(pipeline):
    store(pipeline, report(NOW - timedelta(minutes=5)))

    assert is_green(pipeline)


def test_no_directory_and_no_report(pipeline):
    assert problem(pipeline) == f"no report in {pipeline.paths.reconciliation_reports}"


def test_a_newer_mismatch_is_not_excused_by_an_older_match(pipeline):
    store(pipeline, report(NOW - timedelta(minutes=60)))
    mismatch = TableResult("orders", TableStatus.MISMATCH, 10, 9, missing_at_target=1, example_keys=("missing 7",))
    store(pipeline, report(NOW - timedelta(minutes=5), TableResult("customers", TableStatus.MATCH, 1, 1), mismatch))

    newest = reports.look(pipeline, NOW).newest()

    assert newest.found()["orders"] == "MISMATCH"
    assert newest.tables_not_matching() == ("orders",)
    assert "1 missing at the target; missing 7" in newest.details()["orders"]


def test_a_newer_match_supersedes_an_older_mismatch(pipeline):
    store(pipeline, report(NOW - timedelta(minutes=60), *(TableResult(t, TableStatus.MISMATCH, 2, 1) for t in TABLES)))
    store(pipeline, report(NOW - timedelta(minutes=5)))

    assert is_green(pipeline)


def test_two_reports_of_one_second_are_ordered_by_their_number(pipeline):
    store(pipeline, report(NOW - timedelta(minutes=5)))
    second = store(pipeline, report(NOW - timedelta(minutes=5), *(TableResult(t, TableStatus.ERROR) for t in TABLES)))

    assert second.name.endswith("_2.json")
    assert reports.look(pipeline, NOW).newest().found()["orders"] == "ERROR"


def test_a_table_that_is_not_in_the_report_is_absent(pipeline):
    store(pipeline, report(NOW - timedelta(minutes=5), TableResult("customers", TableStatus.MATCH, 1, 1)))

    newest = reports.look(pipeline, NOW).newest()

    assert "orders" not in newest.found()
    assert newest.expected()["orders"] == "MATCH"
    assert newest.tables_not_matching() == ("orders",)


@pytest.mark.parametrize(("source_rows", "target_rows"), [(0, 0), (None, None), (0, 5)])
def test_a_match_of_nothing_is_not_a_match(pipeline, source_rows, target_rows):
    tables = [TableResult(t, TableStatus.MATCH, source_rows, target_rows) for t in TABLES]
    store(pipeline, report(NOW - timedelta(minutes=5), *tables))

    assert reports.look(pipeline, NOW).newest().found()["customers"] == "MATCH of no rows"


def test_a_truncated_report(pipeline):
    path = store(pipeline, report(NOW - timedelta(minutes=5)))
    path.write_text(path.read_text()[:100])

    assert problem(pipeline).startswith("not a whole report: ")


@pytest.mark.parametrize("content", ["", "[]", "null", '{"summary": {"customers": "MATCH"}}', "\udcff"])
def test_a_file_that_is_no_report(pipeline, content):
    path = store(pipeline, report(NOW - timedelta(minutes=5)))
    path.write_bytes(content.encode("utf-8", "surrogateescape"))

    assert problem(pipeline).startswith("not a whole report: ")


@pytest.mark.parametrize("time", ["yesterday", "2026-03-10T05:55:00"])
def test_a_time_that_means_nothing(pipeline, time):
    path = store(pipeline, report(NOW - timedelta(minutes=5)))
    path.write_text(json.dumps({**json.loads(path.read_text()), "finished_at": time}))

    assert problem(pipeline).startswith("not a whole report: ")


def test_a_summary_that_was_edited_by_hand(pipeline):
    mismatch = tuple(TableResult(t, TableStatus.MISMATCH, 2, 1) for t in TABLES)
    path = store(pipeline, report(NOW - timedelta(minutes=5), *mismatch))
    data = json.loads(path.read_text())
    data["summary"] = dict.fromkeys(TABLES, "MATCH")
    path.write_text(json.dumps(data))

    assert "disagrees with the tables" in problem(pipeline)


def test_a_report_from_the_future(pipeline):
    store(pipeline, report(NOW - timedelta(minutes=5)))
    store(pipeline, report(NOW + timedelta(hours=3)))

    assert problem(pipeline).startswith("from the future: 2026-03-10 08:59:59")


def test_a_report_that_ends_in_the_future(pipeline):
    now = NOW - timedelta(minutes=5)
    store(pipeline, replace(report(now), finished_at=(NOW + timedelta(hours=3)).isoformat()))

    assert problem(pipeline) == "from the future: finished at 2026-03-10 09:00:00; a clock is wrong"


def test_clocks_may_differ_a_little(pipeline):
    store(pipeline, report(NOW + timedelta(seconds=30)))

    assert is_green(pipeline)


def test_a_report_that_is_too_old(pipeline):
    store(pipeline, report(NOW - timedelta(hours=2, minutes=6)))

    assert problem(pipeline) == "too old: finished at 2026-03-10 03:54, 2.1 h ago, limit 2 h"


def test_a_report_of_yesterday(pipeline):
    store(pipeline, report(NOW - timedelta(hours=10)))

    assert problem(pipeline).startswith("none of today; the newest finished at 2026-03-09 20:00")


def test_the_report_of_a_moment_ago_is_still_good_just_after_midnight(pipeline):
    midnight = NOW.replace(hour=0, minute=1)
    store(pipeline, report(midnight - timedelta(minutes=2)))

    assert is_green(pipeline, midnight)
    assert problem(pipeline, midnight + timedelta(minutes=60)).startswith("none of today")


def test_a_report_that_was_renamed_to_look_fresh(pipeline):
    path = store(pipeline, report(NOW - timedelta(hours=20)))
    path.rename(path.with_name("reconciliation_report_20260310_055500.json"))

    assert problem(pipeline) == "named 2026-03-10 05:55:00 but started at 2026-03-09 09:59:59"


def test_a_partial_report(pipeline):
    store(pipeline, replace(report(NOW - timedelta(minutes=5)), complete=False))

    assert problem(pipeline) == "partial: the run was interrupted"


@pytest.mark.parametrize(
    ("field", "value", "side"),
    [
        ("source", "sqlserver://sql:1433/other", "source"),
        ("target", "postgresql://pg:5432/warehouse_target_staging", "target"),
        ("source", "postgresql://sql:1433/warehouse_source", "source"),
    ],
)
def test_a_report_of_other_databases(pipeline, field, value, side):
    store(pipeline, replace(report(NOW - timedelta(minutes=5)), **{field: value}))

    assert problem(pipeline) == f"of another {side}: {value}"


def test_files_that_only_look_like_reports_are_left_alone(pipeline):
    store(pipeline, report(NOW - timedelta(minutes=5)))
    directory = pipeline.paths.reconciliation_reports
    for name in ("reconciliation_report_20990101_000000.json.part", "reconciliation_report_2099.json", "notes.txt"):
        (directory / name).write_text("{")

    assert is_green(pipeline)


def test_a_name_with_an_impossible_date_is_no_report(pipeline):
    path = store(pipeline, report(NOW - timedelta(minutes=5)))
    path.rename(path.with_name("reconciliation_report_20261399_055500.json"))

    assert problem(pipeline) == "not a whole report: its name holds no date"
