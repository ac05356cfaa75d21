"""A file that is too large, or no file, is refused by its size and at once, whatever it is."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from cdcproof.core import bounded


def sparse(path: Path, size_bytes: int) -> Path:
    """A file of so many zeros, which takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(size_bytes)
    return path


@pytest.mark.parametrize("read", [bounded.read_bytes, bounded.read_text])
def test_a_file_of_more_than_the_bound_is_not_read(tmp_path: Path, read: object) -> None:
    path = sparse(tmp_path / "large", 2**40)
    with pytest.raises(
        OSError, match="it has 1,099,511,627,776 bytes, and no such file has more than 64 MiB"
    ) as caught:
        read(path)  # type: ignore[operator]
    assert caught.value.filename == str(path)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_file_of_just_the_bound_is_read(tmp_path: Path) -> None:
    assert bounded.read_bytes(sparse(tmp_path / "file", 1000), 1000) == bytes(1000)
    with pytest.raises(bounded.NotReadError):
        bounded.read_bytes(tmp_path / "file", 999)


def test_a_file_that_says_that_it_is_empty_is_read_up_to_the_bound() -> None:
    assert "MemTotal" in bounded.read_text(Path("/proc/meminfo"))
    with pytest.raises(bounded.NotReadError, match="it has 11 bytes"):
        bounded.read_bytes(Path("/proc/meminfo"), 10)


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening one waits for a writer
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        for read in (bounded.read_bytes, bounded.read_text, lambda one: bounded.last_bytes(one, 10)):
            with pytest.raises(OSError, match="it is no file"):
                read(path)


def test_lines_end_alike_and_a_mark_of_their_order_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("\ufeffä\r\nb\rc\n".encode())
    assert bounded.read_text(tmp_path / "file", encoding="utf-8-sig") == "ä\nb\nc\n"


def test_of_a_file_that_grows_the_end_is_read(tmp_path: Path) -> None:
    path = sparse(tmp_path / "log", 2**40)
    with path.open("ab") as file:
        file.write(b"the end")
    assert bounded.last_bytes(path, 10) == b"\0\0\0the end"
    assert bounded.last_bytes(path, 3) == b"end"
