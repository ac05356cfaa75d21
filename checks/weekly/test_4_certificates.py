"""Runbook, every Monday 4: certificates that end."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("weekly.4-certificates")
def test_no_certificate_ends_soon(certificates, evidence, remedies):
    """Each certificate of a server with TLS, and of the files that the pipeline file names, is valid and lasts long enough."""
    evidence.saw("Certificates", certificates.rows())

    action = remedies.renew_certificates(certificates.looks())
    require(certificates.observation(), action=action, concern_action=action)
