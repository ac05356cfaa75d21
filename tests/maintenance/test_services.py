"""The services of a pipeline of containers are stopped and started by Compose: its own alone, in their project, from its files."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdcproof.clients.containers.engine import Engine
from cdcproof.core.errors import DeadlineError, OperationError, UsageError
from cdcproof.environments.base import ServiceState
from cdcproof.environments.live import Live
from cdcproof.maintenance.steps import services
from cdcproof.pipeline.model import Pipeline
from tests.engine import container, engine_with, made_by_compose
from tests.pipelines import pipeline_of

FILES = "com.docker.compose.project.config_files"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a compose project is, on an engine that has two of the pipeline's containers, a Vault, and one of nobody's project."""
    labels = {
        FILES: f"{tmp_path / 'a.yml'},{tmp_path / 'b.yml'}",
        "com.docker.compose.project.working_dir": str(tmp_path),
    }
    made = [made_by_compose(service, "cdc", **labels) for service in ("kafka", "connect", "vault")]
    lonely = container("lonely")
    lonely["Config"]["Labels"] = {}
    with engine_with(*made, lonely) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        yield tmp_path


def pipeline(*containers: str | None) -> Pipeline:
    found = [
        {"name": f"s{n}", "role": "kafka", **({"container": c} if c else {"endpoint": "tcp://h:1"})}
        for n, c in enumerate(containers)
    ]
    return pipeline_of("orders", services=found)


@pytest.fixture
def compose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for Compose, which writes down how it was called; with `fails` in its folder it ends with 1."""
    programs, calls = tmp_path / "programs", tmp_path / "calls"
    programs.mkdir()
    program = programs / "docker-compose"
    program.write_text(
        f'#!/bin/sh\necho "$PWD $*" >> {calls}\ntest ! -e {tmp_path / "fails"} || {{ echo no such image >&2; exit 1; }}\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{programs}:/bin")
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)  # the real one may be found there
    return calls


def test_only_the_pipelines_own_services_are_stopped_and_started(folder: Path, compose: Path) -> None:
    found = services.of(Live(), pipeline("kafka", "connect"))
    found.down()
    found.up()
    files = f"-f {folder / 'a.yml'} -f {folder / 'b.yml'} -p cdc"
    assert compose.read_text().splitlines() == [
        f"{folder} {files} stop connect kafka",
        f"{folder} {files} up -d connect kafka",
    ]
    assert found.describe() == "connect, kafka of the compose project cdc"


def test_what_compose_says_is_the_reason(folder: Path, compose: Path) -> None:
    (folder / "fails").touch()
    with pytest.raises(OperationError, match=r"ended with status 1:\nno such image"):
        services.of(Live(), pipeline("kafka")).up()


@pytest.mark.parametrize("others", [(None,), ("lonely",), ("absent",)])
def test_what_compose_did_not_make_is_named_before_anything_is_stopped(
    folder: Path, compose: Path, others: tuple[str | None, ...]
) -> None:
    with pytest.raises(UsageError, match="s1"):
        services.of(Live(), pipeline("kafka", *others)).down()
    assert not compose.exists()


def test_a_pipeline_without_containers_is_brought_down_by_hand() -> None:
    with pytest.raises(UsageError, match="by hand"):
        services.of(Live(), pipeline(None))


def test_the_siblings_of_a_container_are_all_of_its_project(folder: Path) -> None:
    with Engine() as engine:
        assert engine.siblings(["kafka"]) == {"cdc-kafka-1", "cdc-connect-1", "cdc-vault-1"}
        assert engine.siblings(["lonely"]) == {"lonely"}


def test_services_that_do_not_come_are_named_with_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    class Down(Live):
        def services(self, _: Pipeline) -> tuple[ServiceState, ...]:
            return (ServiceState("kafka", "kafka", True, False, "health check: starting"),)

    monkeypatch.setattr(services, "stretched", float)
    with pytest.raises(DeadlineError, match="every service to be up"):
        services.wait_until_up(Down(), pipeline("kafka"), 0.1, lambda _: None)
