"""Beyond the runbook: a configuration that loses changes is not deployed."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("connectors.6-settings")
def test_no_setting_would_lose_changes(settings_to_deploy, evidence, remedies):
    """The settings to be deployed let every change of every table through, once, and keep what fails."""
    evidence.saw("Settings", settings_to_deploy.rows())

    action = remedies.correct_files(settings_to_deploy.changes(), settings_to_deploy.advice())
    require(settings_to_deploy.observation(), action=action, concern_action=action)
