"""Runbook, 15 minutes before the window: final reconciliation, diagnostics, backup."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("premaintenance.5-reconciliation")
def test_every_row_is_the_same_before_the_window(reconciled, evidence, remedies):
    """Reconciled now, contents included, every table says MATCH."""
    evidence.saw("The reconciliation", reconciled.rows())

    require(reconciled.observation(), action=remedies.make_match(reconciled))


@pytest.mark.runbook("premaintenance.6-diagnostics")
def test_diagnostics_are_kept_as_the_baseline(kept_diagnostics, evidence, window_remedies):
    """Diagnostics are collected, to be compared with when something is wrong afterwards."""
    evidence.saw("Diagnostics", kept_diagnostics.rows())

    require(kept_diagnostics.observation(), action=window_remedies.collect_diagnostics())


@pytest.mark.runbook("premaintenance.7-backup")
def test_a_backup_is_made_now(fresh_backup, evidence, window_remedies):
    """A backup is made, whole and verified."""
    evidence.saw("The backup", fresh_backup.rows())

    require(fresh_backup.observation(), action=window_remedies.back_up_now())


@pytest.mark.runbook("premaintenance.8-restorable")
def test_the_newest_backup_is_young_and_proven_to_be_restorable(restorable, evidence, window_remedies):
    """The newest backup is young, each of its files is as it was written, and a restore has been proven."""
    evidence.saw("The newest backup", restorable.rows())

    require(restorable.observation(), action=window_remedies.prove_restore())
