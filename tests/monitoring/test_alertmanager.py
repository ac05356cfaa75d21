"""Alertmanager's configuration: amtool takes it, and each kind of alert goes where the runbook says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import yaml_files
from tests.programs import program

ROOT = Path(__file__).parents[2]
FILE = ROOT / "monitoring/alertmanager/alertmanager.yml"
PAGER = "pagerduty-cdc-pipeline-alerts"


@pytest.fixture
def checked(tmp_path: Path) -> Path:
    """The file as Debian's Alertmanager 0.25 can read it, which knows no `url_file`: the only one that can be had here."""
    text = FILE.read_text().replace("url_file: /etc/alertmanager/secrets/heartbeat-url", "url: http://127.0.0.1:9/")
    (tmp_path / "templates").symlink_to(FILE.parent / "templates")
    (tmp_path / "alertmanager.yml").write_text(text)
    return tmp_path / "alertmanager.yml"


def test_amtool_takes_it(checked: Path) -> None:
    found = subprocess.run([program("amtool"), "check-config", checked], check=False, capture_output=True, text=True)

    assert found.returncode == 0, found.stdout + found.stderr
    assert "1 templates" in found.stdout


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=Watchdog severity=none", "heartbeat"),
        ("alertname=ConnectorDown severity=critical", f"{PAGER},slack-database-ops"),
        ("alertname=TaskFailed severity=critical team=database-ops", f"{PAGER},slack-database-ops"),
        ("alertname=KafkaDown severity=critical team=infrastructure", f"{PAGER},slack-infrastructure"),
        ("alertname=DiskFilling severity=warning team=infrastructure", "slack-infrastructure"),
        ("alertname=HighReplicationLag severity=warning", "slack-database-ops"),
        ("alertname=ValidateSoakNotGreen severity=info team=database-ops", "slack-database-ops"),
        ("alertname=EscalateToTeamLead severity=critical team=database-ops", "pagerduty-team-lead"),
        ("alertname=EscalateToInfrastructureManager severity=critical", "pagerduty-infrastructure-manager"),
    ],
)
def test_where_an_alert_goes(checked: Path, labels: str, receivers: str) -> None:
    command = [program("amtool"), "config", "routes", "test", f"--config.file={checked}", *labels.split()]

    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == receivers


def test_channels_and_secrets() -> None:
    config = yaml_files.read(FILE)
    slack = {r["name"]: r["slack_configs"][0]["channel"] for r in config["receivers"] if "slack_configs" in r}

    assert slack == {"slack-database-ops": "#database-ops", "slack-infrastructure": "#infrastructure"}
    for receiver in config["receivers"]:
        for pager in receiver.get("pagerduty_configs", []):
            assert "routing_key" not in pager
            assert pager["routing_key_file"].startswith("/etc/alertmanager/secrets/")


def test_every_inhibition_stays_within_a_pipeline() -> None:
    rules = yaml_files.read(FILE)["inhibit_rules"]

    assert len(rules) > 20
    assert all("pipeline" in rule["equal"] for rule in rules)
    for rule in rules:  # a warning never mutes a page
        source, target = rule["source_matchers"], rule["target_matchers"]
        assert 'severity="critical"' in source or 'severity!="critical"' in target
