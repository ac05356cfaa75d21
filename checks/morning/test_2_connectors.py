"""Runbook, morning health check 2: check connector status."""

import pytest

from cdcproof.findings import require_equal, warn_if_any


@pytest.mark.runbook("morning.2-connectors")
def test_every_connector_and_task_is_running(connector_states, pipeline, evidence, remedies):
    """Every connector and every one of its tasks is RUNNING."""
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
    warn_if_any(found.inline_secrets(), expected="secrets through a ConfigProvider")
