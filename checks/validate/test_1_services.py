"""Runbook, post-maintenance validation 1: verify all containers running."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("validate.1-services")
def test_every_service_is_up_again(services, evidence, remedies):
    """Every expected service is up again, and healthy where it has a health check."""
    evidence.saw("Services", services.rows())
    evidence.saw_each(services.log_pages())

    require(services.observation(), action=remedies.restart_services(services.failing()))
