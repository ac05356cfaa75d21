"""Runbook, every Monday 1: review last week's metrics."""

import pytest

from cdcproof.findings import require_at_most, require_equal, warn_if_any


@pytest.mark.runbook("weekly.1-failures")
def test_reconciliation_failed_no_more_than_it_may(weekly_failures, evidence, remedies):
    """Within 7 days reconciliation neither failed nor differed more often than it may, nor more than the week before."""
    evidence.saw("Failures of the last 7 days", weekly_failures.rows())

    require_at_most(
        weekly_failures.counts(),
        weekly_failures.limit,
        unit="in 7 days",
        details=weekly_failures.details(),
        action=remedies.look_at_failures(),
    )
    weekly_failures.demand_known()
    warn_if_any(
        weekly_failures.more_than_before(), expected="no more than the week before", action=remedies.look_at_failures()
    )


@pytest.mark.runbook("weekly.1-lag")
def test_lag_was_low_on_average(weekly_lag, evidence, remedies):
    """Within 7 days every connector's lag was within its limit on average, and not much above the week before."""
    evidence.saw("Average lag of the last 7 days", weekly_lag.rows())

    require_equal(
        weekly_lag.found(), weekly_lag.expected(), details=weekly_lag.details(), action=remedies.look_at_sink(())
    )
    weekly_lag.demand_known()
    warn_if_any(weekly_lag.much_more_than_before(), expected="about the same as the week before")
