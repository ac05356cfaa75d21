"""Runbook, post-maintenance validation 4: test replication."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("validate.3-round-trip")
def test_a_test_row_makes_the_round_trip(journey, pipeline, evidence, remedies):
    """A test row's insert, update and delete arrive at the target in time, and nothing of it stays."""
    evidence.saw("Round trip", journey.rows())
    evidence.saw_each(journey.pages())

    require(journey.observation(pipeline.round_trip.hop_seconds), action=remedies.follow_the_test_row())
