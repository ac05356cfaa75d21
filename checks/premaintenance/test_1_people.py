"""Runbook, pre-maintenance: announce the window to stakeholders; get approval."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("premaintenance.1-announced")
def test_the_window_was_announced(people, evidence, window_remedies):
    """The window was announced to its stakeholders, a week before it begins."""
    evidence.saw("Confirmations", people.rows())

    require(people.announced(), action=window_remedies.confirm("announced"))


@pytest.mark.runbook("premaintenance.1-approved")
def test_the_change_was_approved(people, evidence, window_remedies):
    """The change was approved."""
    evidence.saw("Confirmations", people.rows())

    require(people.approved(), action=window_remedies.confirm("approved"))
