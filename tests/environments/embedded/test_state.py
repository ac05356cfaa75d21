"""What an instance remembers."""

from __future__ import annotations

import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cdcproof.core.errors import OperationError, UsageError
from cdcproof.environments.embedded import folders, passwords, state
from cdcproof.environments.embedded.processes.running import Process
from cdcproof.environments.embedded.state import Instance, Restart


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for variable in (passwords.SOURCE_VARIABLE, passwords.TARGET_VARIABLE, folders.INSTANCE_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def instance() -> Instance:
    made = Instance("one", {"kafka": 29092}, processes={"kafka": Process(1, 2.5)}, generation=3)
    made.folders.state.mkdir(parents=True)
    return made


def test_what_is_saved_is_loaded(instance: Instance) -> None:
    remembered = replace(instance.with_restart("kafka", "found dead"), stopped=True, prepared=True)
    state.save(remembered)
    assert state.load("one") == remembered


def test_there_is_nothing_to_load_of_an_instance_that_never_was() -> None:
    assert state.load("one") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"ports": {"kafka": "x"}}'])
def test_a_damaged_file_says_which_and_what_to_do(instance: Instance, text: str) -> None:
    instance.folders.instance_file.write_text(text)
    with pytest.raises(OperationError, match=r"instance\.json is damaged") as raised:
        state.load("one")
    assert "rm " in raised.value.remedy


def test_a_failed_write_leaves_the_old_file(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    state.save(instance)

    def no_space(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "replace", no_space)
        with pytest.raises(OperationError, match="No space left"):
            state.save(replace(instance, generation=9))
    assert state.load("one") == instance
    assert [p.name for p in instance.folders.state.iterdir()] == ["instance.json"]


def test_only_the_restarts_of_a_day_count(instance: Instance) -> None:
    yesterday = replace(instance, restarts=(Restart("kafka", time.time() - 90_000, "restarted"),))
    assert yesterday.restarts_24h("kafka") == 0
    again = yesterday.with_restart("kafka", "found dead")
    assert again.restarts_24h("kafka") == 1
    assert again.restarts_24h("zookeeper") == 0
    assert len(again.restarts) == 1


def test_an_instance_that_never_was_or_was_stopped_says_how_to_start_it(instance: Instance) -> None:
    with pytest.raises(UsageError, match=r"The embedded pipeline is not there: run `cdcproof up`$"):
        state.running("default")
    state.save(replace(instance, stopped=True))
    with pytest.raises(UsageError, match="'one' is not there: run `cdcproof up --instance one`"):
        state.running("one")


def test_topics_of_another_generation_have_another_name(instance: Instance) -> None:
    assert replace(instance, generation=1).topic_prefix == "warehouse"
    assert instance.topic_prefix == "warehouse_3"


@pytest.mark.parametrize("name", ["../other", "a b", "-x", "", "x" * 42])
def test_a_name_that_is_no_folder_name_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(folders.INSTANCE_VARIABLE, name or " ")
    with pytest.raises(UsageError, match="cannot be the name"):
        folders.instance_name()


def test_passwords_are_kept_private_and_can_be_given(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(passwords.TARGET_VARIABLE, "given-from-outside")
    passwords.make(instance)
    made = passwords.of(instance)
    assert stat.S_IMODE(instance.folders.secrets.stat().st_mode) == 0o600
    assert made.target.reveal() == "given-from-outside"
    assert len({made.source.reveal(), made.target.reveal(), made.superuser.reveal()}) == 3
    monkeypatch.delenv(passwords.TARGET_VARIABLE)
    passwords.make(instance)
    assert passwords.of(instance) == made


def test_a_password_that_a_properties_file_would_change_is_refused(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(passwords.SOURCE_VARIABLE, "back\\slash")
    with pytest.raises(UsageError, match=passwords.SOURCE_VARIABLE) as raised:
        passwords.make(instance)
    assert "back\\slash" not in str(raised.value)
