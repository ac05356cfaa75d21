"""Deleting old files: nothing behind a link, nothing that has changed, nothing outside of the directory."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.observations.backups import cleanup
from cdcproof.observations.backups.cleanup import delete, files_of


def make(path: Path, text: str = "rows") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(directory: Path) -> list[str]:
    return [file.path for file in files_of(directory)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    make(tmp_path / "backups" / "pg" / "a.gz")
    make(tmp_path / "backups" / "b.gz")
    make(tmp_path / "elsewhere" / "precious.gz")
    return tmp_path / "backups"


def test_links_are_not_followed_and_not_listed(directory: Path) -> None:
    (directory / "link.gz").symlink_to(directory.parent / "elsewhere" / "precious.gz")
    (directory / "folder").symlink_to(directory.parent / "elsewhere")
    (directory / "nowhere").symlink_to("/nowhere")
    os.mkfifo(directory / "pipe")

    assert names(directory) == ["b.gz", "pg/a.gz"]


def test_the_directory_itself_may_be_a_link(directory: Path) -> None:
    (directory.parent / "named").symlink_to(directory)

    assert names(directory.parent / "named") == ["b.gz", "pg/a.gz"]


def test_what_is_deleted_was_announced_and_folders_that_are_empty_then_go_too(directory: Path) -> None:
    announced: list[str] = []
    make(directory / "x" / "y" / "c.gz")
    make(directory / "x" / "other.gz")
    files = [file for file in files_of(directory) if file.path != "x/other.gz"]

    done = delete(directory, files, announced.append)

    assert announced == [f"delete {directory / file.path}" for file in files]
    assert (done.files, done.left) == (tuple(files), {})
    assert done.freed_bytes == sum(file.disk_bytes for file in files) > 0
    assert sorted(path.name for path in directory.rglob("*")) == ["other.gz", "x"]
    assert directory.is_dir()


def test_the_directory_stays_when_all_in_it_is_deleted(directory: Path) -> None:
    delete(directory, files_of(directory), lambda _: None)

    assert list(directory.iterdir()) == []


def test_a_file_that_was_written_anew_since_it_was_judged_stays(directory: Path) -> None:
    files = files_of(directory)
    make(directory / "b.gz", "new")
    os.utime(directory / "b.gz", ns=(1, 1))
    replaced = make(directory / "pg" / "new")
    os.utime(replaced, ns=(files[1].changed_ns, files[1].changed_ns))
    replaced.replace(directory / "pg" / "a.gz")  # as old, and another file

    done = delete(directory, files, lambda _: None)

    assert done.left == {"b.gz": "it was changed meanwhile", "pg/a.gz": "it was changed meanwhile"}
    assert names(directory) == ["b.gz", "pg/a.gz"]


def test_a_file_that_another_clean_up_deleted_is_no_error(directory: Path) -> None:
    files = files_of(directory)
    (directory / "b.gz").unlink()

    assert delete(directory, files, lambda _: None).left == {"b.gz": "it was deleted meanwhile"}


def test_a_folder_that_became_a_link_leads_nowhere(directory: Path) -> None:
    make(directory / "pg" / "precious.gz")
    files = files_of(directory)
    (directory / "pg").rename(directory.parent / "moved")
    (directory / "pg").symlink_to(directory.parent / "moved")

    done = delete(directory, files, lambda _: None)

    assert [file.path for file in done.files] == ["b.gz"]
    assert done.left == dict.fromkeys(("pg/a.gz", "pg/precious.gz"), os.strerror(errno.ENOTDIR))
    assert (directory.parent / "moved" / "precious.gz").exists()


def test_an_act_that_cannot_be_announced_is_not_done(directory: Path) -> None:
    def refuse(_: str) -> None:
        raise RuntimeError("no log")

    with pytest.raises(RuntimeError):
        delete(directory, files_of(directory), refuse)
    assert names(directory) == ["b.gz", "pg/a.gz"]


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # root may list everything
        scandir = os.scandir

        def closed(path: object) -> object:
            if isinstance(path, int) and Path(f"/proc/self/fd/{path}").readlink().name == "pg":
                raise PermissionError(13, "Permission denied", "pg")
            return scandir(path)  # type: ignore[call-overload]

        monkeypatch.setattr(os, "scandir", closed)
    else:
        (directory / "pg").chmod(0)
    with pytest.raises(CouldNotLookError, match="cannot be listed: Permission denied"):
        files_of(directory)


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CouldNotLookError):
        files_of(tmp_path / "nowhere")


def test_a_file_is_known_by_its_inode_and_its_sizes(directory: Path) -> None:
    (directory / "b.gz").write_bytes(b"x" * 10_000)
    seen = (directory / "b.gz").stat()

    file = files_of(directory)[0]

    assert (file.inode, file.changed_ns, file.size_bytes) == (seen.st_ino, seen.st_mtime_ns, 10_000)
    assert (file.disk_bytes, type(file.disk_bytes)) == (seen.st_blocks * 512, int)


def test_a_file_that_became_a_link_to_itself_elsewhere_stays(directory: Path) -> None:
    files = files_of(directory)
    moved = (directory / "b.gz").rename(directory.parent / "moved.gz")
    (directory / "b.gz").symlink_to(moved)

    assert delete(directory, files[:1], lambda _: None).left == {"b.gz": "it was changed meanwhile"}
    assert (directory / "b.gz").is_symlink()


def test_folders_go_from_the_innermost_to_the_outermost_and_those_that_hold_something_stay(directory: Path) -> None:
    make(directory / "a/b/c/d/e/f/old.gz")
    make(directory / "z/y/x/w/v/u/old.gz")
    make(directory / "z/y/x/w/v/u/new.gz")
    old = [file for file in files_of(directory) if file.path.endswith("old.gz")]

    delete(directory, old, lambda _: None)

    assert names(directory) == ["b.gz", "pg/a.gz", "z/y/x/w/v/u/new.gz"]
    assert not (directory / "a").exists()


def test_another_file_system_is_left_alone(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = cleanup._seen

    def mounted(name: str, folder: int) -> os.stat_result | None:
        found = seen(name, folder)
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:10])) if found and name == "pg" else found

    monkeypatch.setattr(cleanup, "_seen", mounted)

    assert names(directory) == ["b.gz"]


@pytest.mark.parametrize("kind", [FileNotFoundError, PermissionError])
def test_a_folder_that_is_gone_holds_nothing_and_one_that_cannot_be_opened_is_an_error(
    directory: Path, monkeypatch: pytest.MonkeyPatch, kind: type[OSError]
) -> None:
    opened = os.open

    def refuse(path: str, *how: int, **more: int) -> int:
        if path == "pg":
            raise kind(errno.EACCES, "Permission denied", "pg")
        return opened(path, *how, **more)

    monkeypatch.setattr(os, "open", refuse)
    if kind is FileNotFoundError:
        assert names(directory) == ["b.gz"]
        return
    with pytest.raises(CouldNotLookError, match=f"^The files below {directory} cannot be listed: Permission") as caught:
        files_of(directory)
    assert caught.value.remedy == "Let this account read it, or correct [paths] in the pipeline file."
