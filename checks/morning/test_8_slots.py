"""Beyond the runbook: a PostgreSQL source must not lose or hoard its log."""

import pytest

from cdcproof.findings import require_at_most, require_equal


@pytest.mark.runbook("morning.8-replication-slots")
def test_no_replication_slot_is_inactive_or_losing_wal(slots, pipeline, evidence, remedies):
    """Every replication slot of a PostgreSQL source's server is active, and its log is kept but not hoarded."""
    evidence.saw("Replication slots", slots.rows())
    action = remedies.databases.look_at_slots(slots)

    require_equal(slots.found(), slots.expected(), details=slots.details(), action=action)
    require_at_most(
        slots.retained_mebibytes(), pipeline.thresholds.slot_retained_mebibytes, unit="MiB of WAL", action=action
    )
