"""Runbook, pre-maintenance: review change plan and rollback procedures."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("premaintenance.3-rollback-files")
def test_what_a_rollback_needs_is_there(rollback_files, evidence, window_remedies):
    """The change's file is as planned, and each file that the change will edit is kept as it runs now."""
    evidence.saw("Files", rollback_files.rows())

    require(rollback_files.observation(), action=window_remedies.plan_anew())


@pytest.mark.runbook("premaintenance.4-baseline")
def test_the_pipeline_is_as_its_baseline(before_change, evidence, window_remedies):
    """A baseline is recorded, and nothing has changed since: the validation will compare with it."""
    evidence.saw("Compared with the baseline", before_change.rows())

    require(before_change.observation(), action=window_remedies.record_baseline())
