"""Runbook, post-maintenance validation 2 and 3: resume connectors, check connector status."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("validate.2-connectors")
def test_every_connector_was_resumed_and_runs(connector_states, pipeline, evidence, remedies):
    """Every connector was resumed, and each of its tasks is RUNNING."""
    evidence.saw("Connectors and tasks", connector_states.rows())
    evidence.saw_each(connector_states.trace_pages())

    states = connector_states.observation(pipeline.expected_states)
    require(states, action=remedies.run_connectors(connector_states.states))
