"""What several reports together say of a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdcproof.reconcile.report.history import (
    History,
    Seen,
    compares_contents,
    compares_every_row,
    finished,
    history,
    proven_since,
)
from cdcproof.reconcile.report.result import Report, Scrubbed, TableResult, TableStatus

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
NEVER = datetime.min.replace(tzinfo=UTC)


def result(status: TableStatus = TableStatus.MATCH, checksums: bool | None = True, **more: Any) -> TableResult:
    return TableResult("orders", status, 10, 10, checksums, **more)


def scrub(oldest_hours: float | None, status: TableStatus = TableStatus.MATCH) -> TableResult:
    oldest = None if oldest_hours is None else (NOW - timedelta(hours=oldest_hours)).isoformat()
    return result(status, scrubbed=Scrubbed(0, "", 1, 4, 0, oldest))


COUNTED = result(checksums=None)
DIFFERS = result(TableStatus.MISMATCH, False)
ERROR = result(TableStatus.ERROR)


def seen(what: TableResult, hours: float) -> Seen:
    return Seen(what, NOW - timedelta(hours=hours))


def test_without_results_there_is_no_history() -> None:
    assert history([]) is None


def test_the_newest_result_and_the_newest_comparison_of_contents_count_whatever_their_order() -> None:
    old, contents, newest = seen(DIFFERS, 3), seen(result(), 2), seen(COUNTED, 1)
    for results in ([old, contents, newest], [newest, contents, old]):
        assert history(results) == History(newest, contents, None)
    assert history([newest]) == History(newest, None, None)


@pytest.mark.parametrize(
    ("later", "stands"),
    [
        (result(), False),
        (scrub(3), False),  # of the moment of the difference
        (scrub(3.1), True),
        (scrub(None), True),
        (COUNTED, True),
        (ERROR, True),
        (result(TableStatus.INCOMPLETE), True),
    ],
)
def test_a_difference_stands_until_all_that_it_may_be_in_was_found_equal(later: TableResult, stands: bool) -> None:
    found = history([seen(DIFFERS, 3), seen(later, 1)])
    assert found
    assert (found.mismatch == seen(DIFFERS, 3)) is stands
    assert (found.mismatch is None) is not stands


def test_of_two_results_of_one_moment_the_later_one_counts() -> None:
    match, differs = seen(result(), 1), seen(DIFFERS, 1)
    assert history([match, differs]) == History(differs, differs, differs)
    assert history([differs, match]) == History(match, match, None)


def test_the_last_of_several_differences_is_the_one_that_stands() -> None:
    found = history([seen(DIFFERS, 5), seen(result(), 4), seen(DIFFERS, 3), seen(DIFFERS, 2), seen(COUNTED, 1)])
    assert found
    assert found.mismatch == seen(DIFFERS, 2)


@pytest.mark.parametrize(
    ("what", "contents", "every_row", "since"),
    [
        (result(), True, True, NOW),
        (DIFFERS, True, True, NEVER),
        (result(TableStatus.INCOMPLETE), True, True, NEVER),
        (ERROR, False, False, NEVER),
        (COUNTED, False, False, NEVER),
        (scrub(2), True, True, NOW - timedelta(hours=2)),
        (scrub(None), True, False, NEVER),
        (scrub(2, TableStatus.MISMATCH), True, True, NEVER),
        (scrub(2, TableStatus.ERROR), False, False, NEVER),
    ],
)
def test_what_a_result_compares_and_since_when_it_proves_the_table(
    what: TableResult, contents: bool, every_row: bool, since: datetime
) -> None:
    assert compares_contents(what) is contents
    assert compares_every_row(what) is every_row
    assert proven_since(Seen(what, NOW)) == since


def test_a_run_is_finished_at_an_instant() -> None:
    report = Report("r", "", "2026-11-30T07:00:00+01:00", "s", "t", "m", ())
    assert finished(report) == NOW
