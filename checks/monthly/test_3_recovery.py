"""Runbook, first Monday of each month 3: disaster recovery test."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("monthly.3-recovery-drill")
def test_the_last_recovery_drill_kept_its_targets(recovery_drill, evidence, remedies):
    """The last disaster recovery drill is of this quarter, was proven, and its actual RTO and RPO are within their targets."""
    evidence.saw("Disaster recovery drills, newest first", recovery_drill.rows())

    require(recovery_drill.observation(), action=remedies.drill_recovery())
