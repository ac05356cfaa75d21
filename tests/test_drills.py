"""Each failure class, each fault that was once missed and each check has a drill, and the drill asserts what the table of faults says.

Where an Action cannot mend by itself (it is advice, or shows where to look), docs/RUNBOOK.md says so in the check's section.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cdcproof.monitoring.catalogue import BY_STEP, CHECKS
from tests.drills import detections
from tests.drills.catalogue import CASES, CLASSES, COMMANDS, FAULTS, GREEN, Fault, Shown
from tests.drills.document import document
from tests.drills.evidence import judges_of, reached

ROOT = Path(__file__).parent.parent
ADVICE = {
    "morning.6-source-answers",
    "morning.6-target-answers",
    "morning.6-kafka-answers",
    "morning.6-registry-answers",
    "morning.7-capture-job",
    "morning.7-freshness",
    "connectors.1-database-connectivity",
    "connectors.6-settings",
    "validate.3-round-trip",
    "validate.5-baseline",
    "validate.6-soak",
    "staging.1-connector-files",
    "weekly.1-failures",
    "weekly.1-lag",
    "weekly.3-source-growth",
    "weekly.3-topic-growth",
    "weekly.3-days-until-full",
    "weekly.4-certificates",
    "monthly.1-newer-tags",
    "monthly.1-advisories",
    "monthly.2-performance",
    "monthly.3-recovery-drill",
    "premaintenance.2-staging",
    "premaintenance.3-rollback-files",
    "premaintenance.6-diagnostics",
}
"""Checks of which no Action can mend what they find."""
RUNS = {"follow", "pasted", "paste", "bash", "open_registry"}
every_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.function}-{fault.check}")


def test_every_class_every_case_and_every_check_has_a_fault_that_shows_it() -> None:
    shown = {of for fault in FAULTS for of in fault.of}

    assert shown == {*CLASSES, *CASES}
    assert {check.step for check in CHECKS} <= {fault.check for fault in FAULTS if fault.names != GREEN}
    assert {fault.check for fault in FAULTS} <= {*BY_STEP, *COMMANDS}
    assert len({(fault.test, fault.check, fault.fault) for fault in FAULTS}) == len(FAULTS)


@every_fault
def test_the_test_is_there_and_asserts_the_check(fault: Fault) -> None:
    found = reached(ROOT / "tests" / fault.file, fault.function)

    if fault.check in COMMANDS:
        words = fault.check.split()[1:]
        judged = any(found.uses(f"{top}.{one}") for one in COMMANDS[fault.check] for top in ("cdcproof", "tests"))
        assert judged or all(word in found.texts for word in words), f"{fault.test} does not run {fault.check}"
        return
    file, check, judges = judges_of(fault.check)
    named = found.names(fault.check) or found.names(str(file)) or check in found.imports
    assert named or any(map(found.uses, judges)), f"{fault.test} names neither {fault.check} nor any of {judges}"


@every_fault
def test_a_drill_that_mends_runs_what_the_check_offers(fault: Fault) -> None:
    calls = reached(ROOT / "tests" / fault.file, fault.function).calls

    assert not fault.mends or calls & RUNS, f"{fault.function} does not run the Action of {fault.check}"


def test_every_check_is_mended_by_its_action_in_a_drill_or_only_advises() -> None:
    mended = {fault.check for fault in FAULTS if fault.mends}

    assert {check.step for check in CHECKS} - mended <= ADVICE
    assert set(BY_STEP) >= ADVICE


@pytest.mark.parametrize("step", sorted(ADVICE))
def test_the_runbook_says_where_the_action_only_advises(step: str) -> None:
    text = (ROOT / "docs" / "RUNBOOK.md").read_text()
    [section] = [part for part in re.split(r"\n(?=<a id=)", text) if f'<a id="{step.replace(".", "-")}"></a>' in part]
    assert "The action is advice" in section or "The action only shows" in section


def test_what_is_called_injected_is_and_nothing_else() -> None:
    """A test on the embedded pipeline is marked as an integration test; no other one is."""
    for file in {fault.file for fault in FAULTS}:
        of_a_pipeline = {fault.shown is Shown.PIPELINE for fault in FAULTS if fault.file == file}
        assert of_a_pipeline == {"pytest.mark.integration" in (ROOT / "tests" / file).read_text()}, file


def test_each_injected_fault_of_a_check_was_measured() -> None:
    """`make drills` writes the record; what a drill did not see red is not in it."""
    _, seconds = detections.recorded()
    injected = {
        (fault.test, fault.check)
        for fault in FAULTS
        if fault.shown is Shown.PIPELINE and fault.check in BY_STEP and fault.names != GREEN
    }

    assert injected <= seconds.keys(), "run: make drills"


def test_the_document_follows_from_the_table() -> None:
    for path, content in document(ROOT).items():
        assert path.read_text(encoding="utf-8") == content, "run: make generate"


@pytest.mark.parametrize(
    ("function", "step", "is_named"),
    [
        ("test_a_killed_service", "morning.1-services", True),
        ("test_a_wrong_password_of_the_checks_is_not_checked", "morning.6-source-answers", True),  # filled in
        ("test_a_killed_service", "morning.9-columns", True),  # by a constant of its module
        ("test_a_disk_without_inodes", "morning.9-tables", False),
    ],
)
def test_what_a_test_names_is_found(function: str, step: str, is_named: bool) -> None:
    found = reached(ROOT / "tests/integration/test_morning_faults.py", function)

    assert found.names(step) is is_named


def test_a_test_that_is_not_there_is_found_out() -> None:
    with pytest.raises(KeyError, match="has no test_nothing"):
        reached(ROOT / "tests/test_drills.py", "test_nothing")
