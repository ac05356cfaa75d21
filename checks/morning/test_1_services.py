"""Runbook, morning health check 1: check service status."""

import pytest

from cdcproof.findings import require_equal, warn_above


@pytest.mark.runbook("morning.1-services")
def test_every_service_is_up_and_healthy(services, pipeline, evidence, remedies):
    """Every expected service is up, and healthy where it has a health check."""
    evidence.saw("Services", services.rows())
    for name, log in services.logs.items():
        evidence.saw(f"Log of {name}, last 50 lines", log)

    require_equal(
        services.verdicts(),
        dict.fromkeys(services.expected(), "up"),
        details=services.details(),
        action=remedies.restart_services(services.failing()),
    )
    warn_above(
        services.restarts_24h(),
        pipeline.thresholds.restarts_24h,
        unit="restarts in 24 h",
        action=remedies.read_logs(services.names()),
    )
