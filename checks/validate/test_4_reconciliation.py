"""Runbook, post-maintenance validation 5: run reconciliation."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("validate.4-reconciliation")
def test_every_row_is_the_same_on_both_sides(reconciled, evidence, remedies):
    """Reconciled now, contents included, every table says MATCH."""
    evidence.saw("The reconciliation", reconciled.rows())

    require(reconciled.observation(), action=remedies.make_match(reconciled))
