"""A container on a real engine: preserved, then frozen, with its log and its memory still there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdcproof.clients.containers.engine import Engine
from cdcproof.core.errors import CouldNotLookError, OperationError
from cdcproof.emergency.evidence import Evidence
from cdcproof.emergency.suspects import EVIDENCE, ContainerSuspect

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


@pytest.fixture
def network(container: str) -> Iterator[str]:
    """One that the container is on, by a name of its own there."""
    docker("network", "disconnect", "none", container)
    docker("network", "create", "cdcproof-suspects")
    docker("network", "connect", "--alias", "its own name", "cdcproof-suspects", container)
    yield "cdcproof-suspects"
    docker("network", "disconnect", "--force", "cdcproof-suspects", container)
    docker("network", "rm", "cdcproof-suspects")


@pytest.fixture
def images() -> Iterator[None]:
    yield
    found = docker("images", "--quiet", EVIDENCE).split()
    if found:
        docker("rmi", "--force", *found)


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


def test_what_is_frozen_is_kept_as_an_image_and_taken_off_its_networks(
    container: str, network: str, images: None, tmp_path: Path
) -> None:
    suspect = ContainerSuspect(container, isolated=True)
    suspect.freeze()
    image, networks = suspect.measures()

    kept = image.act()
    reference, identifier = kept.text.split("; ")[0].split(", ")
    assert docker("inspect", "--format={{.State.Status}}", container) == "paused"
    assert docker("image", "inspect", "--format={{.Id}}", reference) == identifier
    assert docker("run", "--rm", "--network=none", reference, "ls", "/changed") == "/changed"
    assert kept.undo == ()

    cut = networks.act()
    assert names_on(container) == {}
    assert cut.text == f"off {network}"

    # as they are printed, in this order
    for command in (*cut.undo, suspect.thaw):
        subprocess.run(command, shell=True, check=True, capture_output=True, timeout=60)
    assert "its own name" in names_on(container)[network]
    assert docker("inspect", "--format={{.State.Status}}", container) == "running"


def test_a_container_on_the_machines_own_network_is_named(container: str) -> None:
    docker("rm", "--force", container)
    docker("run", "--detach", "--network=host", f"--name={NAME}", IMAGE, "sleep", "1000")
    _, networks = ContainerSuspect(container, isolated=True).measures()
    with pytest.raises(OperationError, match="has the network of host: cut that by hand"):
        networks.act()


def names_on(container: str) -> dict[str, list[str]]:
    """Network to the names that the container has there."""
    told = json.loads(docker("inspect", "--format={{json .NetworkSettings.Networks}}", container))
    return {name: end["Aliases"] for name, end in told.items() if name != "none"}
