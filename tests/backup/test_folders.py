"""The backup directory: whole backups, remnants, and one process at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from cdcproof.backup import folders
from cdcproof.backup.folders import Directory
from cdcproof.core.errors import OperationError, UsageError
from tests.backup.made import NOW, committed


def test_a_backup_is_closed_to_others_but_for_its_manifest(tmp_path: Path) -> None:
    kept = committed(tmp_path, "w", NOW)

    assert kept.folder.name == "w_20261129_020000"
    modes = {path.relative_to(kept.folder).as_posix(): path.stat().st_mode & 0o777 for path in kept.folder.rglob("*")}
    assert modes.pop("manifest.json") == modes.pop("SHA256SUMS") == 0o644
    assert set(modes.values()) == {0o700, 0o600}
    assert folders.damage(kept.folder) == ""


def test_what_was_not_finished_goes_and_nothing_else(tmp_path: Path) -> None:
    kept = committed(tmp_path, "w", NOW)
    for name in (".w_20261128_020000.unfinished", ".other_20261128_020000.unfinished", ".w_x.unfinished", "w_notes"):
        (tmp_path / name / "below").mkdir(parents=True)

    assert Directory(tmp_path, "w").remove_unfinished() == ("w_20261128_020000",)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        ".other_20261128_020000.unfinished",
        ".w_x.unfinished",
        kept.folder.name,
        "w_notes",
    ]


def test_a_folder_that_lost_a_file_or_its_manifest_is_no_good_backup(tmp_path: Path) -> None:
    good, cut, remnant = (committed(tmp_path, "w", NOW + timedelta(hours=hours)) for hours in range(3))
    next(cut.folder.rglob("*.gz")).unlink()
    (remnant.folder / "manifest.json").unlink()

    found = Directory(tmp_path, "w").backups()

    assert [one.manifest is not None for one in found] == [True, False, False]
    assert [one.is_remnant for one in found] == [False, False, True]
    assert "2605.dat.gz" in found[1].why
    assert Directory(tmp_path, "w").of(good.timestamp).manifest == good.manifest
    with pytest.raises(UsageError, match=r"It has: 20261129_020000"):
        Directory(tmp_path, "w").of("20261130_020000")


def test_a_deletion_that_is_ended_leaves_no_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = committed(tmp_path, "w", NOW)

    def ended(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", ended)
    with pytest.raises(KeyboardInterrupt):
        folders.remove(kept.folder)

    assert Directory(tmp_path, "w").backups()[0].is_remnant


def test_a_second_run_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    directory = Directory(tmp_path, "w")
    with directory.locked():
        with (
            pytest.raises(
                OperationError, match=rf"Another backup or restore of w is running: process {os.getpid()} since"
            ),
            directory.locked(),
        ):
            pass
        with Directory(tmp_path, "other").locked():
            pass
    with directory.locked():
        pass


def test_the_lock_lasts_until_the_last_program_that_has_it_ends(tmp_path: Path) -> None:
    """pg_dump goes on for a while when cdcproof is killed."""
    directory = Directory(tmp_path, "w")
    with directory.locked() as lock:
        program = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=(lock,)
        )
    with pytest.raises(OperationError), directory.locked():
        pass
    program.communicate()
    with directory.locked():
        pass


def test_a_directory_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationError, match="cannot be written"), Directory(tmp_path / "file" / "b", "w").locked():
        pass
