"""Runs of the embedded pipeline that were recorded, with what was right to say of them: judged again by this version, with nothing to ask."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.replay.no_connections import ENDED

ROOT = Path(__file__).parents[2]

RIGHT: dict[str, dict[str, str]] = {
    "all-is-well": {},
    "kafka-is-down": {
        "morning.1-services": "failed",
        "morning.4-metrics-reconciliation": "warned",
        **dict.fromkeys(
            (
                *("morning.2-connectors", "morning.6-kafka-answers", "morning.7-freshness", "morning.7-sink-lag"),
                *("morning.7-source-lag", "morning.9-dead-letters", "morning.9-tables", "morning.9-topics"),
            ),
            "blocked",
        ),
    },
    "rows-differ-and-the-sink-is-paused": {
        "morning.2-connectors": "failed",
        "morning.3-reconciliation": "failed",
        "morning.4-metrics-reconciliation": "blocked",
    },
    "the-target-refuses-a-row": {"morning.2-connectors": "failed", "morning.4-metrics-reconciliation": "warned"},
    "a-right-is-missing-and-one-is-too-much": {
        "connectors.4-permissions-sufficient": "failed",
        "connectors.5-permissions-excessive": "failed",
    },
    "a-row-is-lost": {"validate.4-reconciliation": "failed"},
    "the-test-row-is-refused-and-a-setting-was-changed": {
        "validate.3-round-trip": "failed",
        "validate.4-reconciliation": "not checked",
        "validate.5-baseline": "failed",
        "validate.6-soak": "failed",
    },
    "the-sink-fails-with-its-file": {
        "staging.1-connector-files": "warned",
        "staging.2-connectors-applied": "failed",
        "validate.2-connectors": "failed",
        **dict.fromkeys(("validate.3-round-trip", "validate.4-reconciliation", "validate.6-soak"), "blocked"),
    },
    "nobody-approved-and-a-row-is-lost": {
        "premaintenance.1-announced": "warned",
        "premaintenance.1-approved": "failed",
        "premaintenance.2-staging": "failed",
        "premaintenance.4-baseline": "failed",
        "premaintenance.5-reconciliation": "failed",
        "premaintenance.8-restorable": "failed",
    },
}
"""Recording to the verdicts of the checks that are not passed."""

CHECKS = {"morning": 24, "connectors": 6, "validate": 6, "staging": 7, "premaintenance": 11}
SUITE = {
    "a-right-is-missing-and-one-is-too-much": "connectors",
    "a-row-is-lost": "validate",
    "the-test-row-is-refused-and-a-setting-was-changed": "validate",
    "the-sink-fails-with-its-file": "staging",
    "nobody-approved-and-a-row-is-lost": "premaintenance",
}
"""Of the recordings of another suite than `morning`."""


FINDINGS = {
    "all-is-well": [],
    "kafka-is-down": [("morning.1-services", "kafka (kafka)", "down", "cdcproof restart kafka")],
    "rows-differ-and-the-sink-is-paused": [
        (
            "morning.2-connectors",
            "postgres-sink-connector",
            "PAUSED",
            "cdcproof connectors resume postgres-sink-connector --pipeline embedded",
        ),
        ("morning.3-reconciliation", "customers", "MISMATCH", "cdcproof reconcile repair --tables customers,products"),
        ("morning.3-reconciliation", "products", "changed", "--validate-checksums"),
    ],
    "the-target-refuses-a-row": [
        (
            "morning.2-connectors",
            "postgres-sink-connector/0",
            'violates check constraint "frozen"',
            "cdcproof connectors restart postgres-sink-connector --only-failed",
        )
    ],
    "a-right-is-missing-and-one-is-too-much": [
        (
            "connectors.4-permissions-sufficient",
            "sink of postgres-sink-connector: INSERT on public.shipments",
            "missing",
            'GRANT INSERT ON "public"."shipments" TO "sink";',
        ),
        (
            "connectors.5-permissions-excessive",
            "cdc of postgres-source-connector: DELETE on public.orders",
            "granted",
            'REVOKE DELETE ON "public"."orders" FROM "cdc";',
        ),
    ],
    "a-row-is-lost": [
        ("validate.4-reconciliation", "orders", "MISMATCH", "cdcproof reconcile repair --tables orders"),
    ],
    "the-test-row-is-refused-and-a-setting-was-changed": [
        (
            "validate.3-round-trip",
            "customers: insert",
            "not within 6 s: no row",
            "cdcproof connectors status postgres-sink-connector",
        ),
        (
            "validate.5-baseline",
            "connectors/postgres-sink-connector/batch.size",
            "700",
            "cdcproof baseline compare",
        ),
        ("validate.6-soak", "postgres-sink-connector/0", "FAILED from 0 s to the end", "cdcproof logs kafka-connect"),
    ],
    "the-sink-fails-with-its-file": [
        (
            "staging.1-connector-files",
            "postgres-sink-connector",
            "connection.password stands in the file in clear",
            "",
        ),
        (
            "staging.2-connectors-applied",
            "postgres-sink-connector",
            "task 0 FAILED: org.postgresql.util.PSQLException",
            "cdcproof connectors undo",
        ),
    ],
    "nobody-approved-and-a-row-is-lost": [
        (
            "premaintenance.1-approved",
            "approved",
            "nobody has confirmed it",
            "cdcproof maintenance confirm approved",
        ),
        (
            "premaintenance.2-staging",
            "change.toml",
            "no run of the staging gate was about this change",
            "pytest -m staging",
        ),
        ("premaintenance.5-reconciliation", "orders", "MISMATCH", "cdcproof reconcile repair --tables orders"),
        ("premaintenance.8-restorable", "restore", "never proven", "cdcproof maintenance prove-restore"),
    ],
}


ALL = """
import sys, pytest
for run in sys.argv[2:]:
    suite, _, file = run.partition("=")
    arguments = ["-m", suite, "-p", "tests.replay.no_connections", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    print("ENDED", int(pytest.main([*arguments, f"--replay={file}", f"--reports-dir={sys.argv[1]}"])))
"""
"""Judges recordings one after the other: one process for all, since it takes a second to load."""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of all replays, made in a process that has no password, no state and no connection."""
    folder = tmp_path_factory.mktemp("reports")
    files = [f"{SUITE.get(name, 'morning')}={ROOT / f'tests/replay/{name}.jsonl'}" for name in RIGHT]
    bare = {"PATH": os.environ["PATH"], "HOME": str(folder), "TZ": "Asia/Kolkata"}
    command = [sys.executable, "-c", ALL, str(folder), *files]
    done = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, timeout=200, check=False)
    ended = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("ENDED ")]
    assert ended == [int(bool(others)) for others in RIGHT.values()], done.stdout + done.stderr
    assert not re.search(r"^(NO-)?GO\b", done.stdout, re.MULTILINE)  # which only a run before a window decides
    assert {path.parent.name for path in folder.rglob("*") if path.is_file()} == {"replays"}
    return folder / "replays"


@pytest.mark.parametrize("name", RIGHT)
def test_a_recorded_run_is_judged_as_it_was_right(name: str, reports: Path) -> None:
    run = json.loads((reports / f"{name}.json").read_text())

    verdicts = {step["step"]: step["verdict"] for step in run["steps"]}
    assert len(verdicts) == CHECKS[SUITE.get(name, "morning")]
    assert {step: verdict for step, verdict in verdicts.items() if verdict != "passed"} == RIGHT[name]
    assert "Every verdict, and all that was found, is as it was recorded." in (reports / f"{name}.txt").read_text()

    steps = {step["step"]: step for step in run["steps"]}
    for step, subject, found, action in FINDINGS[name]:
        assert found in {one["subject"]: one["found"] + one["detail"] for one in steps[step]["differences"]}[subject]
        assert action in "\n".join(steps[step]["action"])


def test_a_connection_would_have_ended_that_process() -> None:
    program = "import socket, tests.replay.no_connections as it; it.pytest_configure(); socket.create_connection(('127.0.0.1', 1))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == ENDED
