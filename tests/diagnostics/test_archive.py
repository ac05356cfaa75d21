"""The archive: bounded, scrubbed, whole or not at all, and nobody else's to read."""

from __future__ import annotations

import stat
import tarfile
from pathlib import Path

import pytest

from cdcproof.core.errors import OperationError
from cdcproof.core.secrets import REDACTED, known
from cdcproof.diagnostics import archive
from cdcproof.diagnostics.parts import File, file_name
from tests.diagnostics.worlds import read


def test_an_archive_is_one_folder_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = archive.write(
        [File("index.html", "first"), File("logs/a.txt", "Grüße")], "diag", tmp_path / "new" / "folder"
    )

    assert read(path) == {"index.html": b"first", "logs/a.txt": "Grüße".encode()}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with tarfile.open(path) as made:
        assert {member.name.split("/")[0] for member in made} == {"diag"}
        assert {(member.uid, member.gid, member.uname) for member in made} == {(0, 0, "")}


def test_the_name_cannot_be_known_before(tmp_path: Path) -> None:
    names = {archive.write([File("a", "")], "diag", tmp_path).name for _ in range(3)}

    assert len(names) == 3
    assert all(name.startswith("diag-") and name.endswith(".tar.gz") for name in names)
    assert {path.name for path in tmp_path.iterdir()} == names  # and nothing unfinished beside them


def test_an_archive_that_cannot_be_written_leaves_nothing_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationError, match=r"(?s)cannot be written to .*file.*--output-dir DIR"):
        archive.write([File("a", "")], "diag", tmp_path / "file")


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    def files():
        yield File("a", "x" * 10_000)
        raise OSError(28, "No space left on device")

    with pytest.raises(OperationError, match="No space left on device"):
        archive.write(files(), "diag", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_of_a_long_log_its_end_is_kept_and_of_another_text_its_beginning() -> None:
    lines = "".join(f"line {number}\n" for number in range(1000))

    end = archive.bounded(File("a", lines, keep="end"), 100).text.splitlines()
    start = archive.bounded(File("a", lines), 100).text.splitlines()

    assert end[0].startswith("[left out here: ")
    assert end[-1] == "line 999"
    assert start[-1].startswith("[left out here: ")
    assert start[0] == "line 0"
    assert len("\n".join(end)) < 180


def test_a_cut_never_leaves_half_a_line() -> None:
    text = "password=abcdefgh\n" * 20
    for most in range(30, 60):
        for keep in ("start", "end"):
            kept = archive.bounded(File("a", text, keep=keep), most).text.splitlines()  # type: ignore[arg-type]
            assert {line for line in kept if not line.startswith("[left out")} <= {"password=abcdefgh"}


def test_one_line_that_is_too_long_is_left_out_whole() -> None:
    assert "x" not in archive.bounded(File("a", "x" * 1000), 100).text
    assert "x" not in archive.bounded(File("a", "x" * 1000, keep="end"), 100).text


def test_secrets_leave_names_too_and_names_stay_apart() -> None:
    known(["canary-one", "canary-two"])

    found = archive.scrubbed([File("logs/canary-one.txt", "canary-two"), File("logs/canary-two.txt", "b")])

    assert [file.path for file in found] == [f"logs/{REDACTED}.txt", f"logs/{REDACTED}.txt-2"]
    assert [file.text for file in found] == [REDACTED, "b"]


def test_what_is_too_much_for_the_archive_is_named() -> None:
    files = [File("first", "x" * 60), File("big", "x" * 60), File("last", "x" * 30)]

    kept, left_out = archive.within_limit(files, 100)

    assert [file.path for file in kept] == ["first", "last"]
    assert [missing.what for missing in left_out] == ["big"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", ".", "", "a\x00b", "x" * 300, "Ω t\nopic"])
def test_no_name_leaves_its_folder(name: str) -> None:
    safe = file_name(name)

    assert "/" not in safe
    assert safe not in ("", ".", "..")
    assert len(safe) <= 101
    assert safe.isprintable()
