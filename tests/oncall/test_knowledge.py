"""Causes come before consequences, and nothing old is taken for an answer about now."""

from __future__ import annotations

from datetime import UTC, datetime

from cdcproof.findings import Verdict
from cdcproof.monitoring.catalogue import BY_STEP
from cdcproof.oncall import knowledge
from cdcproof.oncall.alert import find
from cdcproof.oncall.briefing import Briefing
from cdcproof.pipeline.contacts import Contacts
from cdcproof.reporting.record import StepRecord
from tests.reporting.runs import record_of

NOW = datetime(2026, 11, 29, 6, tzinfo=UTC)
SERVICES, CONNECTORS = "morning.1-services", "morning.2-connectors"


def briefing(*records: StepRecord, alert: str = "ConnectorDown", minutes: float = 0) -> Briefing:
    found = find(alert, {"connector": "sink"}, {})
    by_step = {record.step: record for record in records}
    return Briefing(found, ["Prometheus: firing"], by_step, Contacts(), "--pipeline warehouse", minutes, NOW)


def test_what_a_check_needs_comes_before_it_and_each_once() -> None:
    steps = knowledge.steps_of(BY_STEP["morning.9-tables"])

    assert steps[-1] == "morning.9-tables"
    assert steps.index(SERVICES) < steps.index("morning.6-kafka-answers")
    assert len(steps) == len(set(steps))


def test_the_cause_is_mended_first() -> None:
    blocked = record_of(CONNECTORS, Verdict.BLOCKED, blocked_by=SERVICES)
    down = record_of(
        SERVICES, Verdict.FAILED, "connect", action=("docker logs connect", "docker compose restart connect")
    )
    failed = record_of(CONNECTORS, Verdict.FAILED, "sink/0", action=("cdcproof connectors restart sink",))

    assert [one.step for one in knowledge.orders(BY_STEP[CONNECTORS], {SERVICES: down, CONNECTORS: blocked})] == [
        SERVICES
    ]
    found = knowledge.orders(BY_STEP[CONNECTORS], {CONNECTORS: failed, SERVICES: down})
    assert [(one.step, one.lines) for one in found] == [(SERVICES, down.action), (CONNECTORS, failed.action)]


def test_a_step_that_is_green_asks_for_nothing() -> None:
    warned = record_of(SERVICES, Verdict.WARNED, "kafka", action=("look",))
    assert knowledge.orders(BY_STEP[CONNECTORS], {SERVICES: warned}) == []


def test_the_briefing_has_the_check_its_findings_the_orders_and_the_path() -> None:
    failed = record_of(
        CONNECTORS,
        Verdict.FAILED,
        "sink/0",
        action=("cdcproof connectors restart sink",),
        started_at=NOW.timestamp() - 720,
    )
    page = "\n".join(briefing(failed, minutes=12).lines())

    assert "ConnectorDown   connector=sink" in page
    assert "Prometheus: firing" in page
    assert "FAILED 12 min ago" in page
    assert "sink/0: expected RUNNING, found FAILED (first line of the trace)" in page
    assert "source  RUNNING" in page
    assert "       cdcproof connectors restart sink\n" in page
    assert "cdcproof remedy morning.2-connectors --pipeline warehouse --allow-acts" in page
    assert (
        "Escalation (the incident has lasted 12 min)\n  The pipeline file names no contacts: add [contacts] to it."
        in page
    )


def test_a_green_record_is_not_believed_while_the_alert_fires() -> None:
    page = "\n".join(briefing(record_of(CONNECTORS, started_at=NOW.timestamp() - 7 * 3600)).lines())

    assert "PASSED 7 h ago" in page
    assert "That was before: believe it only after another look." in page
    assert "The kept runs offer nothing for it: look again" in page
    assert "pytest -m morning --pipeline warehouse" in page


def test_without_any_run_it_says_how_to_look() -> None:
    page = "\n".join(briefing().lines())
    assert "No run that is kept has it. Look now: pytest -m morning --pipeline warehouse" in page
    assert "- no run that is kept has morning.2-connectors" in briefing().observed()


def test_an_alert_without_a_check_says_so() -> None:
    assert "No check stands behind this alert." in briefing(alert="Watchdog").lines()
