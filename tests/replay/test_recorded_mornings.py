"""Mornings of the embedded pipeline that were recorded, with what was right to say of them: judged again by this version, with nothing to ask."""

from __future__ import annotations

import json
import os
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
}
"""Recording to the verdicts of the checks that are not passed."""

CHECKS = 24


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
}


ALL = """
import sys, pytest
for file in sys.argv[2:]:
    arguments = ["-m", "morning", "-p", "tests.replay.no_connections", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    print("ENDED", int(pytest.main([*arguments, f"--replay={file}", f"--reports-dir={sys.argv[1]}"])))
"""
"""Judges recordings one after the other: one process for all, since it takes a second to load."""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of all replays, made in a process that has no password, no state and no connection."""
    folder = tmp_path_factory.mktemp("reports")
    files = [str(ROOT / f"tests/replay/{name}.jsonl") for name in RIGHT]
    bare = {"PATH": os.environ["PATH"], "HOME": str(folder), "TZ": "Asia/Kolkata"}
    command = [sys.executable, "-c", ALL, str(folder), *files]
    done = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, timeout=200, check=False)
    ended = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("ENDED ")]
    assert ended == [int(bool(others)) for others in RIGHT.values()], done.stdout + done.stderr
    return folder / "replays"


@pytest.mark.parametrize("name", RIGHT)
def test_a_recorded_morning_is_judged_as_it_was_right(name: str, reports: Path) -> None:
    run = json.loads((reports / f"{name}.json").read_text())

    verdicts = {step["step"]: step["verdict"] for step in run["steps"]}
    assert len(verdicts) == CHECKS
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
