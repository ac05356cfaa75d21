from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from cdcproof.core.errors import ConfigError
from cdcproof.core.waiting import wait_until, within
from cdcproof.monitoring.exporter import reconciliation, totals
from cdcproof.monitoring.exporter.reconciliation import ReconciliationCollector
from cdcproof.monitoring.exporter.totals import Totals
from cdcproof.observations.reconciliation.exporter_page import UP
from cdcproof.reconcile.report.result import MutantResult, Report, SelfProof, TableResult, TableStatus, write
from tests.monitoring.pages import scraped
from tests.pipelines import pipeline_of

START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
ROWS, CONTENT, RUNS = (
    "reconciliation_row_count_mismatch_total",
    "reconciliation_checksum_mismatch_total",
    "reconciliation_runs_total",
)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reconciliation_reports"
    folder.mkdir()
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "reports" / "exporter-state.json"


def match(table: str = "orders", rows: int = 10) -> TableResult:
    return TableResult(table, TableStatus.MATCH, rows, rows, True)


def fewer(table: str = "orders") -> TableResult:
    return TableResult(table, TableStatus.MISMATCH, 10, 9, False)


def different(table: str = "orders") -> TableResult:
    return TableResult(table, TableStatus.MISMATCH, 10, 10, False)


def incomplete(table: str = "orders") -> TableResult:
    return TableResult(table, TableStatus.INCOMPLETE, 10, 10, True, unseen=("doc",))


def unseen(table: str = "orders") -> TableResult:
    return TableResult(table, TableStatus.ERROR, error="no")


def report(
    folder: Path, *tables: TableResult, at: datetime = START, seconds: float = 2.0, complete: bool = True
) -> Path:
    end = at + timedelta(seconds=seconds)
    source, target = "sqlserver://h:1/warehouse_source", "postgresql://h:1/warehouse_target"
    return write(Report("id", at.isoformat(), end.isoformat(), source, target, "m", tables, complete), folder)


def metrics(reports: Path, state: Path, **changes: object) -> ReconciliationCollector:
    pipeline = pipeline_of("customers", "orders", paths={"reconciliation_reports": str(reports)}, **changes)
    return ReconciliationCollector(pipeline, state)


def test_every_expected_series_is_there_at_zero_before_the_first_report(reports: Path, state: Path) -> None:
    seen = scraped(metrics(reports, state))
    zeros = {"customers": 0.0, "orders": 0.0}
    for name in (
        ROWS,
        CONTENT,
        "reconciliation_last_match_timestamp_seconds",
        "reconciliation_last_mismatch_timestamp_seconds",
    ):
        assert seen.labelled(name, "table") == zeros
    assert seen.labelled(RUNS, "status") == {"success": 0.0, "failure": 0.0}
    assert seen.series("reconciliation_rows_per_second") == {(): 0.0}
    assert seen.labelled("cdcproof_exporter_up", "service") == {"reports": 1.0, "state": 1.0}


@pytest.mark.parametrize(
    ("tables", "complete", "counted"),
    [
        ([match()], True, (0, 0, "success")),
        ([fewer()], True, (1, 0, "success")),
        ([different()], True, (0, 1, "success")),
        ([unseen(), match("customers")], True, (0, 0, "failure")),
        ([incomplete(), match("customers")], True, (0, 0, "failure")),
        ([match()], False, (0, 0, "failure")),
        ([], True, (0, 0, "failure")),
    ],
)
def test_each_kind_of_report_is_counted_where_it_belongs(
    reports: Path, state: Path, tables: list[TableResult], complete: bool, counted: tuple[int, int, str]
) -> None:
    rows, content, status = counted
    report(reports, *tables, complete=complete)
    seen = scraped(metrics(reports, state))
    assert seen.labelled(ROWS, "table") == {"customers": 0.0, "orders": rows}
    assert seen.labelled(CONTENT, "table") == {"customers": 0.0, "orders": content}
    assert seen.labelled(RUNS, "status") == {"success": 0.0, "failure": 0.0} | {status: 1.0}


def test_a_report_is_counted_once_over_scrapes_a_restart_and_its_deletion(reports: Path, state: Path) -> None:
    found = metrics(reports, state)
    path = report(reports, fewer())
    for _ in range(2):
        assert scraped(found).labelled(ROWS, "table")["orders"] == 1
    again = metrics(reports, state)
    assert scraped(again).labelled(ROWS, "table")["orders"] == 1
    kept = path.read_text()
    path.unlink()
    assert scraped(again).labelled(ROWS, "table")["orders"] == 1
    path.write_text(kept)  # restored from a backup
    assert scraped(again).labelled(ROWS, "table")["orders"] == 1
    report(reports, fewer(), at=START + timedelta(hours=1))
    assert scraped(again).labelled(ROWS, "table")["orders"] == 2


def test_times_and_rate_are_those_of_the_newest_report(reports: Path, state: Path) -> None:
    report(reports, different(), at=START)
    report(reports, match(rows=300), match("customers", 100), at=START + timedelta(hours=1), seconds=4)
    seen = scraped(metrics(reports, state))
    assert seen.series("reconciliation_rows_per_second") == {(): 100.0}
    mismatch = seen.labelled("reconciliation_last_mismatch_timestamp_seconds", "table")
    matched = seen.labelled("reconciliation_last_match_timestamp_seconds", "table")
    assert mismatch == {"customers": 0.0, "orders": (START + timedelta(seconds=2)).timestamp()}
    assert matched["orders"] == (START + timedelta(hours=1, seconds=4)).timestamp()


def test_a_table_that_was_not_compared_as_a_whole_has_not_matched(reports: Path, state: Path) -> None:
    report(reports, match(), at=START)
    report(reports, incomplete(), at=START + timedelta(hours=1))
    matched = scraped(metrics(reports, state)).labelled("reconciliation_last_match_timestamp_seconds", "table")
    assert matched["orders"] == (START + timedelta(seconds=2)).timestamp()


def counted_only(table: str = "orders") -> TableResult:
    return TableResult(table, TableStatus.MATCH, 10, 10, strategy="counts")


def matched(reports: Path, state: Path) -> float:
    return scraped(metrics(reports, state)).labelled("reconciliation_last_match_timestamp_seconds", "table")["orders"]


def test_while_contents_differ_equal_counts_are_no_match(reports: Path, state: Path) -> None:
    report(reports, match(), at=START)
    report(reports, different(), at=START + timedelta(hours=1))
    report(reports, counted_only(), at=START + timedelta(hours=2))
    assert matched(reports, state) == (START + timedelta(seconds=2)).timestamp()
    report(reports, counted_only(), at=START + timedelta(hours=3))
    assert matched(reports, state) == (START + timedelta(seconds=2)).timestamp(), "nor after a restart"
    report(reports, match(), at=START + timedelta(hours=4))
    report(reports, counted_only(), at=START + timedelta(hours=5))
    assert matched(reports, state) == (START + timedelta(hours=5, seconds=2)).timestamp()


def test_counts_that_differed_are_resolved_by_counts(reports: Path, state: Path) -> None:
    report(reports, TableResult("orders", TableStatus.MISMATCH, 10, 9, strategy="counts"), at=START)
    report(reports, counted_only(), at=START + timedelta(hours=1))
    assert matched(reports, state) == (START + timedelta(hours=1, seconds=2)).timestamp()


def test_reports_of_another_pipeline_or_of_other_tables_are_not_counted(reports: Path, state: Path) -> None:
    path = report(reports, fewer())
    data = json.loads(path.read_text())
    for other in ({"source": "sqlserver://staging:1/warehouse_source"}, {"pipeline": "other"}, {"target": ""}):
        path.write_text(json.dumps(data | other))
        seen = scraped(metrics(reports, state))
        assert seen.labelled(ROWS, "table")["orders"] == 0
        assert seen.labelled(RUNS, "status") == {"success": 0.0, "failure": 0.0}
        state.unlink()
    path.unlink()
    report(reports, fewer("given_up"))
    seen = scraped(metrics(reports, state))
    assert seen.labelled(RUNS, "status") == {"success": 0.0, "failure": 0.0}
    assert set(seen.labelled(ROWS, "table")) == {"customers", "orders"}


def test_what_was_counted_of_other_databases_is_counted_afresh(reports: Path, state: Path) -> None:
    report(reports, fewer())
    assert scraped(metrics(reports, state)).labelled(ROWS, "table")["orders"] == 1
    moved = {"type": "sqlserver", "host": "new", "port": 1, "database": "warehouse_source", "user": "u"}
    moved |= {"schema": "s", "password_env": "P"}
    assert scraped(metrics(reports, state, source=moved)).labelled(ROWS, "table")["orders"] == 0


def test_totals_of_the_format_before_keep_a_difference_of_contents(reports: Path, state: Path) -> None:
    report(reports, different())
    scraped(metrics(reports, state))
    data = json.loads(state.read_text())
    new = ("contents_differed", "contents_proven", "source", "target", "last_report")
    state.write_text(json.dumps({name: value for name, value in data.items() if name not in new} | {"version": 1}))
    report(reports, counted_only(), at=START + timedelta(hours=1))
    assert matched(reports, state) == 0


def test_the_metrics_say_whose_they_are_and_when_they_were_made(reports: Path, state: Path) -> None:
    report(reports, match())
    seen = scraped(metrics(reports, state))
    (labels,) = seen.series("cdcproof_exporter_info")
    assert dict(labels) == {
        "pipeline": "test",
        "source": "sqlserver://h:1/warehouse_source",
        "target": "postgresql://h:1/warehouse_target",
    }
    assert abs(seen.series("cdcproof_exporter_rendered_timestamp_seconds")[()] - time.time()) < 60
    counted = seen.series("cdcproof_exporter_last_report_timestamp_seconds")[()]
    assert counted == (START + timedelta(seconds=2)).timestamp()


def test_a_clock_that_is_ahead_does_not_outshine_later_reports(reports: Path, state: Path) -> None:
    report(reports, match(), at=datetime.now(UTC) + timedelta(days=300))
    seen = scraped(metrics(reports, state))
    assert 0 < seen.labelled("reconciliation_last_match_timestamp_seconds", "table")["orders"] <= time.time()


@pytest.mark.parametrize(
    "text", ["", '{"version": 1,', "[]", '{"version": 99}', "null"], ids=["empty", "cut", "list", "version", "null"]
)
def test_what_stays_unreadable_is_a_failed_run_once(
    reports: Path, state: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    found = metrics(reports, state)
    (reports / "reconciliation_report_20261123_060000.json").write_text(text)
    assert scraped(found).labelled(RUNS, "status")["failure"] == 0  # it may still be on its way
    monkeypatch.setattr(reconciliation, "_SETTLE_SECONDS", 0.0)
    for _ in range(2):
        assert scraped(found).labelled(RUNS, "status")["failure"] == 1


def test_a_report_that_becomes_whole_is_not_a_failure(
    reports: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "_SETTLE_SECONDS", 0.0)
    found = metrics(reports, state)
    path = report(reports, match())
    whole = path.read_text()
    path.write_text(whole[:40])
    scraped(found)
    path.write_text(whole[:60])  # still growing
    assert scraped(found).labelled(RUNS, "status") == {"success": 0.0, "failure": 0.0}
    path.write_text(whole)
    assert scraped(found).labelled(RUNS, "status") == {"success": 1.0, "failure": 0.0}


def test_a_time_without_offset_is_not_a_whole_report(
    reports: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "_SETTLE_SECONDS", 0.0)
    path = report(reports, match())
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "finished_at": "2026-11-23T06:00:02"}))
    found = metrics(reports, state)
    scraped(found)
    assert scraped(found).labelled(RUNS, "status") == {"success": 0.0, "failure": 1.0}


def test_files_that_are_not_reports_are_left_alone(reports: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "_SETTLE_SECONDS", 0.0)
    for name in ("reconciliation_report_20261123_060000.json.part", "notes.json", "reconciliation_report_1.txt"):
        (reports / name).write_text("{")
    found = metrics(reports, state)
    scraped(found)
    assert scraped(found).labelled(RUNS, "status") == {"success": 0.0, "failure": 0.0}


def test_a_missing_directory_is_named_and_keeps_the_totals(reports: Path, state: Path) -> None:
    report(reports, fewer())
    scraped(metrics(reports, state))
    seen = scraped(metrics(reports.with_name("elsewhere"), state))
    assert seen.labelled("cdcproof_exporter_up", "service") == {"reports": 0.0, "state": 1.0}
    paths = {
        (("path", str(reports.with_name("elsewhere"))), ("service", "reports")),
        (("path", str(state)), ("service", "state")),
    }
    assert seen.series("cdcproof_exporter_path").keys() == paths
    assert seen.labelled(ROWS, "table")["orders"] == 1


def test_a_state_that_cannot_be_saved_is_told_and_saved_when_it_can(reports: Path, state: Path) -> None:
    found = metrics(reports, state)
    report(reports, fewer())
    state.unlink()
    state.mkdir()  # in the way of the file
    seen = scraped(found)
    assert seen.labelled("cdcproof_exporter_up", "service") == {"reports": 1.0, "state": 0.0}
    assert seen.labelled(ROWS, "table")["orders"] == 1
    state.rmdir()
    assert scraped(found).labelled("cdcproof_exporter_up", "service")["state"] == 1
    assert scraped(metrics(reports, state)).labelled(ROWS, "table")["orders"] == 1


def test_the_state_is_readable_by_its_owner_only(reports: Path, state: Path) -> None:
    metrics(reports, state)
    assert state.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1, "surprise": 2, "counted": [], "runs": {}}', "null"])
def test_a_state_that_cannot_be_read_is_named_and_not_overwritten(reports: Path, state: Path, text: str) -> None:
    state.parent.mkdir()
    state.write_text(text)
    with pytest.raises(ConfigError, match="state") as raised:
        metrics(reports, state)
    assert raised.value.path == state
    assert state.read_text() == text


def test_the_state_of_another_pipeline_or_format_is_refused(reports: Path, state: Path) -> None:
    metrics(reports, state)
    with pytest.raises(ConfigError, match="pipeline test, not other"):
        metrics(reports, state, name="other")
    state.write_text(state.read_text().replace('"version": 2', '"version": 3'))
    with pytest.raises(ConfigError, match="format 3, not 2"):
        metrics(reports, state)


def test_names_of_deleted_reports_are_bounded_and_present_ones_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "_MOST_NAMES_OF_DELETED_REPORTS", 2)
    kept = Totals("test", counted={"r1", "r2", "r3", "r4", "r5"})
    kept.forget_deleted({"r1"})
    assert kept.counted == {"r1", "r4", "r5"}


def test_a_report_that_cannot_be_read_to_its_end_holds_one_thread_and_no_more(
    reports: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "SCRAPE_SECONDS", 0.2)
    hanging = reports / "reconciliation_report_20261123_060000.json"
    os.mkfifo(hanging)  # to open it waits for who writes, as a file system does that is away
    read = reconciliation.read

    def waiting(path: Path) -> Report:
        path.read_bytes()
        return read(path)

    monkeypatch.setattr(reconciliation, "read", waiting)  # which would open no pipe
    found = metrics(reports, state)
    threads = threading.active_count()
    for _ in range(3):
        seen = within(5, partial(scraped, found), what="the page")
        assert seen.labelled(UP, "service") == {"reports": 0.0, "state": 1.0}
        assert seen.series("cdcproof_exporter_info")
        assert not seen.series(RUNS), "what was counted before says nothing of now"
    assert threading.active_count() == threads + 1
    with hanging.open("w") as writer:  # it is back
        hanging.unlink()
        writer.write("{")
    wait_until(
        lambda: scraped(found).labelled(UP, "service"),
        lambda answered: answered == {"reports": 1.0, "state": 1.0},
        what="the page",
        deadline_seconds=5,
    )


def test_the_duration_is_that_of_the_newest_whole_report_and_absent_before(reports: Path, state: Path) -> None:
    name = "reconciliation_duration_seconds"
    assert scraped(metrics(reports, state)).series(name) == {}
    report(reports, match(), at=START, seconds=4)
    assert scraped(metrics(reports, state)).series(name) == {(): 4.0}
    report(reports, match(), at=START + timedelta(hours=1), seconds=9, complete=False)
    assert scraped(metrics(reports, state)).series(name) == {(): 4.0}, "also after a restart"


def test_a_state_of_before_the_duration_was_kept_is_read(reports: Path, state: Path) -> None:
    report(reports, fewer())
    scraped(metrics(reports, state))
    data = json.loads(state.read_text())
    del data["duration_seconds"]
    state.write_text(json.dumps(data))
    assert scraped(metrics(reports, state)).labelled(ROWS, "table")["orders"] == 1


def test_mutants_are_those_of_the_newest_comparison_of_contents(reports: Path, state: Path) -> None:
    """A run that only counted rows planted none, and leaves what the last comparison of contents showed."""
    fates = ("caught", "caught", "not applicable", "survived")
    proof = SelfProof(9, "equal", tuple(MutantResult(f"m{i}", fate) for i, fate in enumerate(fates)))  # type: ignore[arg-type]
    whole = replace(proof, mutants=proof.mutants[:2])
    name = "cdcproof_reconciliation_mutants"
    assert scraped(metrics(reports, state)).series(name) == {}
    report(reports, replace(match(), self_proof=whole))
    report(reports, replace(match(), self_proof=proof), at=START + timedelta(hours=1))
    report(reports, match(), at=START + timedelta(hours=2))
    fate_of = {"caught": 2.0, "not applicable": 1.0, "survived": 1.0}
    found = {(("result", fate), ("table", "orders")): number for fate, number in fate_of.items()}
    assert scraped(metrics(reports, state)).series(name) == found
    assert scraped(metrics(reports, state)).series(name) == found  # from the state file
