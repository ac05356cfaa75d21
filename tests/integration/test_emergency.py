"""Emergencies on a real pipeline: halted and proven; preserved, frozen, and let go on again by the commands that are printed."""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdcproof.environments.embedded import state
from cdcproof.environments.embedded.processes import running
from tests.integration.conftest import INSTANCE, PASSWORDS, Pipelines

pytestmark = pytest.mark.integration


@pytest.fixture
def pipe(healthy: Pipelines) -> Iterator[Pipelines]:
    yield healthy
    for process in healthy.instance.processes.values():  # also where the test ended before it let them go on
        healthy.paste(f"kill -CONT {process.pid} $(pgrep -P {process.pid})")
    healthy.heal()


def newest(pipe: Pipelines, kind: str) -> Path:
    return max((pipe.located().paths.reports / "emergency" / "embedded").glob(f"{kind}-*Z"))


def assert_no_secret_in_the_copies(folder: Path) -> None:
    copies = [path for path in (folder / "redacted").rglob("*") if path.is_file()]
    assert copies
    for path in copies:
        data = path.read_bytes()
        if path.suffix == ".gz":
            with tarfile.open(path) as archive:
                members = [archive.extractfile(member) for member in archive.getmembers() if member.isfile()]
                data = b"".join(member.read() for member in members if member)
        assert not [name for name, value in PASSWORDS.items() if value.encode() in data], path


def test_data_loss_halts_both_and_a_security_incident_freezes_everything(pipe: Pipelines) -> None:
    done = pipe.call("cdcproof", "emergency", "data-loss", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {c.state for c in pipe.connect.states().connectors} == {"PAUSED"}
    assert "Do not change anything until the senior team has approved it." in done.stdout
    assert_no_secret_in_the_copies(newest(pipe, "data-loss"))

    done = pipe.call("cdcproof", "emergency", "security-incident", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = newest(pipe, "security-incident")
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 0
    assert_no_secret_in_the_copies(folder)
    assert any(PASSWORDS["POSTGRES_PASSWORD"] in path.read_text() for path in (folder / "originals").rglob("*.json"))
    alive = [p for p in state.running(INSTANCE).processes.values() if running.is_alive(p)]
    assert all(running.is_suspended(process) for process in alive)

    thaw = re.findall(r"^  (kill -CONT .*)$", done.stdout, flags=re.MULTILINE)
    assert len(thaw) == len(alive)
    for line in thaw:
        assert pipe.paste(line).returncode == 0
    assert not any(running.is_suspended(process) for process in alive)
