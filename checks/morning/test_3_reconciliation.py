"""Runbook, morning health check 3: review reconciliation reports."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.3-reconciliation")
def test_the_newest_reports_say_match(reports, evidence, remedies):
    """Every table's newest reconciliation report is fresh and says MATCH, and no difference of contents stands."""
    newest = reports.newest()
    evidence.saw("What the newest report of each table says", newest.rows())
    evidence.saw("Reports, newest first", reports.rows())

    action = remedies.make_match(newest)
    require(newest.observation(), action=action, concern_action=remedies.reconcile(newest.concerns()))
