"""Runbook, deploy new connector, prerequisite: database connectivity verified."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("connectors.1-database-connectivity")
def test_each_database_answers_its_connectors_own_account(connector_logins, evidence):
    """Each database answers its connector's own account, from the worker and from here."""
    evidence.saw("Logins", connector_logins.rows())

    require(connector_logins)
