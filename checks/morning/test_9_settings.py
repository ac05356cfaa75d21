"""Beyond the runbook: no setting of a connector loses changes while every state is RUNNING."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.9-connector-settings")
def test_no_setting_loses_changes(connector_settings, evidence, remedies):
    """The connectors' settings let every change of every table through, once, and keep what fails."""
    evidence.saw("Settings", connector_settings.rows())

    action = remedies.change_settings(connector_settings.changes(), connector_settings.advice())
    require(connector_settings.observation(), action=action, concern_action=action)
