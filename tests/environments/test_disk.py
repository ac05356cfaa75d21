"""Disk space."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cdcproof.core import waiting
from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments import disk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "deep").mkdir()
    (tmp_path / "big" / "deep" / "data").write_bytes(b"x" * 300_000)
    (tmp_path / "small").write_bytes(b"x" * 10_000)
    return tmp_path


def test_percent_is_what_df_says(folder: Path) -> None:
    reported = (
        subprocess.run(["df", "--output=pcent,ipcent", str(folder)], capture_output=True, text=True, check=True)
        .stdout.splitlines()[1]
        .split()
    )
    found = disk.measure(folder)
    assert abs(found.used_percent - int(reported[0].rstrip("%"))) <= 1  # df rounds up
    assert found.inodes_used_percent is not None
    assert abs(found.inodes_used_percent - int(reported[1].rstrip("%"))) <= 1
    assert found.total_bytes == shutil.disk_usage(folder).total


def test_what_takes_the_space_is_named_largest_first(folder: Path) -> None:
    big, small = disk.measure(folder).biggest
    assert (big.entry, small.entry) == ("big", "small")
    assert big.size_bytes >= 300_000 > small.size_bytes >= 10_000
    assert not big.at_least
    assert not small.at_least


def test_what_there_was_no_time_to_count_is_told_as_at_least(folder: Path) -> None:
    small, big = disk.measure(folder, walk_seconds=0).biggest
    assert (small.entry, small.at_least) == ("small", False)
    assert (big.entry, big.at_least) == ("big", True)
    assert big.size_bytes < 300_000
    assert disk.files_below(folder, walk_seconds=0) == ((), False)


def test_one_endless_folder_leaves_time_for_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock ticks with each look at it, and is up long before the deep folder is."""
    deepest = tmp_path / "deep"
    for level in range(60):
        deepest = deepest / str(level)
    deepest.mkdir(parents=True)
    (deepest / "data").write_bytes(b"x" * 100_000)
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "data").write_bytes(b"x" * 200_000)
    ticks = itertools.count()
    monkeypatch.setattr(waiting.time, "monotonic", lambda: next(ticks))

    found = {one.entry: one for one in disk.measure(tmp_path, walk_seconds=30).biggest}

    assert found["deep"].at_least
    assert not found["flat"].at_least
    assert found["flat"].size_bytes >= 200_000


def test_what_is_mounted_below_takes_no_space_here(tmp_path: Path) -> None:
    if os.getuid() != 0 or sys.platform != "linux":
        pytest.skip("a small file system can only be mounted by root on Linux")
    mount = tmp_path / "folder" / "mount"
    mount.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", mount], check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        (mount / "data").write_bytes(b"x" * 1_000_000)
        assert disk.measure(tmp_path).biggest[0].size_bytes < 1_000_000
        assert disk.measure(mount).biggest[0].size_bytes >= 1_000_000
    finally:
        subprocess.run(["umount", mount], check=True)


def test_a_sparse_file_counts_what_it_takes(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert disk.measure(tmp_path).biggest[0].size_bytes < 1 << 20


def test_a_path_that_is_not_there_could_not_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(CouldNotLookError, match="absent"):
        disk.measure(tmp_path / "absent")
    with pytest.raises(CouldNotLookError, match="absent"):
        disk.files_below(tmp_path / "absent")


def test_every_file_is_listed_with_its_age_and_what_it_takes(folder: Path) -> None:
    old = time.time() - 8 * 86_400
    os.utime(folder / "big" / "deep" / "data", (old, old))
    (folder / "link").symlink_to(folder / "big")
    files, complete = disk.files_below(folder)
    [data] = [file for file in files if file.path == "big/deep/data"]
    assert complete
    assert abs(data.changed_at - old) < 1
    assert data.disk_bytes >= 300_000
    assert not [file for file in files if file.path.startswith("link")]
