"""Runbook, testing requirements: the change's connectors can be deployed at all."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("staging.1-connector-files")
def test_connect_accepts_every_connector_file(connector_files, evidence):
    """Connect accepts the configuration in every connector's file."""
    evidence.saw("Connectors' files", connector_files.rows())
    evidence.saw_each(connector_files.pages())

    require(connector_files.observation())
