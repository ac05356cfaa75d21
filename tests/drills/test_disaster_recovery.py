"""Every scenario once, on a pipeline that they share: destroyed for real, recovered by the documented commands, measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.core.progress import Progress
from cdcproof.emergency.drill import SCENARIOS
from cdcproof.environments.embedded import lifecycle, state
from cdcproof.environments.embedded.data import databases
from cdcproof.environments.embedded.folders import INSTANCE_VARIABLE, folders
from tests.integration.conftest import free_ports

pytestmark = [pytest.mark.drill, pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
INSTANCE = "-".join(filter(None, ("drills", os.environ.get(INSTANCE_VARIABLE))))
CHANGE = """summary = "nothing but a restart"
risk = "low"
downtime_minutes = 5
"""


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cdcproof", *words],
        cwd=ROOT,
        env={**os.environ, INSTANCE_VARIABLE: INSTANCE},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture(scope="module", autouse=True)
def instance() -> Iterator[None]:
    lifecycle.remove(INSTANCE, Progress())
    # not the preferred ports: other workers start their pipelines at the same moment
    exporter_ports = dict(zip(("exporter-reconciliation", "exporter-connect"), free_ports(2), strict=True))
    lifecycle.up(INSTANCE, Progress(), wanted_ports=exporter_ports)
    yield
    lifecycle.remove(INSTANCE, Progress())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_was_lost_is_recovered_within_the_targets(scenario: str) -> None:
    done = call("drill", "disaster-recovery", f"--scenario={scenario}", f"--instance={INSTANCE}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    told = json.loads(max((folders(INSTANCE).state / "reports" / "drills").glob("*.json")).read_text())
    assert (told["scenario"], told["proven"], told["within_targets"]) == (scenario, True, True)
    assert 0 < told["rto_seconds"] < told["rto_target_seconds"]
    is_lost = SCENARIOS[scenario].restores and scenario != "target-lost"
    assert bool(told["lost_rows"]) is is_lost
    assert bool(told["rpo_seconds"]) is is_lost


def test_a_window_with_its_services_down_and_a_rollback_from_a_backup(tmp_path: Path) -> None:
    change = tmp_path / "change.toml"
    change.write_text(CHANGE)
    begins = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    for words in (
        ("baseline", "save"),
        ("backup",),
        ("maintenance", "plan", f"--change={change}", f"--begins={begins}"),
        ("maintenance", "start", "--services-down", "--force", "--reason=a drill"),
    ):
        done = call(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    found = state.running(INSTANCE)
    assert not [service for service in ("kafka", "postgres", "kafka-connect") if found.is_alive(service)]
    backup = max(path.name for path in found.folders.backups.glob("embedded_*")).removeprefix("embedded_")
    lifecycle.start_services(INSTANCE, Progress())
    databases.target(state.running(INSTANCE), "UPDATE public.customers SET name = 'spoiled'")

    done = call("maintenance", "rollback", f"--backup={backup}", "--soak=1s")

    assert done.returncode == 0, done.stdout + done.stderr
    spoiled = "SELECT count(*) FROM public.customers WHERE name = 'spoiled'"
    assert databases.target(state.running(INSTANCE), spoiled) == "0"
