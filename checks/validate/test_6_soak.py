"""Runbook, post-maintenance validation 6: monitor for 30 minutes."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("validate.6-soak")
def test_nothing_flaps_falls_behind_or_alerts(soak, evidence, remedies):
    """While it was watched nothing flapped, fell behind, counted an error or alerted."""
    evidence.saw(f"Watched for {soak.seconds:g} s", soak.rows())

    require(soak.observation(), action=remedies.look_at_flaps())
