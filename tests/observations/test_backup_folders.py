"""What is one backup among the files of a directory, and of when it is: the same for every check and command."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from cdcproof.environments.base import BackupFile
from cdcproof.observations.backups.folders import Backup, backups_of, kind_of, own_name

TAKEN = datetime(2026, 11, 18, 2, tzinfo=UTC).timestamp()
COPIED = TAKEN + 86_400 * 5


def found(*paths: str, at: float = COPIED) -> dict[str, Backup[BackupFile]]:
    return {one.name: one for one in backups_of(BackupFile(path, at, 10, 4096) for path in paths)}


def test_a_folder_with_a_manifest_is_one_and_every_other_file_is_one() -> None:
    names = found("w_20261118_020000/manifest.json", "w_20261118_020000/pg/x/toc.dat", "pg/a.gz", "b.gz")

    assert {name: len(one.files) for name, one in names.items()} == {"w_20261118_020000": 2, "pg/a.gz": 1, "b.gz": 1}


def test_ours_is_of_when_it_was_taken_and_all_others_of_when_they_were_written() -> None:
    names = found("w_20261118_020000/manifest.json", "theirs/manifest.json", "w_20261118_020000.gz")

    assert {name: (one.pipeline, one.made_at) for name, one in names.items()} == {
        "w_20261118_020000": ("w", TAKEN),
        "theirs": ("", COPIED),
        "w_20261118_020000.gz": ("", COPIED),
    }
    assert names["w_20261118_020000"].written_at == COPIED


@pytest.mark.parametrize(
    "path",
    [
        "backup_20261118_020000.log",
        ".w.lock",
        ".w_20261118_020000.unfinished/manifest.json",
        "pg/.tmp/a.gz",
        "pg/a.log",
    ],
)
def test_logs_and_what_is_hidden_are_none(path: str) -> None:
    assert found(path) == {}


def test_what_lost_its_manifest_is_no_backup_of_ours() -> None:
    names = found("w_20261118_020000/SHA256SUMS", "w_20261118_020000/pg/toc.dat")

    assert not any(one.pipeline or one.manifest for one in names.values())


def test_a_manifest_within_a_backup_begins_no_other() -> None:
    assert [*found("a/manifest.json", "a/b/manifest.json", "a/b/c/x")] == ["a"]


@pytest.mark.parametrize("name", ["w_20261318_020000", "w_20261118_02000", "20261118_020000", "w-20261118_020000"])
def test_a_name_without_a_time_is_not_ours(name: str) -> None:
    assert own_name(name) is None


def test_they_come_oldest_first_and_by_name_where_they_are_of_one_time() -> None:
    files = [("b.gz", 2.0), ("w_20261118_020000/manifest.json", 9.0), ("c.gz", 1.0), ("a.gz", 2.0)]
    made = backups_of(BackupFile(path, at, 10, 4096) for path, at in files)
    assert [one.name for one in made] == ["c.gz", "a.gz", "b.gz", "w_20261118_020000"]


def test_a_backup_has_its_manifest_and_is_as_new_as_its_newest_file() -> None:
    files = [BackupFile("theirs/manifest.json", 1.0, 10, 4096), BackupFile("theirs/x/manifest.json", 3.0, 10, 4096)]
    assert backups_of(files) == (Backup("theirs", tuple(files), files[0], "", 3.0),)
    assert backups_of(files)[0].written_at == 3.0


def test_ours_may_lie_in_a_folder_of_the_directory() -> None:
    assert found("old/w_20261118_020000/manifest.json")["old/w_20261118_020000"].pipeline == "w"
    assert (
        found("w_20261118_020000/in/x_20261117_020000/manifest.json")["w_20261118_020000/in/x_20261117_020000"].pipeline
        == "x"
    )


def test_a_manifest_in_the_directory_itself_is_a_file_like_any_other() -> None:
    assert found("manifest.json", "a.gz").keys() == {"manifest.json", "a.gz"}
    assert found("my-manifest.json", "x/my-manifest.json").keys() == {"my-manifest.json", "x/my-manifest.json"}


def test_the_name_of_ours_has_pipeline_and_time() -> None:
    assert own_name("w_20261118_020000") == ("w", TAKEN)
    assert own_name("a_b_20261118_020000") == ("a_b", TAKEN)


def test_a_file_named_as_a_folder_of_ours_is_a_file() -> None:
    assert [(one.pipeline, one.made_at) for one in found("pg/w_20261118_020000").values()] == [("", COPIED)]


def test_the_time_in_a_name_is_of_utc_whatever_the_clock_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    try:
        assert own_name("w_20261118_020000") == ("w", TAKEN)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_names_of_a_kind_differ_in_numbers_only() -> None:
    assert kind_of("postgresql/w_20261118_020000.sql.gz") == "postgresql/w_#_#.sql.gz"
