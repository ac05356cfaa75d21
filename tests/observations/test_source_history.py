"""Whether the source is in the history that was reconciled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdcproof.databases.identity import Identity
from cdcproof.findings import Finding, require_equal
from cdcproof.observations.report_files import ReportFile
from cdcproof.observations.source_history import SourceHistory
from cdcproof.reconcile.result import Report

NOW = datetime(2026, 1, 2, 6, tzinfo=UTC)
SOURCE = Identity("7001", "shop", "16384", "1")


def file(identity: Identity | None, hours: int = 1, **more: str) -> ReportFile:
    report = Report("r", "", "", "s", "t", "m", (), source_identity=identity)
    return ReportFile(Path("r.json"), NOW - timedelta(hours=hours), report, **more)


def is_red(now: Identity, *files: ReportFile) -> bool:
    seen = SourceHistory(now, files)
    try:
        if seen.expected():
            require_equal(seen.found(), seen.expected(), details=seen.details())
    except Finding:
        return True
    return False


def test_a_history_that_was_reconciled_is_in_order_and_another_one_is_not() -> None:
    restored = replace(SOURCE, history="2")
    assert not is_red(SOURCE, file(SOURCE))
    assert is_red(restored, file(SOURCE))
    # once it was reconciled again, what an older report says counts no more
    assert not is_red(restored, file(restored), file(SOURCE, hours=2))
    assert SourceHistory(restored, [file(SOURCE)]).details() == {"source": "then 1, now 2: restored, or failed over"}


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
        assert SourceHistory(now, reports).expected() == {}
