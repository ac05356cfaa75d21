"""A window whose services Compose takes down and brings up, on a real container engine; the pipeline between them is the model."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from cdcproof.clients.containers.compose_config import tool
from cdcproof.clients.containers.engine import Engine
from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments.live import Live
from cdcproof.maintenance.steps import services
from cdcproof.maintenance.steps.services import Services
from cdcproof.maintenance.window import Windows
from tests.maintenance.conftest import ANN, CHANGE, Room
from tests.maintenance.model import ModelServices, ModelSite, Pipe
from tests.pipelines import pipeline_of

pytestmark = pytest.mark.docker
OLD, NEW = "cdcproof-stand-in:bookworm", "cdcproof-stand-in:of-the-window"


@dataclass(frozen=True)
class Containers:
    """The services of the window: real ones, and the model that goes down and up with them."""

    real: Services
    pipe: Pipe
    file: Path

    def describe(self) -> str:
        return self.real.describe()

    def down(self) -> None:
        self.real.down()
        self.pipe.change(up=False)

    def up(self) -> None:
        self.real.up()
        self.pipe.change(up=True, image="1" if OLD in self.file.read_text() else "2")


@dataclass(frozen=True)
class ComposedSite(ModelSite):
    project: str = ""

    def services(self) -> ModelServices:
        names = [{"name": n, "role": "kafka", "container": f"{self.project}-{n}"} for n in ("connect", "broker")]
        found = services.of(Live(), pipeline_of("orders", services=names))
        return cast(ModelServices, Containers(found, self.pipe, self.folder / "docker-compose.yml"))


def file_of(project: str, image: str) -> str:
    """Three services; the window is told of two."""
    one = "  {0}: {{container_name: {1}-{0}, image: '{2}', command: [sleep, '1000'], init: true, network_mode: none}}\n"
    images = {"connect": image, "broker": OLD, "vault": OLD}
    return "services:\n" + "".join(one.format(name, project, i) for name, i in images.items())


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    try:
        with Engine():
            pass
        words = tool()
    except CouldNotLookError as error:
        pytest.skip(f"no container engine, or no Compose: {error.message}")
    if subprocess.run(["docker", "image", "inspect", OLD], capture_output=True, check=False).returncode:
        pytest.skip(f"the container engine has no image {OLD}: scripts/ci/docker-engine.sh makes it")
    project = f"window-{secrets.token_hex(4)}"
    compose, change = tmp_path / "docker-compose.yml", tmp_path / "change.toml"
    compose.write_text(file_of(project, OLD))
    change.write_text(CHANGE)
    command = [*words, "-f", str(compose), "-p", project]
    subprocess.run([*command, "up", "-d"], check=True, capture_output=True, cwd=tmp_path, timeout=60)
    subprocess.run(["docker", "tag", OLD, NEW], check=True, timeout=20)
    site = ComposedSite(Pipe.made(tmp_path / "pipe.json"), tmp_path, project=project)
    windows = Windows.of(site.pipeline, ANN)
    begins = datetime.now(UTC) - timedelta(minutes=1)
    windows.make(site.pipeline, change, begins=begins, length=timedelta(hours=4), compose=[compose])
    yield Room(windows, site, compose)
    subprocess.run([*command, "down", "--timeout=1"], check=True, capture_output=True, cwd=tmp_path, timeout=60)


def seen(room: Room, service: str) -> tuple[str, str]:
    """A container's state and image."""
    name = f"{cast(ComposedSite, room.site).project}-{service}"
    told = subprocess.run(
        ["docker", "inspect", "--format={{.State.Status}} {{.Config.Image}}", name],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout.split()
    return told[0], told[1]


def started(room: Room) -> str:
    """When the service that the window was not told of was started."""
    name = f"{cast(ComposedSite, room.site).project}-vault"
    command = ["docker", "inspect", "--format={{.State.StartedAt}}", name]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout


@pytest.mark.parametrize("way", ["finish", "rollback"])
def test_services_go_down_and_come_up_by_the_files_as_they_are_then(room: Room, way: str) -> None:
    """An image that the change names is run after it; a rollback brings the one before back. What is not the pipeline's goes on."""
    project, untouched = cast(ComposedSite, room.site).project, started(room)
    room.start()
    assert {s: seen(room, s) for s in ("connect", "broker")} == dict.fromkeys(("connect", "broker"), ("exited", OLD))

    room.change(batch__size="500", **({"drops__deletes": "true"} if way == "rollback" else {}))
    room.compose.write_text(file_of(project, NEW))
    if way == "rollback":
        room.pipe.write("delete", "a")
    assert room.finish() is (way == "finish")
    assert {s: seen(room, s) for s in ("connect", "broker")} == {
        "connect": ("running", NEW),
        "broker": ("running", OLD),
    }

    if way == "rollback":
        assert room.rollback()
        assert room.compose.read_text() == file_of(project, OLD)
        assert seen(room, "connect") == ("running", OLD)
        assert room.pipe.is_as_before()
    assert started(room) == untouched
