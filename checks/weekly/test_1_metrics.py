"""Runbook, every Monday 1: review last week's metrics."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("weekly.1-failures")
def test_reconciliation_failed_no_more_than_it_may(weekly_failures, evidence, remedies):
    """Within 7 days reconciliation neither failed nor differed more often than it may, nor more than the week before."""
    evidence.saw("Failures of the last 7 days", weekly_failures.rows())

    action = remedies.look_at_failures()
    require(weekly_failures.observation(), action=action, concern_action=action)


@pytest.mark.runbook("weekly.1-lag")
def test_lag_was_low_on_average(weekly_lag, evidence, remedies):
    """Within 7 days every connector's lag was within its limit on average, and not much above the week before."""
    evidence.saw("Average lag of the last 7 days", weekly_lag.rows())

    require(weekly_lag.observation(), action=remedies.look_at_sink(()))
