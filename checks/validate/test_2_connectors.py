"""Runbook, post-maintenance validation 2 and 3: resume connectors, check connector status."""

import pytest

from cdcproof.findings import require_equal


@pytest.mark.runbook("validate.2-connectors")
def test_every_connector_was_resumed_and_runs(connector_states, pipeline, evidence, remedies):
    """Every connector was resumed, and each of its tasks is RUNNING."""
    found = connector_states
    evidence.saw("Connectors and tasks", found.rows())
    for subject, trace in found.traces.items():
        evidence.saw(f"Trace of {subject}", trace)

    require_equal(
        found.states,
        pipeline.expected_states,
        details=found.details,
        action=remedies.run_connectors(found.states),
    )
