"""The rules: the runbook's letter for letter, every alert with what an operator needs, and each tested by promtool in four ways."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdcproof.monitoring.catalogue import BY_STEP, CHECKS
from cdcproof.monitoring.rules.alerts import ALERTS, Alert, causes, every_alert, step_behind
from cdcproof.monitoring.rules.check_rules import SCHEDULED, severity_of
from tests import yaml_files
from tests.programs import program

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "monitoring/prometheus/rules").glob("*.yml"))
TESTS = sorted((ROOT / "monitoring/prometheus/tests").glob("*.yml"))
CASES = ("fires", "does not fire just below", "resolves", "is not hidden by a missing series")

RUNBOOK = """
- alert: HighReplicationLag
  expr: kafka_connect_source_connector_lag > 10000
  for: 10m
  labels:
    severity: warning
  annotations:
    summary: "High replication lag detected"
    description: "Connector {{ $labels.connector }} has lag of {{ $value }} records"
- alert: ConnectorDown
  expr: connector_state == 0
  for: 5m
  labels:
    severity: critical
  annotations:
    summary: "Connector is not running"
    description: "Connector {{ $labels.connector }} is in failed state"
- alert: DataMismatch
  expr: increase(reconciliation_row_count_mismatch_total[1h]) > 0
  labels:
    severity: warning
  annotations:
    summary: "Data mismatch detected"
    description: "Table {{ $labels.table }} has row count mismatch"
"""


def _rules() -> list[dict[str, Any]]:
    return [
        rule
        for path in RULES
        for group in yaml_files.read(path)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


ALERT_RULES = _rules()
TESTED = [group for path in TESTS for group in yaml_files.read(path)["tests"]]


def test_the_runbooks_rules_are_letter_for_letter() -> None:
    for expected in yaml.safe_load(RUNBOOK):
        found = next(rule for rule in ALERT_RULES if rule["alert"] == expected["alert"])
        added = {"action", "runbook_url", "oncall"}
        annotations = {key: text for key, text in found["annotations"].items() if key not in added}
        assert {**found, "annotations": annotations} == expected


def test_the_rules_are_of_the_alerts_that_are_listed() -> None:
    names = [rule["alert"] for rule in ALERT_RULES]

    assert sorted(names) == sorted(alert.name for alert in every_alert())


@pytest.mark.parametrize("rule", ALERT_RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_with_what_and_what_to_do_first(rule: dict[str, Any]) -> None:
    says = rule["annotations"]
    constant = rule["alert"] == "Watchdog"

    assert rule["labels"].get("severity") in ("critical", "warning", "info", "none") or "escalated" in rule["labels"]
    assert set(says) == {"summary", "description", "action", "runbook_url", "oncall"}
    assert constant or "$labels." in says["description"], "the description names no object"
    document, anchor = re.fullmatch(r"docs/(MONITORING|RUNBOOK)\.md#(\S+)", says["runbook_url"]).groups()  # type: ignore[union-attr]
    text = (ROOT / "docs" / f"{document}.md").read_text()
    if document == "MONITORING":
        assert anchor == rule["alert"].lower()
        assert f"\n### {rule['alert']}\n" in text
    else:
        assert f'<a id="{anchor}"></a>' in text
    named = "{{ $labels.alertname }}" if "escalated" in rule["labels"] else rule["alert"]
    oncall, _, pipeline = says["oncall"].partition("{{ with $labels.pipeline }} ")
    quoted_pipeline = "'pipeline={{ . | reReplaceAll \"'\" \"'\\\\''\" }}'{{ end }}"
    assert pipeline == ("" if constant or document == "RUNBOOK" else quoted_pipeline)
    assert shlex.split(oncall.replace("reReplaceAll \"'\" \"'\\\\''\"", "escaped"))[:3] == [
        "cdcproof",
        "oncall",
        named,
    ]
    for label in re.findall(r"\{\{ \$labels\.(\w+)", says["oncall"].replace(named, "")):
        quoted = f"'{label}={{{{ $labels.{label} | reReplaceAll \"'\" \"'\\\\''\" }}}}'"
        assert quoted in says["oncall"], f"the label {label} is not quoted for the shell"


@pytest.mark.parametrize("rule", ALERT_RULES, ids=lambda rule: rule["alert"])
def test_every_alert_is_tested_in_four_ways(rule: dict[str, Any]) -> None:
    alert = rule["alert"]
    by_case = {case: group for group in TESTED for case in CASES if re.match(rf"{alert} .*{case}", group["name"])}

    assert set(by_case) == set(CASES)
    if len({group["name"] for group in by_case.values()}) == 1:
        return  # the generated test has all four in one
    firing = {case: _firing(group) for case, group in by_case.items()}
    assert any(alert in names for names in firing["fires"])
    assert not any(alert in names for names in firing["does not fire just below"])
    assert len(firing["resolves"]) >= 2
    assert alert in firing["resolves"][0]
    assert alert == "Watchdog" or not any(alert in names for names in firing["resolves"][-1:])
    assert any(firing["is not hidden by a missing series"]), "nothing fires"


def _firing(group: dict[str, Any]) -> list[set[str]]:
    """The alerts that each look of a test expects."""
    return [
        {re.search(r'alertname="(\w+)"', sample["labels"])[1] for sample in look["exp_samples"]}  # type: ignore[index]
        for look in group["promql_expr_test"]
    ]


def test_only_suites_that_run_by_themselves_page_and_they_are_watched() -> None:
    expression = next(rule["expr"] for rule in ALERT_RULES if rule["alert"] == "SuiteNotRun")

    assert set(re.findall(r'suite="(\w+)"', expression)) == set(SCHEDULED)
    assert {severity_of(check) for check in CHECKS if check.suite not in SCHEDULED} == {"info"}
    assert {severity_of(check) for check in CHECKS if check.suite == "morning"} == {"critical", "warning"}


def test_the_document_names_the_suites_whose_checks_wake_nobody() -> None:
    text = (ROOT / "docs/MONITORING.md").read_text()
    sentence = next(line for line in text.splitlines() if "wake nobody" in line).partition("Those of ")[2]

    assert set(re.findall(r"`(\w+)`", sentence)) == {check.suite for check in CHECKS} - set(SCHEDULED)


@pytest.mark.judges
def test_promtool_takes_the_rules() -> None:
    checked = subprocess.run(
        [program("promtool"), "check", "rules", *RULES], check=False, capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.judges
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_promtools_tests_pass(path: Path) -> None:
    tested = subprocess.run([program("promtool"), "test", "rules", path], check=False, capture_output=True, text=True)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_metric_of_ours_in_a_rule_is_written_by_the_code() -> None:
    """An alert on a name that nobody serves never fires, and no promtool test shows that."""
    code = "\n".join(path.read_text() for path in (ROOT / "src/cdcproof").rglob("*.py"))
    ours = r"\b(cdcproof_\w+|reconciliation_\w+|connector_\w+|kafka_connect_source_connector_lag)\b"
    names = {name for rule in ALERT_RULES for name in re.findall(ours, re.sub(r'"[^"]*"', "", rule["expr"]))}

    assert len(names) > 20
    assert {
        name for name in names if f'"{name}"' not in code and f'"{name.removesuffix("_total")}"' not in code
    } == set()


def test_what_a_cause_mutes_follows_from_the_needs_of_the_checks() -> None:
    of = {alert.name: causes(alert) for alert in every_alert()}

    assert of["ConnectorDown"] == ("KafkaConnectDown", "KafkaDown", "SourceDatabaseDown", "TargetDatabaseDown")
    assert of["MorningSinkLagNotGreen"] == ("KafkaDown", "MorningKafkaAnswersNotGreen")
    assert of["SchemaRegistryDown"] == ()
    assert "ConnectorDown" in of["FreshnessBurnsFast"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_stands_for_a_check_and_is_muted_by_alerts_that_exist(alert: Alert) -> None:
    names = {known.name for known in every_alert()}

    assert not alert.stands_for or alert.step in BY_STEP
    assert set(alert.muted_by) <= names - {alert.name}
    assert bool(alert.same) <= bool(alert.muted_by)


def test_the_verdict_of_an_old_run_mutes_nothing_that_is_evaluated_now() -> None:
    checks = {check.alert for check in CHECKS}

    assert not any(checks & set(causes(alert)) for alert in ALERTS)


@pytest.mark.parametrize("name", ["FreshnessBurnsFast", "FreshnessBurnsSteadily"])
def test_a_page_on_freshness_is_held_back_after_the_causes_that_mute_it(name: str) -> None:
    rule = next(rule for rule in ALERT_RULES if rule["alert"] == name)
    alert = next(alert for alert in ALERTS if alert.name == name)

    assert f'alertname=~"{"|".join(causes(alert))}"' in rule["expr"]


ENDS_WITH_ITS_CAUSE = {
    "HighReplicationLag": "the runbook's, letter for letter",
    "DataMismatch": "the runbook's, letter for letter",
    "ConnectorDown": "the runbook's, letter for letter",
    "ConnectorVanished": "its own expression leaves a Connect out that is down",
    "TaskFailed": "of one group with what mutes it; and a task that stays failed has to be restarted",
    "ConnectorWithoutTasks": "a connector that has no task when the outage is over stays without",
    "TaskErrorRateUnknown": "its own expression leaves a connector out whose state is not known",
    "SlotRetainsLog": "its series is absent while the source is down",
    "DeadLettersKept": "records that are kept wait for somebody, when no more follow too",
    "ChecksumMismatch": "a difference that stands no longer is none",
    "ReportStale": "a run that fails leaves a report too",
    "FreshnessBurnsToday": "a ticket on the month's objective, which the minutes of an outage use up",
    "FreshnessBurnsSlowly": "a ticket on the month's objective, which the minutes of an outage use up",
}
"""What is muted by a cause and may be reported in the moment in which the cause is over, and why that is no false alarm."""


@pytest.mark.parametrize("alert", [a for a in ALERTS if a.muted_by or causes(a)], ids=lambda alert: alert.name)
def test_what_may_outlast_its_cause_leaves_the_time_of_the_cause_out(alert: Alert) -> None:
    """Alertmanager mutes until the cause is over: rules of two groups are evaluated one after the other, and a count takes its time."""
    rule = next(rule for rule in ALERT_RULES if rule["alert"] == alert.name)
    left_out = {
        name for names in re.findall(r'ALERTS\{.*?alertname=~"(.+?)"', rule["expr"]) for name in names.split("|")
    }

    assert bool(left_out) is (alert.name not in ENDS_WITH_ITS_CAUSE)
    assert left_out <= {*alert.muted_by, *causes(alert)}


def test_the_check_behind_an_alert() -> None:
    assert step_behind("KafkaConnectDown") == "morning.1-services"
    assert step_behind("MorningTopicsNotGreen") == "morning.9-topics"
    assert step_behind("Watchdog") == ""
    assert step_behind("NoSuchAlert") == ""
