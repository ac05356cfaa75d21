"""Runbook, morning health check 3: review reconciliation reports."""

import pytest

from cdcproof.findings import require_equal


@pytest.mark.runbook(
    "morning.3-reconciliation", severity="critical", needs=["morning.1-services:source", "morning.1-services:target"]
)
def test_the_newest_report_of_today_says_match(reports, evidence, remedies):
    """Today's newest reconciliation report is fresh, complete and says MATCH for every table."""
    newest = reports.newest()
    evidence.saw("Reports, newest first", reports.rows())
    evidence.saw("Newest report", newest.rows())

    require_equal(
        newest.found(),
        newest.expected(),
        details=newest.details(),
        action=remedies.reconcile(newest.tables_not_matching()),
    )
