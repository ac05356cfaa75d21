"""Runbook, testing requirements: apply changes."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("staging.2-connectors-applied")
def test_every_connector_runs_as_its_file_says(applied, evidence, remedies):
    """Every connector has the configuration of its file, and each of its tasks runs."""
    evidence.saw("Applied", applied.rows())

    require(applied.observation(), action=remedies.undo_connectors())
