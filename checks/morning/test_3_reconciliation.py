"""Runbook, morning health check 3: review reconciliation reports."""

import pytest

from cdcproof.findings import require_equal, warn_if_any


@pytest.mark.runbook("morning.3-reconciliation")
def test_the_newest_reports_say_match(reports, evidence, remedies):
    """Every table's newest reconciliation report is fresh and says MATCH, and no difference of contents stands."""
    newest = reports.newest()
    evidence.saw("What the newest report of each table says", newest.rows())
    evidence.saw("Reports, newest first", reports.rows())

    require_equal(
        newest.found(),
        newest.expected(),
        details=newest.details(),
        action=(
            *remedies.set_aside(newest.files_ahead()),
            *remedies.reconcile(newest.tables_not_matching(), to_repair=newest.tables_to_repair()),
        ),
    )
    warn_if_any(
        newest.concerns(),
        expected="contents compared lately",
        action=remedies.reconcile(newest.concerns()),
    )
