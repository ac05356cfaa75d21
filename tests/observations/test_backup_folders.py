"""What is one backup among the files of a directory, and of when it is: the same for every check and command."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cdcproof.environments.base import BackupFile
from cdcproof.observations.backups.folders import Backup, backups_of, own_name

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
