"""Runbook, testing requirements: the change's connectors can be deployed at all."""

import pytest

from cdcproof.findings import require_equal, warn_if_any


@pytest.mark.runbook("staging.1-connector-files")
def test_connect_accepts_every_connector_file(connector_files, evidence):
    """Connect accepts the configuration in every connector's file."""
    evidence.saw("Connectors' files", connector_files.rows())
    if connector_files.changes():
        evidence.saw("What differs from what runs", connector_files.changes())

    require_equal(connector_files.found(), connector_files.expected())
    warn_if_any(connector_files.warnings(), expected="secrets through the environment or a ConfigProvider")
