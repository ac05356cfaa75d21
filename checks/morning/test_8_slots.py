"""Beyond the runbook: a PostgreSQL source must not lose or hoard its log."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.8-replication-slots")
def test_no_replication_slot_is_inactive_or_losing_wal(slots, pipeline, evidence, remedies):
    """Every replication slot of a PostgreSQL source's server is active, and its log is kept but not hoarded."""
    evidence.saw("Replication slots", slots.rows())

    limit = pipeline.thresholds.slot_retained_mebibytes
    require(slots.observation(limit), action=remedies.databases.look_at_slots(slots))
