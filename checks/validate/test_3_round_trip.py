"""Runbook, post-maintenance validation 4: test replication."""

import pytest

from cdcproof.findings import require_at_most, require_equal


@pytest.mark.runbook("validate.3-round-trip")
def test_a_test_row_makes_the_round_trip(journey, pipeline, evidence, remedies):
    """A test row's insert, update and delete arrive at the target in time, and nothing of it stays."""
    evidence.saw("Round trip", journey.rows())
    if journey.leftovers:
        evidence.saw("Left by an earlier run, and removed first", "\n".join(journey.leftovers))
    action = remedies.follow_the_test_row()

    require_equal(journey.found(), journey.expected(), action=action)
    require_at_most(journey.seconds(), pipeline.round_trip.hop_seconds, unit="s to the target", action=action)
