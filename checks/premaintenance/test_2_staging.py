"""Runbook, pre-maintenance: test changes in the staging environment."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("premaintenance.2-staging")
def test_this_very_change_has_passed_the_staging_gate(staged, evidence, window_remedies):
    """The newest run of the staging gate with this very change is whole and green."""
    evidence.saw("Runs of the staging gate", staged.rows())

    require(staged.observation(), action=window_remedies.pass_staging(staged.change))
