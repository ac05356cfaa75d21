"""Beyond the runbook: a connector's account may do what it must, and no more."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("connectors.4-permissions-sufficient")
def test_each_account_may_do_what_it_must(connector_rights, evidence):
    """Each connector's account may read or write all of its tables."""
    missing, _ = connector_rights
    evidence.saw("What the accounts lack", missing.rows())

    require(missing)


@pytest.mark.runbook("connectors.5-permissions-excessive")
def test_no_account_may_do_more_than_it_must(connector_rights, evidence):
    """No connector's account may do more than it must: change the source, administer, act for others."""
    _, excessive = connector_rights
    evidence.saw("What the accounts have beyond their needs", excessive.rows())

    require(excessive)
