"""Beyond the runbook: what a sink could not write is not forgotten while every state is RUNNING."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.9-dead-letters")
def test_no_record_was_put_aside(dead_letters, evidence, remedies):
    """No sink has put records aside in its dead letter topic."""
    evidence.saw("Dead letter topics", dead_letters.rows())

    require(dead_letters.observation(), action=remedies.handle_dead_letters(dead_letters.sinks()))
