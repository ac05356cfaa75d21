"""Runbook, morning health check 2: check connector status."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.2-connectors")
def test_every_connector_and_task_is_running(connector_states, pipeline, evidence, remedies):
    """Every connector and every one of its tasks is RUNNING."""
    evidence.saw("Connectors and tasks", connector_states.rows())
    evidence.saw_each(connector_states.trace_pages())

    states = connector_states.observation(pipeline.expected_states, of_secrets=True)
    require(states, action=remedies.run_connectors(connector_states.states))
