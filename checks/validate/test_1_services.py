"""Runbook, post-maintenance validation 1: verify all containers running."""

import pytest

from cdcproof.findings import require_equal


@pytest.mark.runbook("validate.1-services")
def test_every_service_is_up_again(services, evidence, remedies):
    """Every expected service is up again, and healthy where it has a health check."""
    evidence.saw("Services", services.rows())
    for name, log in services.logs.items():
        evidence.saw(f"Log of {name}, last 50 lines", log)

    require_equal(
        services.verdicts(),
        dict.fromkeys(services.expected(), "up"),
        details=services.details(),
        action=remedies.restart_services(services.failing()),
    )
