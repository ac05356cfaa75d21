"""What the reports of a directory say of each table: every way they can prove nothing."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.databases.contracts.identity import Identity
from cdcproof.findings import Finding, require, require_equal
from cdcproof.observations.reconciliation import reports
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.report.ownership import is_same_place
from cdcproof.reconcile.report.result import (
    KeyDifference,
    MutantResult,
    Report,
    Scrubbed,
    SelfProof,
    TableResult,
    TableStatus,
    write,
)
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
        source="sqlserver://h:1/warehouse_source",
        target="postgresql://h:1/warehouse_target",
        method="test",
        tables=tables or tuple(compared(t) for t in TABLES),
    )


def compared(table: str, status: TableStatus = TableStatus.MATCH, **more: object) -> TableResult:
    """By contents."""
    return TableResult(table, status, 10, 10, status is not TableStatus.MISMATCH, **more)


def counted(table: str, status: TableStatus = TableStatus.MATCH) -> TableResult:
    return TableResult(table, status, 10, 10 if status is TableStatus.MATCH else 9, strategy="counts")


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


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


def test_a_newer_report_supersedes_one_that_cannot_be_read(pipeline):
    store(pipeline, report(ago(minutes=9)))
    path = store(pipeline, report(ago(minutes=5)))
    path.write_text("{")
    os.utime(path, (ago(minutes=5).timestamp(),) * 2)
    assert problem(pipeline).startswith("not a whole report: ")
    assert reports.look(pipeline, NOW).newest().tables_not_matching() == TABLES

    store(pipeline, report(ago(minutes=2)))
    assert is_green(pipeline)


def test_beside_a_newer_report_that_cannot_be_read_nothing_is_known(pipeline):
    store(pipeline, report(ago(minutes=9), compared("customers", TableStatus.MISMATCH), compared("orders")))
    path = store(pipeline, report(ago(minutes=5)))
    with path.open("wb") as file:
        file.truncate(2**30)
    os.utime(path, (ago(minutes=5).timestamp(),) * 2)
    with pytest.raises(CouldNotLookError, match="cannot be read: it has 1,073,741,824 bytes") as caught:
        require(reports.look(pipeline, NOW).newest().observation())
    assert str(path) in caught.value.message
    assert "move it away" in caught.value.remedy

    store(pipeline, report(ago(minutes=2)))
    require(reports.look(pipeline, NOW).newest().observation())


def _places(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield (*at, name)
        yield from _places(one, (*at, name))


def test_a_report_with_a_value_of_another_kind_is_no_internal_error_and_never_green(pipeline):
    differing = TableResult(
        "customers",
        TableStatus.MISMATCH,
        10,
        9,
        not_compared=("a (xml)",),
        unseen=("a",),
        row_policies=("p",),
        differences=(KeyDifference("missing", {"id": "1"}),),
        compared={"source": "public.customers"},
        scrubbed=Scrubbed(1, "x", 1, 2, 0, None),
        self_proof=SelfProof(1, "equal", (MutantResult("NULL", "caught"),)),
    )
    path = store(pipeline, report(ago(minutes=5), differing, compared("orders")))
    good = path.read_text()
    for place in _places(json.loads(good)):
        for value in ("x", 1, None, [], {}, [["x"]]):
            data = json.loads(good)
            outer = data
            for name in place[:-1]:
                outer = outer[name]
            outer[place[-1]] = value
            path.write_text(json.dumps(data))
            seen = reports.look(pipeline, NOW)
            seen.rows()
            seen.newest().rows()
            with pytest.raises(Finding):
                require(seen.newest().observation())


def test_a_report_of_another_format_is_called_that(pipeline):
    path = store(pipeline, report(ago(minutes=5)))
    path.write_text('{"summary": {"customers": "MATCH"}}')

    assert problem(pipeline) == "not a whole report: not written by this program (no version)"


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


def test_a_report_from_the_future_is_named_and_set_aside(pipeline):
    store(pipeline, report(NOW - timedelta(minutes=5)))
    ahead = store(pipeline, report(NOW + timedelta(hours=3)))

    assert problem(pipeline) == "from the future: finished at 2026-03-10 09:00:00; a clock is wrong"
    assert reports.look(pipeline, NOW).newest().files_ahead() == (ahead,)
    ahead.rename(f"{ahead}.from-the-future")
    assert is_green(pipeline)


def test_a_report_that_was_from_the_future_when_it_was_written_hides_nothing_later(pipeline):
    """An hour passes, and a report of a clock that was an hour ahead looks like the newest."""
    store(pipeline, report(ago(minutes=30), *(compared(t, TableStatus.MISMATCH) for t in TABLES)))
    ahead = store(pipeline, report(ago(minutes=1)))
    os.utime(ahead, (ago(minutes=61).timestamp(),) * 2)

    assert problem(pipeline).startswith("from the future when it was written, 2026-03-10 04:59:00")
    ahead.unlink()
    assert reports.look(pipeline, NOW).newest().found()["orders"] == "MISMATCH"


def test_clocks_may_differ_a_little(pipeline):
    store(pipeline, report(NOW + timedelta(seconds=30)))

    assert is_green(pipeline)


def test_a_report_that_is_too_old(pipeline):
    store(pipeline, report(NOW - timedelta(hours=2, minutes=6)))

    assert problem(pipeline) == "too old: finished at 2026-03-10 03:54:00, 2.1 h ago, limit 2 h"


def test_age_is_a_matter_of_hours_not_of_dates(pipeline):
    midnight = NOW.replace(hour=0, minute=1)
    store(pipeline, report(midnight - timedelta(minutes=100)))

    assert is_green(pipeline, midnight)
    assert problem(pipeline, midnight + timedelta(minutes=30)).startswith("too old: finished at 2026-03-09 22:21:00")


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland", "UTC", "Europe/Berlin"])
def test_a_report_written_in_one_time_zone_is_read_in_another(pipeline, zone, monkeypatch):
    """The name has the writer's clock, and on the day of the change to summer time twice the same hour."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        for now in (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)):
            made = now.astimezone(ZoneInfo(zone))
            store(pipeline, report(made - timedelta(hours=1), *(counted(t, TableStatus.MISMATCH) for t in TABLES)))
            path = store(pipeline, report(made - timedelta(minutes=5)))
            assert (made - timedelta(minutes=5, seconds=1)).strftime("%Y%m%d_%H%M%S") in path.stem
            assert is_green(pipeline, now.astimezone())
            assert problem(pipeline, now + timedelta(hours=2)).startswith("too old")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_newest_by_its_time_counts_not_the_newest_by_its_name(pipeline):
    """A mismatch that was written in a zone where it is earlier."""
    mismatch = report(
        ago(minutes=5).astimezone(ZoneInfo("America/New_York")), *(compared(t, TableStatus.MISMATCH) for t in TABLES)
    )
    store(pipeline, mismatch)
    store(pipeline, report(ago(minutes=30).astimezone(ZoneInfo("Pacific/Auckland"))))

    assert reports.look(pipeline, NOW).newest().found()["orders"] == "MISMATCH"


def test_a_renamed_report_is_as_old_as_it_says(pipeline):
    path = store(pipeline, report(NOW - timedelta(hours=20)))
    path.rename(path.with_name("reconciliation_report_20260310_055500.json"))

    assert problem(pipeline).startswith("too old: finished at 2026-03-09 10:00:00")


def test_of_a_run_that_was_interrupted_only_what_it_compared_counts(pipeline):
    unseen = TableResult("orders", TableStatus.ERROR, error="Interrupted before it was compared.")
    store(pipeline, replace(report(ago(minutes=5), compared("customers"), unseen), complete=False))

    newest = reports.look(pipeline, NOW).newest()
    assert newest.tables_not_matching() == ("orders",)
    assert newest.details()["orders"] == "Interrupted before it was compared."


def test_a_run_of_some_tables_says_nothing_about_the_others(pipeline):
    store(pipeline, report(ago(minutes=50), compared("customers"), compared("orders", TableStatus.MISMATCH)))
    store(pipeline, report(ago(minutes=5), compared("orders")))
    assert is_green(pipeline)

    newest = reports.look(pipeline, NOW + timedelta(minutes=75)).newest()
    assert newest.found()["report"] == newest.expected()["report"]
    assert newest.found()["customers"].startswith("too old: finished at 2026-03-10 05:10:00")
    assert newest.tables_not_matching() == ("customers",)


def test_counting_rows_does_not_clear_a_difference_of_contents(pipeline):
    keys = (KeyDifference("changed", {"id": "7"}, ("name",), 1, 1),)
    differs = compared("orders", TableStatus.MISMATCH, changed=500, differences=keys)
    store(pipeline, report(ago(hours=30), compared("customers"), differs))
    store(pipeline, report(ago(minutes=5), *(counted(t) for t in TABLES)))

    newest = reports.look(pipeline, NOW).newest()
    assert newest.found()["orders"] == "MISMATCH"
    assert newest.found()["customers"] == "MATCH"
    assert newest.details()["orders"].startswith(
        "contents differed at 2026-03-09 00:00:00 and were not found equal since"
    )
    assert "500 changed" in newest.details()["orders"]
    assert newest.tables_to_repair() == ("orders",)

    store(pipeline, report(ago(minutes=1), compared("orders")))
    assert is_green(pipeline)


@pytest.mark.parametrize(
    ("oldest", "word"), [(ago(hours=31), "MISMATCH"), (ago(hours=29), "MATCH"), (None, "MISMATCH")]
)
def test_a_scrub_clears_only_what_it_proved_since(pipeline, oldest, word):
    proven = Scrubbed(0, "", 1, 4, 0, oldest.isoformat() if oldest else None)
    store(pipeline, report(ago(hours=30), compared("customers"), compared("orders", TableStatus.MISMATCH)))
    store(pipeline, report(ago(minutes=5), *(compared(t, scrubbed=proven) for t in TABLES)))

    assert reports.look(pipeline, NOW).newest().found()["orders"] == word


@pytest.mark.parametrize(
    ("slices_proven", "rows", "word"),
    [(1, 0, "MATCH"), (4, 0, "MATCH of no rows"), (4, 10, "MATCH"), (0, 0, "MATCH")],
)
def test_a_scrub_speaks_by_its_proofs_and_not_by_the_rows_of_the_slices_of_its_run(pipeline, slices_proven, rows, word):
    """A slice may be empty, as where old rows were deleted; all slices together were the table."""
    proven = Scrubbed(0, "", slices_proven, 4, 0, ago(hours=2).isoformat())
    scrub = TableResult("orders", TableStatus.MATCH, rows, rows, True, strategy="scrub", scrubbed=proven)
    store(pipeline, report(ago(minutes=5), compared("customers"), scrub))

    newest = reports.look(pipeline, NOW).newest()

    assert newest.found()["orders"] == word
    assert ("orders" in newest.matched_at()) is (word == "MATCH")


def test_a_report_that_only_counted_is_called_that_and_is_a_risk_after_a_day(pipeline):
    store(pipeline, report(ago(hours=25)))
    store(pipeline, report(ago(minutes=5), *(counted(t) for t in TABLES)))
    newest = reports.look(pipeline, NOW).newest()
    assert newest.concerns() == {}
    told = {row["table"]: row["contents"] for row in newest.rows()}
    assert told["orders"] == "counted only; equal, last compared 2026-03-09 05:00:00"
    assert reports.look(pipeline, NOW).rows()[0]["summary"] == "2 MATCH, counted only"

    later = reports.look(pipeline, NOW + timedelta(hours=1, minutes=30)).newest()
    assert later.concerns()["orders"] == "contents last compared 2026-03-09 05:00:00, 26.5 h ago, limit 26 h"


def test_a_run_that_counts_says_what_is_known_of_contents(pipeline):
    newest = reports.look(pipeline, NOW).newest()
    assert newest.contents_compared(TABLES) == ("contents never compared: customers, orders",)

    store(pipeline, report(ago(hours=30), compared("customers"), compared("orders", TableStatus.MISMATCH)))
    store(pipeline, report(ago(minutes=5), *(counted(t) for t in TABLES)))
    newest = reports.look(pipeline, NOW).newest()
    assert newest.contents_compared(TABLES) == (
        "contents of orders differed at 2026-03-09 00:00:00: only comparing them again clears that",
        "contents last compared: 2026-03-09 00:00:00",
    )
    assert newest.contents_compared(["customers"]) == ("contents last compared: 2026-03-09 00:00:00",)


def test_rows_that_were_only_ever_counted_are_a_risk(pipeline):
    store(pipeline, report(ago(minutes=5), *(counted(t) for t in TABLES)))

    assert is_green(pipeline)
    concerns = reports.look(pipeline, NOW).newest().concerns()
    assert concerns["orders"] == "counted only: no report of this pipeline compares its contents"


def test_a_table_that_was_not_compared_as_a_whole_is_no_match_also_when_it_is_counted_later(pipeline):
    left_out = compared("orders", TableStatus.INCOMPLETE, unseen=("doc", "at"))
    store(pipeline, report(ago(minutes=50), compared("customers"), left_out))
    store(pipeline, report(ago(minutes=5), *(counted(t) for t in TABLES)))

    newest = reports.look(pipeline, NOW).newest()
    assert newest.found()["orders"] == "INCOMPLETE"
    assert 'exclude = ["doc", "at"]' in newest.details()["orders"]
    tables = [table.model_copy(update={"exclude": ("doc", "at")}) for table in pipeline.tables]
    assert is_green(pipeline.model_copy(update={"tables": tuple(tables)})), "the pipeline file accepts it now"


def test_a_report_of_a_version_that_looked_for_no_data_is_not_believed_about_columns_left_out(pipeline):
    old = (
        "doc (jsonb: many texts)",
        "at (only at the target)",
        "twice (computed)",
        "rows that p hides from it, if any",
    )
    store(
        pipeline,
        report(ago(minutes=5), compared("customers", not_compared=old[1:]), compared("orders", not_compared=old)),
    )

    newest = reports.look(pipeline, NOW).newest()
    assert (newest.found()["customers"], newest.found()["orders"]) == ("MATCH", "INCOMPLETE")
    assert 'exclude = ["doc"]' in newest.details()["orders"]


@pytest.mark.parametrize("of", [compared, counted])
@pytest.mark.parametrize("then", [TableStatus.INCOMPLETE, TableStatus.MATCH])
def test_a_policy_that_may_hide_rows_is_accepted_by_the_pipeline_file_of_today_alone(pipeline, of, then):
    """Whatever the file said when the report was made."""
    may_hide = replace(of("orders"), status=then, row_policies=("dbo.by_tenant",))
    store(pipeline, report(ago(minutes=5), compared("customers"), may_hide))

    newest = reports.look(pipeline, NOW).newest()
    assert newest.found() == newest.expected() | {"orders": "INCOMPLETE"}
    assert newest.details()["orders"].startswith("dbo.by_tenant may hide rows from the account of the comparison")
    assert 'row_policies = ["dbo.by_tenant"]' in newest.details()["orders"]

    tables = [table.model_copy(update={"row_policies": ("dbo.by_tenant",)}) for table in pipeline.tables]
    assert is_green(pipeline.model_copy(update={"tables": tuple(tables)}))


def test_a_column_that_the_pipeline_file_does_not_exclude_any_more_is_missed(pipeline):
    of = {"source": "dbo.orders", "target": "public.orders", "source_filter": "", "target_filter": "", "rename": {}}
    store(
        pipeline, report(ago(minutes=5), compared("customers"), compared("orders", compared={**of, "exclude": ["doc"]}))
    )

    newest = reports.look(pipeline, NOW).newest()
    assert newest.found()["orders"] == "INCOMPLETE"


@pytest.mark.parametrize(
    "other",
    [
        {"source": "dbo.orders_old"},
        {"target": "archive.orders"},
        {"source_filter": "id < 5"},
        {"rename": {"a": "b"}},
        {"written_as": {"doc": "json"}},
    ],
)
def test_a_result_of_other_tables_or_rows_is_not_ours(pipeline, other):
    of = {"source": "dbo.orders", "target": "public.orders", "source_filter": "", "target_filter": "", "rename": {}}
    ours = {**of, "exclude": []}
    store(
        pipeline,
        report(ago(minutes=30), compared("customers"), compared("orders", TableStatus.MISMATCH, compared=ours)),
    )
    store(pipeline, report(ago(minutes=5), compared("orders", compared={**ours, **other})))

    assert reports.look(pipeline, NOW).newest().found()["orders"] == "MISMATCH"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (
            "source",
            "sqlserver://h:1/other",
            "of another source: sqlserver://h:1/other, not sqlserver://h:1/warehouse_source",
        ),
        ("source", "sqlserver://staging:1/warehouse_source", "of another source: "),
        ("target", "postgresql://h:2/warehouse_target", "of another target: "),
        ("source", "postgresql://h:1/warehouse_source", "of another source: "),
        ("source", "", "of another source: none named"),
        ("source", "sqlserver:///warehouse_source", "of another source: "),
        ("pipeline", "other", "of another pipeline: other"),
    ],
)
def test_a_report_of_another_pipeline_excuses_nothing_and_spoils_nothing(pipeline, field, value, reason):
    store(pipeline, replace(report(ago(minutes=5)), **{field: value}))
    assert f": the newest is {reason}" in problem(pipeline)

    store(pipeline, report(ago(minutes=30)))
    assert is_green(pipeline)
    store(pipeline, report(ago(minutes=20), *(compared(t, TableStatus.MISMATCH) for t in TABLES)))
    assert reports.look(pipeline, NOW).newest().found()["orders"] == "MISMATCH"
    assert reason in str(reports.look(pipeline, NOW).rows()[0]["summary"])


def test_a_report_of_the_server_that_was_there_before_says_nothing_about_the_new_one(pipeline):
    before, now = (Identity(server, "warehouse_target", "16384", "1") for server in ("71", "72"))
    store(pipeline, replace(report(ago(minutes=50)), target_identity=before))
    store(pipeline, replace(report(ago(minutes=5), *(counted(t) for t in TABLES)), target_identity=before))
    assert reports.look(pipeline, NOW).newest().concerns() == {}

    store(pipeline, replace(report(ago(minutes=2), counted("orders")), target_identity=now))
    newest = reports.look(pipeline, NOW).newest()
    assert newest.tables_not_matching() == ("customers",)
    assert newest.concerns() == {"orders": "counted only: no report of this pipeline compares its contents"}


def test_the_names_of_this_machine_are_one_and_hosts_have_no_case():
    assert is_same_place("postgresql://localhost:5432/a", "postgresql://127.0.0.1:5432/a")
    assert is_same_place("postgresql://DB1:5432/a", "postgresql://db1:5432/a")
    assert not is_same_place("postgresql://db1:5432/a", "postgresql://db1:5432/A")
    assert not is_same_place("", "")


def test_old_reports_are_read_until_no_older_one_can_matter(pipeline):
    store(pipeline, report(ago(days=40), *(compared(t, TableStatus.MISMATCH) for t in TABLES)))
    for day in range(30):
        store(pipeline, report(ago(days=day, minutes=1), *(counted(t) for t in TABLES)))
    assert reports.look(pipeline, NOW).newest().found()["orders"] == "MISMATCH"

    store(pipeline, report(ago(days=1, minutes=5)))
    found = reports.look(pipeline, NOW)
    assert found.newest().found()["orders"] == "MATCH"
    assert len(found.files) < 6


def test_files_that_only_look_like_reports_are_left_alone(pipeline):
    store(pipeline, report(NOW - timedelta(minutes=5)))
    directory = pipeline.paths.reconciliation_reports
    for name in ("reconciliation_report_20990101_000000.json.part", "reconciliation_report_2099.json", "notes.txt"):
        (directory / name).write_text("{")

    assert is_green(pipeline)


def test_a_name_with_an_impossible_date_is_judged_by_what_is_in_it(pipeline):
    path = store(pipeline, report(NOW - timedelta(minutes=5)))
    path.rename(path.with_name("reconciliation_report_20261399_055500.json"))

    assert is_green(pipeline)


def test_what_is_observed_is_what_was_found_with_its_details_and_concerns(pipeline):
    store(pipeline, report(ago(hours=27)))
    keys = ("missing 1", "missing 2", "missing 3", "missing 4")
    differs = TableResult("orders", TableStatus.MISMATCH, 1010, 1008, False, missing_at_target=2, extra_at_target=1)
    store(pipeline, report(ago(minutes=5), counted("customers"), replace(differs, example_keys=keys)))

    seen = reports.look(pipeline, NOW).newest().observation()

    assert seen.found == {"report": "of this pipeline, fresh and whole", "customers": "MATCH", "orders": "MISMATCH"}
    assert seen.details == {
        "orders": "1,010 rows at the source, 1,008 at the target; 2 missing at the target; 1 extra at the target; "
        "missing 1; missing 2; missing 3"
    }
    assert seen.concerns == {"customers": "contents last compared 2026-03-09 03:00:00, 27.0 h ago, limit 26 h"}
    assert seen.no_concern == "contents compared lately"


def test_an_age_that_is_just_the_limit_is_within_it(pipeline):
    store(pipeline, report(ago(hours=26)))
    store(pipeline, report(ago(hours=2), *(counted(t) for t in TABLES)))

    newest = reports.look(pipeline, NOW).newest()

    assert newest.found() == newest.expected()
    assert newest.concerns() == {}


def test_where_all_reports_are_too_old_that_is_said_once(pipeline):
    store(pipeline, report(ago(hours=3), compared("customers"), compared("orders", TableStatus.ERROR)))

    found = reports.look(pipeline, NOW).newest().found()

    assert (found["customers"], found["orders"]) == ("MATCH", "ERROR")


def test_the_details_name_the_report_that_proves_nothing(pipeline):
    path = store(pipeline, report(ago(minutes=5)))
    path.write_text("{")

    newest = reports.look(pipeline, NOW).newest()

    assert newest.expected() == {"report": "of this pipeline, fresh and whole"}
    assert newest.details() == {"report": str(path)}
    assert newest.rows() == [
        {"table": "none", "problem": newest.found()["report"]},
    ]


def test_a_foreign_report_of_another_server_hides_no_report_of_this_pipeline(pipeline):
    here, elsewhere = (Identity(server, "warehouse_target", "16384", "1") for server in ("71", "72"))
    store(pipeline, replace(report(ago(minutes=30)), target_identity=here))
    store(pipeline, replace(report(ago(minutes=5)), target_identity=elsewhere, pipeline="other"))

    assert is_green(pipeline)


def test_a_row_for_each_table(pipeline):
    store(pipeline, report(ago(minutes=50), compared("orders", TableStatus.MISMATCH)))
    store(pipeline, report(ago(minutes=5), counted("orders")))
    assert reports.look(pipeline, NOW).newest().rows() == [
        {
            "table": "customers",
            "status": "no report",
            "contents": None,
            "source rows": None,
            "target rows": None,
            "reported": None,
        },
        {
            "table": "orders",
            "status": "MISMATCH",
            "contents": "differ, compared 2026-03-10 05:10:00",
            "source rows": 10,
            "target rows": 10,
            "reported": "2026-03-10 05:55:00",
        },
    ]
    store(pipeline, report(ago(minutes=4), counted("customers"), compared("orders")))
    contents = {row["table"]: row["contents"] for row in reports.look(pipeline, NOW).newest().rows()}
    assert contents == {"customers": "counted only; never compared", "orders": "equal"}


@pytest.mark.parametrize(
    ("later", "words"),
    [
        (TableResult("orders", TableStatus.ERROR, error="no answer"), "ERROR"),
        (counted("orders"), "MATCH, counted only"),
        (compared("orders", TableStatus.INCOMPLETE, unseen=("doc",)), "INCOMPLETE"),
    ],
)
def test_what_came_after_a_difference_that_stands(pipeline, later, words):
    store(pipeline, report(ago(minutes=50), compared("orders", TableStatus.MISMATCH, changed=3)))
    store(pipeline, report(ago(minutes=5), later))

    assert reports.look(pipeline, NOW).newest().details()["orders"] == (
        "contents differed at 2026-03-10 05:10:00 and were not found equal since; "
        f"2026-03-10 05:55:00: {words}; 10 rows at the source, 10 at the target; 3 changed"
    )


def test_the_line_that_accepts_columns_left_out_keeps_those_that_are_excluded_already(pipeline):
    excluded = {"customers": ("a",), "orders": ("b",)}
    tables = tuple(table.model_copy(update={"exclude": excluded[table.name]}) for table in pipeline.tables)
    left_out = [TableResult(t, TableStatus.INCOMPLETE, None, None, True, unseen=("doc",)) for t in TABLES]
    store(pipeline, report(ago(minutes=5), *left_out))

    details = reports.look(pipeline.model_copy(update={"tables": tables}), NOW).newest().details()

    assert details == {
        name: "1 column holds data and was not compared: doc. To accept that, in the pipeline file: "
        f'exclude = ["{own}", "doc"]'
        for name, (own,) in excluded.items()
    }


def test_a_difference_is_not_put_down_to_a_policy(pipeline):
    differs = compared("orders", TableStatus.MISMATCH, changed=3, row_policies=("dbo.by_tenant",))
    store(pipeline, report(ago(minutes=5), differs))

    details = reports.look(pipeline, NOW).newest().details()

    assert details["orders"] == "10 rows at the source, 10 at the target; 3 changed"


def test_the_report_of_one_run_alone(pipeline):
    store(pipeline, replace(report(ago(minutes=50), compared("orders", TableStatus.MISMATCH)), run_id="first"))
    store(pipeline, replace(report(ago(minutes=20), compared("customers")), run_id="second"))
    store(pipeline, report(ago(minutes=5))).write_text("{")
    found = reports.look(pipeline, NOW)

    first, second = found.of_run("first"), found.of_run("second")

    assert first.found() == {"report": first.expected()["report"], "orders": "MISMATCH"}
    assert second.found() == {"report": first.expected()["report"], "customers": "MATCH"}
    assert found.of_run("third").found() == {
        "report": f"no report in {pipeline.paths.reconciliation_reports}",
    }


def test_the_newest_ten_reports_are_listed(pipeline):
    assert reports.look(pipeline, NOW).rows() == [
        {"report": "none", "summary": str(pipeline.paths.reconciliation_reports)}
    ]
    store(pipeline, report(ago(hours=12), compared("customers"), compared("orders", TableStatus.MISMATCH)))
    assert [row["summary"] for row in reports.look(pipeline, NOW).rows()] == ["1 MATCH, 1 MISMATCH"]
    for hours in range(11):
        store(pipeline, report(ago(hours=hours, minutes=1), *(counted(t, TableStatus.ERROR) for t in TABLES)))
    newest = store(pipeline, replace(report(ago(seconds=1)), tables=()))

    rows = reports.look(pipeline, NOW).rows()

    assert len(rows) == 10
    assert rows[0] == {"report": newest.name, "summary": "no tables"}
