"""Deleting old files: nothing behind a link, nothing that has changed, nothing outside of the directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cdcproof.core.errors import CouldNotLookError
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
    assert set(done.left) == {"pg/a.gz", "pg/precious.gz"}
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
