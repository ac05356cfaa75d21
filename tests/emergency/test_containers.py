"""A container on a real engine: preserved, then frozen, with its log and its memory still there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdcproof.clients.containers import Engine
from cdcproof.emergency.evidence import Evidence
from cdcproof.emergency.suspects import ContainerSuspect
from cdcproof.errors import CouldNotLookError

pytestmark = pytest.mark.docker
IMAGE = "cdcproof-stand-in:bookworm"
NAME = "cdcproof-suspect"


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.fixture
def container() -> Iterator[str]:
    try:
        with Engine():
            pass
    except CouldNotLookError as error:
        pytest.skip(f"no container engine: {error.message}")
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode:
        pytest.skip(f"the container engine has no image {IMAGE}: scripts/ci/docker-engine.sh makes it")
    script = "echo to out; echo to err >&2; touch /changed; exec sleep 1000"
    docker(
        "run", "--detach", "--network=none", f"--name={NAME}", "--env=DB_PASSWORD=s3cr3t-Ω", IMAGE, "sh", "-c", script
    )
    yield NAME
    docker("rm", "--force", NAME)


def test_a_container_is_preserved_and_then_frozen(container: str, tmp_path: Path) -> None:
    suspect = ContainerSuspect(container, isolated=True)
    evidence = Evidence(tmp_path / "incident")
    evidence.make()

    assert evidence.suspect(suspect, volatile=True) == "processes.json, sockets.txt"
    assert evidence.suspect(suspect, volatile=False) == "inspect.json, changed-files.json, stdout.log, stderr.log"

    kept = tmp_path / "incident" / "originals" / container
    assert "sleep 1000" in (kept / "processes.json").read_text()
    assert "local_address" in (kept / "sockets.txt").read_text()
    assert "/changed" in (kept / "changed-files.json").read_text()
    assert (kept / "stdout.log").read_text().endswith("Z to out\n")
    assert (kept / "stderr.log").read_text().endswith("Z to err\n")
    assert "s3cr3t-Ω" in json.dumps(json.loads((kept / "inspect.json").read_text()), ensure_ascii=False)
    evidence.redact()
    copy = tmp_path / "incident" / "redacted" / container / "inspect.json"
    assert "s3cr3t" not in copy.read_text()

    assert suspect.freeze() == suspect.freeze() == "paused"
    assert docker("inspect", "--format={{.State.Status}}", container) == "paused"
    subprocess.run(suspect.thaw, shell=True, check=True, capture_output=True, timeout=60)
    assert docker("inspect", "--format={{.State.Status}}", container) == "running"
