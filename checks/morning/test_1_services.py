"""Runbook, morning health check 1: check service status."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.1-services")
def test_every_service_is_up_and_healthy(services, pipeline, evidence, remedies):
    """Every expected service is up, and healthy where it has a health check."""
    evidence.saw("Services", services.rows())
    evidence.saw_each(services.log_pages())

    require(
        services.observation(pipeline.thresholds.restarts_24h),
        action=remedies.restart_services(services.failing()),
        concern_action=remedies.read_logs(services.names()),
    )
