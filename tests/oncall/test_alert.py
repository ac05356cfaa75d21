"""Every alert that a rule can raise is known here, and the command that its annotation offers can be pasted."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from cdcproof.cli import oncall
from cdcproof.clients import alert_rules
from cdcproof.core.errors import UsageError
from cdcproof.monitoring.rules.alerts import every_alert
from cdcproof.oncall.alert import find, labels_of
from tests import yaml_files

ROOT = Path(__file__).parents[2]
RULES = alert_rules.read(ROOT)
OFFERED = [
    rule["annotations"]["oncall"]
    for path in sorted((ROOT / alert_rules.FOLDER).glob("*.yml"))
    for group in yaml_files.read(path)["groups"]
    for rule in group["rules"]
    if "oncall" in rule.get("annotations", {})
]


def test_rules_were_read() -> None:
    assert len(RULES) > 40
    assert len(OFFERED) > 40
    assert RULES["ConnectorDown"].severity == "critical"
    assert RULES["ConnectorDown"].summary == "Connector is not running"


@pytest.mark.parametrize("command", OFFERED)
def test_what_an_annotation_offers_is_taken(command: str) -> None:
    command = re.sub(r"\{\{ (with [^}]*|end) \}\}", "", command.replace("{{ $labels.alertname }}", "KafkaDown"))
    filled = re.sub(r"\{\{[^}]*\}\}", "odd value", command)
    program, subcommand, *words = shlex.split(filled)
    parser = argparse.ArgumentParser()
    oncall.add_arguments(parser)

    arguments = parser.parse_args(words)

    assert (program, subcommand) == ("cdcproof", "oncall")
    assert find(arguments.alert, labels_of(arguments.labels), RULES).name == arguments.alert


@pytest.mark.parametrize("name", [alert.name for alert in every_alert()])
def test_every_alert_is_known_with_or_without_its_rule(name: str) -> None:
    assert find(name, {}, {}).name == name
    assert find(name, {}, RULES).check == find(name, {}, {}).check


def test_the_texts_of_a_rule_are_filled_with_the_labels() -> None:
    alert = find("ConnectorDown", {"connector": "odd sink"}, RULES)

    assert alert.description == "Connector odd sink is in failed state"
    assert alert.check is not None
    assert alert.check.step == "morning.2-connectors"
    assert alert.action.startswith("Read why its task failed")
    assert "{{" not in find("DiskFilling", {}, RULES).description


def test_what_a_rule_says_only_with_a_label_is_said_only_then() -> None:
    def said(name: str, **labels: str) -> str:
        return find(name, labels, RULES).description

    assert said("SuiteNotRun", suite="weekly") == "The suite weekly has not run, or its metrics do not arrive"
    assert said("SuiteNotRun", suite="weekly", pipeline="orders").startswith("The suite weekly of orders has not run")
    assert said("ExporterDown", job="connectors", pipeline="orders").endswith("from the job connectors of orders")
    assert said("PipelineLabelWrong", instance="a:1", pipeline="orders").startswith(
        "The exporter at a:1 is of orders, and"
    )
    other = said("PipelineLabelWrong", instance="a:1", pipeline="orders", exported_pipeline="sales")
    assert other.startswith("The exporter at a:1 is of sales, and")


def test_an_alert_of_ones_own_rules_is_known_by_its_file(tmp_path: Path) -> None:
    folder = tmp_path / alert_rules.FOLDER
    folder.mkdir(parents=True)
    (folder / "own.yml").write_text(
        "groups: [{name: own, rules: [{record: x, expr: y}, {alert: Own, annotations: {runbook_url: 'docs/RUNBOOK.md#morning-5-disk'}}]}]"
    )
    (folder / "broken.yml").write_text("groups: [: nonsense")
    (folder / "list.yml").write_text("[1, 2]")

    alert = find("Own", {}, alert_rules.read(tmp_path))

    assert alert.check is not None
    assert alert.check.step == "morning.5-disk"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("connectordown", "ConnectorDown"),
        ("ConectorDown", "ConnectorDown"),
        ("MorningConnectors", "MorningConnectorsNotGreen"),
    ],
)
def test_an_unknown_name_gets_the_nearest_ones(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"There is no alert {typed}.(?s:.*){meant}"):
        find(typed, {}, RULES)


def test_a_name_that_is_near_to_none_gets_the_place_of_all() -> None:
    with pytest.raises(UsageError, match=r"docs/MONITORING\.md has all names"):
        find("xyzzy", {}, RULES)


def test_labels_are_read_with_everything_after_the_first_sign() -> None:
    assert labels_of(["connector=a b", "path=/x=y", "empty="]) == {"connector": "a b", "path": "/x=y", "empty": ""}
    for word in ("connector", "=x", "1a=x", "a-b=x"):
        with pytest.raises(UsageError, match="is no label"):
            labels_of([word])
