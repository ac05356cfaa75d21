"""Alerts that a running pipeline cannot raise within a test: each reaches PagerDuty and Slack from its series, and ends there.

The rules, Prometheus, Alertmanager, its routes and what the receivers get are real; the series are served, pushed or loaded. Each alert
has a pipeline of its own in the one Prometheus, so that this is also a test of seventy pipelines that do not disturb each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core.waiting import wait_until
from cdcproof.findings import Verdict
from cdcproof.monitoring.catalogue import CHECKS
from cdcproof.monitoring.exporter import identity
from cdcproof.monitoring.exporter.reconciliation import ReconciliationCollector
from cdcproof.monitoring.exporter.series import Collector, gauge
from cdcproof.monitoring.rules.check_rules import severity_of
from cdcproof.pipeline.model import HttpService, Pipeline
from cdcproof.reconcile.report.ownership import place_of
from cdcproof.reconcile.report.result import Report, TableResult, TableStatus, write
from cdcproof.reporting import scheduled
from cdcproof.reporting.formats import metrics
from cdcproof.reporting.record import StepRecord
from tests.canned import Canned
from tests.monitoring.alert_proofs import LOADED, MADE, Value
from tests.monitoring.alerted import HEARTBEAT, Alerted, Message, messages, receiving
from tests.monitoring.test_rules import ALERT_RULES
from tests.pipelines import pipeline_of

pytestmark = [pytest.mark.judges, pytest.mark.slow]

OTHER = "other"
GONE = {"DatabaseConnectionsNearLimit": ("state",), "TaskErrorRateUnknown": ("task",)}
"""Labels of the first series that an alert does not keep."""
OPS, INFRASTRUCTURE = {"team": "database-ops"}, {"team": "infrastructure"}
CRITICAL, WARNING = {"severity": "critical"}, {"severity": "warning"}
CONNECTORS, PUSHED_BY = {"job": "connectors"}, {"job": "cdcproof"}


class Beatless(Collector):
    """The second port of the other pipeline's exporter, which has no beat until it is given one."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.age: float | None = None
        self.fails = False

    def collect(self):
        if self.fails:
            raise OSError
        yield from identity.about(self._pipeline)
        yield gauge("cdcproof_replication_freshness_seconds", "Age.", {(): self.age})


def report(pipeline: Pipeline, folder: Path, seconds_ago: float, status: TableStatus = TableStatus.MATCH) -> None:
    """A report of the other pipeline."""
    at = (datetime.now().astimezone() - timedelta(seconds=seconds_ago)).isoformat()
    sides = [place_of(side) for side in (pipeline.source, pipeline.target)]
    found = tuple(
        TableResult(name, status, 10, 10, True)
        if status is TableStatus.MATCH
        else TableResult(name, status, error="no")
        for name in pipeline.table_names
    )
    write(Report(f"other-{at}", at, at, *sides, "test", found), folder)


def history(now: float) -> str:
    """Minutes of freshness long past of pipelines that burn their objective: at the pace of the test, minutes are seconds."""
    lines = []
    for pipeline, bad in {
        "made-today": range(100, 200),  # within the last day, and before the last six hours
        "made-steadily": range(30, 60),  # within the last six hours, and before the last thirty minutes
        "made-slowly": [*range(400, 500), 34, 35],  # before the last day, and twice within the last six hours
    }.items():
        labels = f'{{instance="at {pipeline}",job="connectors",pipeline="{pipeline}"}}'
        times = sorted((now - seconds for seconds in bad), reverse=False)
        lines += [f"cdcproof:freshness_bad_minute:bool{labels} 1 {at:.3f}" for at in times]
    return "\n".join([*lines, "# EOF", ""])


def made(bad: bool, late: bool = False) -> dict[tuple[str, tuple[tuple[str, str], ...]], Value]:
    """The series of the pipelines that are made, each with one fault or with none. `late`: and two are late with their beats."""
    found = {
        (name, tuple(sorted({"instance": f"at {alert}", "pipeline": f"made-{alert}", **labels}.items()))): worse
        if bad
        else fine
        for alert, series in MADE.items()
        for name, labels, fine, worse in series
    }
    for pipeline in ("made-today", "made-steadily"):
        labels = tuple(sorted({"instance": f"at {pipeline}", "job": "connectors", "pipeline": pipeline}.items()))
        found["cdcproof_replication_freshness_target_seconds", labels] = 60.0
        found["cdcproof_replication_freshness_seconds", labels] = 61.0 if late else 1.0
    return found


def push_checks(alerted: Alerted, verdict: Verdict) -> None:
    """What a run of each check pushes, each in a pipeline of its own, so that none mutes another."""
    now = time.time()
    for check in CHECKS:
        record = StepRecord(check.step, "", check.suite, check.severity, verdict, now, 1.0)
        registry = metrics.registry_of(f"check {check.step}", check.suite, [record], {}, now, failed_runs=0)
        metrics.push(registry, f"check {check.step}", check.suite, alerted.gateway)


def push_schedule(alerted: Alerted, pipeline: str, folder: Path, *, ago: float = 0, failed_runs: int = 0) -> None:
    """What suites and commands push that have run as they should."""
    at = time.time() - ago
    for suite in ("morning", "weekly", "monthly"):
        metrics.push(
            metrics.registry_of(pipeline, suite, [], {}, at, failed_runs=failed_runs), pipeline, suite, alerted.gateway
        )
    for command in ("reconcile", "backup", "diagnose", "cleanup"):
        scheduled.keep(command, pipeline, at=at, succeeded=True, reports=folder, gateway=alerted.gateway)


class Elsewhere:
    """What happens meanwhile in other pipelines of the same Prometheus."""

    def __init__(self, alerted: Alerted, pipeline: Pipeline, folder: Path) -> None:
        self.alerted = alerted
        self.pipeline = pipeline
        self.reports = pipeline.paths.reconciliation_reports
        self.folder = folder
        self.beatless: Beatless | None = None

    def begin(self) -> None:
        """All at once, each in a pipeline of its own: without a fault, as some are missed only where they were, then with it."""
        self.alerted.made.now = made(bad=False, late=True)
        push_checks(self.alerted, Verdict.FAILED)
        push_schedule(self.alerted, "late", self.folder / "late", ago=40 * 86_400, failed_runs=2)
        server = PrometheusServer(HttpService(url=self.alerted.prometheus_url))
        late = 'sum_over_time(cdcproof:freshness_bad_minute:bool{pipeline=~"made-today|made-steadily"}[10s]) >= 2'
        wait_until(
            lambda: server.query(late), lambda found: len(found) == 2, what="two bad minutes", deadline_seconds=20
        )
        self.alerted.made.now = made(bad=True)
        self.alerted.fires("FreshnessBurnsSteadily", "made-steadily", **CONNECTORS, **CRITICAL, **OPS)
        for alert in ("FreshnessBurnsToday", "FreshnessBurnsSlowly"):
            self.alerted.fires(alert, LOADED[alert], **CONNECTORS, **WARNING, **OPS)

    def fires(self) -> None:
        for alert, series in MADE.items():
            rule = next(rule for rule in ALERT_RULES if rule["alert"] == alert)
            kept = {k: v for k, v in series[0][1].items() if k not in GONE.get(alert, ())}
            self.alerted.fires(alert, f"made-{alert}", **{**kept, **rule["labels"]})
        of_connector = {"escalated": "ConnectorDown", "connector": "sink", **CONNECTORS, **CRITICAL}
        for level, alert in (("2", "EscalateToTeamLead"), ("3", "EscalateToInfrastructureManager")):
            self.alerted.fires(alert, "made-ConnectorDown", level=level, **of_connector)
        self.alerted.made.now = made(bad=False)
        for check in CHECKS:
            of = {"check": check.step, "suite": check.suite, **PUSHED_BY, **OPS}
            self.alerted.fires(check.alert, f"check {check.step}", severity=severity_of(check), **of)
        push_checks(self.alerted, Verdict.PASSED)
        for suite in ("morning", "weekly", "monthly"):
            self.alerted.fires("SuiteNotRun", "late", suite=suite, **PUSHED_BY, **WARNING, **OPS)
            self.alerted.fires("SuiteNotRun", OTHER, suite=suite, **WARNING, **OPS)
        for command in ("reconcile", "backup", "diagnose", "cleanup"):
            self.alerted.fires("ScheduledTaskNotRun", OTHER, command=command, **WARNING, **OPS)
        self.alerted.fires("SuiteFailedTwice", "late", suite="morning", **PUSHED_BY, **WARNING, **OPS)
        for pipeline in ("late", OTHER):
            push_schedule(self.alerted, pipeline, self.folder / pipeline)
        assert self.beatless
        self.alerted.fires("FreshnessUnknown", OTHER, **CONNECTORS, **WARNING, **OPS)
        self.beatless.age = 1.0
        of = {"job": "reconciliation", **WARNING}
        self.alerted.fires("ExporterBlind", OTHER, service="reports", path=str(self.reports), **of, **INFRASTRUCTURE)
        self.alerted.fires("ReportStale", OTHER, **of, **OPS)
        self.reports.mkdir()
        self.alerted.ends("ExporterBlind", OTHER)
        for seconds_ago in (60, 30):
            report(self.pipeline, self.reports, seconds_ago, TableStatus.ERROR)
        self.alerted.fires("ReconciliationFailing", OTHER, status="failure", **of, **OPS)
        report(self.pipeline, self.reports, 0)
        self.beatless.fails = True
        self.alerted.fires("ExporterDown", OTHER, **CONNECTORS, **CRITICAL, **INFRASTRUCTURE)
        self.beatless.fails = False

    def ends(self) -> None:
        for alert in MADE:
            self.alerted.ends(alert, f"made-{alert}")
        for alert, pipeline in LOADED.items():
            self.alerted.ends(alert, pipeline)
        for check in CHECKS:
            self.alerted.ends(check.alert, f"check {check.step}")
        for alert in (
            "ReportStale",
            "ReconciliationFailing",
            "FreshnessUnknown",
            "SuiteNotRun",
            "ScheduledTaskNotRun",
            "ExporterDown",
        ):
            self.alerted.ends(alert, OTHER)
        for alert in ("SuiteNotRun", "SuiteFailedTwice", "ScheduledTaskNotRun"):
            self.alerted.ends(alert, "late")
        for alert in LEVELS:
            self.alerted.ends(alert, "made-ConnectorDown")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Canned]:
    with receiving() as server:
        yield server


@pytest.fixture(scope="module")
def seen(receiver: Canned, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Message]]:
    """All messages, from the first fault to the end of the last."""
    folder = tmp_path_factory.mktemp("alerted")
    reports = folder / "other-reports"
    other = pipeline_of("orders", name=OTHER, paths={"reconciliation_reports": str(reports)})
    beatless = Beatless(other)
    pages = [
        ("reconciliation", ReconciliationCollector(other, folder / "other-state.json"), {"pipeline": OTHER}),
        ("connectors", beatless, {"pipeline": OTHER}),
    ]
    alerted = Alerted(folder, receiver, history(time.time())).start(pages)
    elsewhere = Elsewhere(alerted, other, folder)
    elsewhere.beatless = beatless
    try:
        wait_until(
            lambda: alerted.names(""), lambda found: "Watchdog" in found, what="the watchdog", deadline_seconds=30
        )
        elsewhere.begin()
        elsewhere.fires()
        elsewhere.ends()
        yield messages(receiver)
    finally:
        alerted.close()


OF_THE_OTHER = {
    "ExporterDown",
    "ExporterBlind",
    "ReportStale",
    "ReconciliationFailing",
    "FreshnessUnknown",
    "SuiteNotRun",
    "ScheduledTaskNotRun",
}
BURNS = {"FreshnessBurnsFast", *LOADED}
LEVELS = {"EscalateToTeamLead", "EscalateToInfrastructureManager"}


def test_every_message_is_of_the_fault_of_its_pipeline(seen: list[Message]) -> None:
    fired = {(m.alert, m.pipeline) for m in seen if m.fires and m.alert not in LEVELS}

    expected = {(alert, f"made-{alert}") for alert in MADE if alert not in BURNS}
    expected |= {(check.alert, f"check {check.step}") for check in CHECKS}
    expected |= {(alert, OTHER) for alert in OF_THE_OTHER} | {
        ("SuiteNotRun", "late"),
        ("ScheduledTaskNotRun", "late"),
        ("SuiteFailedTwice", "late"),
        ("Watchdog", ""),
    }
    burns = {one for one in fired if one[0] in BURNS}
    assert fired - burns == expected
    burning = {"FreshnessBurnsFast": "made-FreshnessBurnsFast", **LOADED}
    assert set(burning.items()) <= burns
    assert {pipeline for _, pipeline in burns} == set(burning.values())


def test_what_is_over_is_over_for_everybody(seen: list[Message]) -> None:
    newest = {(m.to, m.alert, m.pipeline): m.fires for m in seen if m.alert not in {"Watchdog", *BURNS, *LEVELS}}

    assert {key for key, fires in newest.items() if fires} == set()


def test_the_watchdog_reaches_the_heartbeat_service_alone(seen: list[Message]) -> None:
    assert {m.to for m in seen if m.alert == "Watchdog"} == {HEARTBEAT}
    assert {m.alert for m in seen if m.to == HEARTBEAT} == {"Watchdog"}


def test_a_message_says_what_is_wrong_with_what_and_what_to_do(seen: list[Message]) -> None:
    said = {(m.alert, m.pipeline): m.text for m in seen if m.fires}

    assert "other-reports is missing, or may not be used" in said["ExporterBlind", OTHER]
    assert "docs/MONITORING.md#exporterblind" in said["ExporterBlind", OTHER]
    assert "cdcproof oncall ExporterBlind 'service=reports' 'pipeline=other'" in said["ExporterBlind", OTHER]
    assert "The suite weekly of other has not run" in said["SuiteNotRun", OTHER]
    assert (
        "The exporter at at PipelineLabelWrong is of elsewhere" in said["PipelineLabelWrong", "made-PipelineLabelWrong"]
    )
