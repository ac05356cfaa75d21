"""Runbook, post-maintenance validation 5: run reconciliation."""

import pytest

from cdcproof.findings import require_equal


@pytest.mark.runbook("validate.4-reconciliation")
def test_every_row_is_the_same_on_both_sides(reconciled, evidence, remedies):
    """Reconciled now, contents included, every table says MATCH."""
    evidence.saw("The reconciliation", reconciled.rows())

    require_equal(
        reconciled.found(),
        reconciled.expected(),
        details=reconciled.details(),
        action=remedies.reconcile(reconciled.tables_not_matching(), to_repair=reconciled.tables_to_repair()),
    )
