"""Beyond the runbook: what cannot be captured cannot be replicated."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("connectors.3-capture")
def test_the_source_can_capture_every_table(connector_capture, evidence):
    """The source captures changes: database and tables (SQL Server), or wal_level, publication and slot (PostgreSQL)."""
    evidence.saw("Capture", connector_capture.rows())

    require(connector_capture)
