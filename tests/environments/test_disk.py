"""Disk space."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from cdcproof.environments import disk
from cdcproof.errors import CouldNotLookError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "deep").mkdir()
    (tmp_path / "big" / "deep" / "data").write_bytes(b"x" * 300_000)
    (tmp_path / "small").write_bytes(b"x" * 10_000)
    return tmp_path


def test_percent_is_what_df_says(folder: Path) -> None:
    told = (
        subprocess.run(["df", "--output=pcent,ipcent", str(folder)], capture_output=True, text=True, check=True)
        .stdout.splitlines()[1]
        .split()
    )
    found = disk.measure(folder)
    assert abs(found.used_percent - int(told[0].rstrip("%"))) <= 1  # df rounds up
    assert found.inodes_used_percent is not None
    assert abs(found.inodes_used_percent - int(told[1].rstrip("%"))) <= 1
    assert found.total_bytes == shutil.disk_usage(folder).total


def test_what_takes_the_space_is_named_largest_first(folder: Path) -> None:
    names = [name for name, _ in disk.measure(folder).biggest]
    sizes = [size for _, size in disk.measure(folder).biggest]
    assert names == ["big", "small"]
    assert sizes[0] >= 300_000 > sizes[1] >= 10_000


def test_a_sparse_file_counts_what_it_takes(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert disk.measure(tmp_path).biggest[0][1] < 1 << 20


def test_a_path_that_is_not_there_could_not_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(CouldNotLookError, match="absent"):
        disk.measure(tmp_path / "absent")
    with pytest.raises(CouldNotLookError, match="absent"):
        disk.old_files(tmp_path / "absent", 7)


def test_old_files_are_counted_and_weighed(folder: Path) -> None:
    old = time.time() - 8 * 86_400
    os.utime(folder / "big" / "deep" / "data", (old, old))
    count, size = disk.old_files(folder, 7)
    assert (count, size >= 300_000) == (1, True)
    assert disk.old_files(folder, 9) == (0, 0)
