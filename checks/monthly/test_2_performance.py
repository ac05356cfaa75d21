"""Runbook, first Monday of each month 2: performance review."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("monthly.2-performance")
def test_the_month_is_exported_and_its_averages_are_within_their_limits(performance, evidence, remedies):
    """The dashboards' data of 30 days is exported whole; averages are within limits, and not much worse than 15 days before."""
    evidence.saw("Exported", performance.exports())
    evidence.saw("Averages of the last 15 days, and of the 15 before", performance.rows())

    require(performance.observation(), action=remedies.look_at_sink(()))
