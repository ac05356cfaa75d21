"""Compose files through Compose: the real one where it is installed, else stand-ins for how it answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cdcproof.clients.containers.compose_config import Rendered, rendered
from cdcproof.core.errors import ConfigError, UnexpectedAnswerError, UnreachableError

KAFKA = """
services:
  kafka:
    image: confluentinc/cp-kafka:${CP_TAG:-7.5.3}
    environment: {A: "1", PRICE: "$$5"}
"""


def compose_is_here() -> bool:
    if shutil.which("docker-compose"):
        return True
    return (
        bool(shutil.which("docker"))
        and not subprocess.run(
            ["docker", "compose", "version"], capture_output=True, check=False, timeout=20
        ).returncode
    )


needs_compose = pytest.mark.skipif(
    not compose_is_here(), reason="neither docker compose nor docker-compose is installed"
)


def file(folder: Path, text: str, name: str = "docker-compose.yml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@needs_compose
def test_variables_come_from_the_env_file_beside_the_compose_file_and_the_environment_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(tmp_path, KAFKA)
    monkeypatch.delenv("CP_TAG", raising=False)
    assert rendered([path]).services["kafka"]["image"] == "confluentinc/cp-kafka:7.5.3"
    (tmp_path / ".env").write_text("CP_TAG=8.0.0\n")
    assert rendered([path]).services["kafka"]["image"] == "confluentinc/cp-kafka:8.0.0"
    monkeypatch.setenv("CP_TAG", "8.1.0")
    assert rendered([path]).services["kafka"]["image"] == "confluentinc/cp-kafka:8.1.0"


@needs_compose
def test_each_file_is_laid_over_those_before_it(tmp_path: Path) -> None:
    base = file(tmp_path, KAFKA)
    override = file(tmp_path, "services: {kafka: {environment: {A: '2', B: '3'}}, new: {image: 'x:1'}}", "override.yml")
    found = rendered([base, override]).services
    assert sorted(found) == ["kafka", "new"]
    assert found["kafka"]["environment"] == {"A": "2", "B": "3", "PRICE": "$$5"}


@needs_compose
def test_a_service_behind_a_profile_is_part_of_the_file(tmp_path: Path) -> None:
    text = "services: {a: {image: 'x:1'}, b: {image: 'x:1', profiles: [monitoring]}}"
    assert sorted(rendered([file(tmp_path, text)]).services) == ["a", "b"]


@needs_compose
def test_a_variable_that_is_not_set_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    found = rendered([file(tmp_path, "services: {a: {image: 'x:${NOT_SET_ANYWHERE}'}}")])
    assert "NOT_SET_ANYWHERE" in " ".join(found.warnings)


@needs_compose
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: {a: {extends: b}, b: {extends: a}}", "a"),
        ("services: [", "compose"),
        ("services: {a: {image: 'x:1', no_such_key: 1}}", "no_such_key"),
    ],
)
def test_what_compose_does_not_take_is_said_in_its_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises((ConfigError, UnexpectedAnswerError), match="does not take it") as raised:
        rendered([file(tmp_path, text)])
    assert words in raised.value.message


def test_compose_2_decides_that_a_file_is_wrong(tmp_path: Path, path_only: Path) -> None:
    stand_in(path_only, "docker", '[ "$2" = version ] || { echo "no_such_key is not allowed" >&2; exit 1; }')
    path = file(tmp_path, KAFKA)
    with pytest.raises(ConfigError, match="docker compose does not take it: no_such_key is not allowed") as raised:
        rendered([path])
    assert raised.value.exit_status == 2
    assert str(path) in raised.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yml: There is no such compose file"):
        rendered([tmp_path / "gone.yml"])


@pytest.fixture
def path_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, for stand-ins."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def stand_in(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_without_compose_nothing_is_read_and_that_is_said(tmp_path: Path, path_only: Path) -> None:
    path = file(tmp_path, KAFKA)
    with pytest.raises(UnreachableError, match="Neither docker compose nor docker-compose is installed here"):
        rendered([path])
    stand_in(path_only, "docker", 'echo "docker: unknown command: docker compose" >&2; exit 1')
    with pytest.raises(UnreachableError, match="Neither docker compose nor docker-compose"):
        rendered([path])


def test_the_plug_in_goes_before_compose_1_and_is_asked_for_json(tmp_path: Path, path_only: Path) -> None:
    answer = {"name": "proj", "services": {"a": {"image": "x:1"}}, "networks": {"default": {"name": "proj_default"}}}
    stand_in(path_only, "docker-compose", "exit 9")
    asked = tmp_path / "asked"
    stand_in(path_only, "docker", f"echo \"$COMPOSE_PROFILES $@\" > {asked}\necho '{json.dumps(answer)}'")
    path = file(tmp_path, KAFKA)
    assert rendered([path, path]) == Rendered(
        {"a": {"image": "x:1"}}, {"default": {"name": "proj_default"}}, "proj", ()
    )
    assert asked.read_text() == f"* compose -f {path} -f {path} config --format json\n"


def test_compose_1_answers_in_yaml(tmp_path: Path, path_only: Path) -> None:
    stand_in(path_only, "docker-compose", "echo 'services: {a: {image: x}}'; echo 'version: \"3.9\"'; echo careful >&2")
    assert rendered([file(tmp_path, KAFKA)]) == Rendered({"a": {"image": "x"}}, {}, "", ("careful",))


def test_what_compose_1_does_not_take_may_be_right_for_compose_2_and_is_not_called_wrong(
    tmp_path: Path, path_only: Path
) -> None:
    stand_in(path_only, "docker-compose", "echo \"'include' does not match any of the regexes\" >&2; exit 1")
    with pytest.raises(
        UnexpectedAnswerError, match="docker-compose does not take it: 'include' does not match"
    ) as raised:
        rendered([file(tmp_path, "services: {a: {image: x, ports: !reset []}}")])
    assert raised.value.exit_status == 3
    assert "Compose 2" in raised.value.remedy


def test_what_is_no_yaml_is_wrong_for_both(tmp_path: Path, path_only: Path) -> None:
    stand_in(path_only, "docker-compose", "echo 'expected a node' >&2; exit 1")
    with pytest.raises(ConfigError, match="docker-compose does not take it: expected a node"):
        rendered([file(tmp_path, "services: [")])


@pytest.mark.parametrize("answer", ["", "[]", "services: 1", "a: [", "services: {a: x}"])
def test_an_answer_of_another_form_is_not_understood(tmp_path: Path, path_only: Path, answer: str) -> None:
    stand_in(path_only, "docker-compose", f"echo '{answer}'")
    with pytest.raises(UnexpectedAnswerError, match="What Compose answers is not understood"):
        rendered([file(tmp_path, KAFKA)])


def test_profiles_that_the_operator_chose_stay(
    tmp_path: Path, path_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSE_PROFILES", "mine")
    stand_in(path_only, "docker-compose", 'echo "services: {a: {image: $COMPOSE_PROFILES}}"')
    assert rendered([file(tmp_path, KAFKA)]).services["a"]["image"] == "mine"
    assert os.environ["COMPOSE_PROFILES"] == "mine"
