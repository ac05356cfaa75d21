"""Whether the source is in the history that was reconciled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdcproof.databases.contracts.identity import Identity
from cdcproof.findings import Finding, require_equal
from cdcproof.observations.reconciliation.report_files import ReportFile
from cdcproof.observations.reconciliation.source_history import SourceHistory
from cdcproof.reconcile.report.result import Report, Scrubbed, TableResult, TableStatus
from tests.pipelines import pipeline_of

NOW = datetime(2026, 1, 2, 6, tzinfo=UTC)
SOURCE = Identity("7001", "shop", "16384", "1")
RESTORED = replace(SOURCE, history="2")
TABLES = pipeline_of("customers", "orders").tables


def compared(table: str, status: TableStatus = TableStatus.MATCH, **more: Any) -> TableResult:
    return TableResult(table, status, 10, 10, status is not TableStatus.MISMATCH, **more)


def counted(table: str) -> TableResult:
    return TableResult(table, TableStatus.MATCH, 10, 10, strategy="counts")


def file(identity: Identity | None, *tables: TableResult, hours: int = 1, **more: str) -> ReportFile:
    results = tables or tuple(compared(table.name) for table in TABLES)
    report = Report("r", "", "", "s", "t", "m", results, source_identity=identity)
    return ReportFile(Path("r.json"), NOW - timedelta(hours=hours), report, **more)


def is_red(now: Identity, *files: ReportFile) -> bool:
    seen = SourceHistory(now, files, TABLES)
    try:
        if seen.expected():
            require_equal(seen.found(), seen.expected(), details=seen.details())
    except Finding:
        return True
    return False


def test_a_history_that_was_reconciled_is_in_order_and_another_one_is_not() -> None:
    assert not is_red(SOURCE, file(SOURCE))
    assert is_red(RESTORED, file(SOURCE))
    # once it was reconciled again, what an older report says counts no more
    assert not is_red(RESTORED, file(RESTORED), file(SOURCE, hours=2))
    assert SourceHistory(RESTORED, [file(SOURCE)], TABLES).details() == {
        "source": "then 1, now 2: restored, or failed over; contents not compared since: customers, orders"
    }


@pytest.mark.parametrize(
    ("orders", "ends"),
    [
        (compared("orders"), True),
        (compared("orders", TableStatus.MISMATCH), True),  # it was looked at, and morning.3 says what differs
        (compared("orders", TableStatus.INCOMPLETE), True),
        (compared("orders", scrubbed=Scrubbed(0, "", 1, 4, 0, "2026-01-02T05:00:00+00:00")), True),
        (compared("orders", TableStatus.MISMATCH, scrubbed=Scrubbed(1, "", 1, 4, 2, None)), False),
        (compared("orders", compared={"source_filter": "id < 9"}), False),
        (counted("orders"), False),
        (TableResult("orders", TableStatus.ERROR), False),
        (TableResult("orders", TableStatus.ERROR, 10, 10, True, scrubbed=Scrubbed(1, "", 1, 4, 2, None)), False),
        (compared("others"), False),
    ],
)
def test_only_contents_of_every_table_that_were_compared_in_the_new_history_end_it(
    orders: TableResult, ends: bool
) -> None:
    """Were the rows only counted, a row of the old history would stay at the target, and nobody would look for it."""
    before = file(SOURCE, hours=3)
    assert is_red(RESTORED, file(RESTORED, compared("customers"), orders), before) is not ends
    # an hourly run that counts, before and after, changes nothing
    counts = [file(RESTORED, counted("customers"), counted("orders"), hours=hours) for hours in (0, 2)]
    assert is_red(RESTORED, counts[0], file(RESTORED, compared("customers"), orders), counts[1], before) is not ends
    # nor does it matter which run compared which table
    assert is_red(RESTORED, file(RESTORED, orders), file(RESTORED, compared("customers"), hours=2), before) is not ends


def test_a_table_that_the_old_history_did_not_have_is_not_waited_for() -> None:
    before = file(SOURCE, compared("customers"), hours=3)
    assert not is_red(RESTORED, file(RESTORED, compared("customers"), counted("orders")), before)


def test_a_table_that_is_only_counted_is_in_order_in_the_history_that_it_was_always_in() -> None:
    assert not is_red(SOURCE, file(SOURCE, counted("orders")), file(SOURCE, counted("orders"), hours=2))
    assert is_red(RESTORED, file(RESTORED, counted("orders")), file(SOURCE, counted("orders"), hours=2))


def test_nothing_is_said_where_nothing_is_known() -> None:
    hidden = replace(SOURCE, history="", unknown="may not see it")
    for now, reports in (
        (SOURCE, []),
        (SOURCE, [file(None)]),
        (SOURCE, [file(hidden)]),
        (hidden, [file(SOURCE)]),
        (SOURCE, [file(replace(SOURCE, history="0"), foreign="of another pipeline")]),
        (SOURCE, [file(replace(SOURCE, history="0", made="9"))]),  # dropped and made again: not what is compared here
    ):
        assert SourceHistory(now, reports, TABLES).expected() == {}


def test_what_is_observed_names_the_last_sight_of_the_old_history() -> None:
    older = replace(SOURCE, history="0")
    files = [
        file(RESTORED, compared("customers"), hours=1),
        file(SOURCE, counted("orders"), hours=2),
        file(older, hours=30),
    ]
    seen = SourceHistory(RESTORED, files, pipeline_of("orders", "customers", "returns").tables).observation()
    when = (NOW - timedelta(hours=2)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert seen.found == {"source": f"another history than at {when}"}
    assert seen.expected == {"source": "the history that was reconciled"}
    assert seen.details == {
        "source": "then 1, now 2: restored, or failed over; contents not compared since: orders",
    }
    same = SourceHistory(SOURCE, [file(SOURCE)], TABLES).observation()
    assert (same.found, same.expected, same.details) == (seen.expected, seen.expected, {})
    unknown = SourceHistory(SOURCE, [], TABLES).observation()
    assert unknown.found == unknown.expected == {"source": "no history is known"}


def test_of_two_old_histories_the_last_one_is_named() -> None:
    older = replace(SOURCE, history="0")
    files = [file(SOURCE, counted("customers"), hours=2), file(older, counted("orders"), hours=3)]
    seen = SourceHistory(RESTORED, files, TABLES)
    when = (NOW - timedelta(hours=2)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert seen.found() == {"source": f"another history than at {when}"}
    assert seen.details() == {
        "source": "then 1, now 2: restored, or failed over; contents not compared since: customers, orders"
    }


def test_a_file_that_is_no_report_is_passed_over() -> None:
    broken = ReportFile(Path("r.json"), NOW, None, "not a whole report")
    assert is_red(RESTORED, broken, file(SOURCE))
    assert not is_red(RESTORED, broken, file(RESTORED), file(SOURCE, hours=2))
