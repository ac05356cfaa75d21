"""Class archives: each for the very files it was made of, and none that is not whole."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cdcproof.environments.embedded.processes import running
from cdcproof.environments.embedded.services import class_archives, java

MADE_FOR = "parts-and-java"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def jar(folder: Path, name: str) -> Path:
    file = folder / name
    file.write_bytes(b"classes")
    return file


def archive(service: str, folder: Path, content: str = "") -> Path:
    """The path of a service's archive, and the archive if it has a content."""
    path = class_archives.path(service, MADE_FOR, [jar(folder, f"{service}.jar")])
    path.parent.mkdir(parents=True, exist_ok=True)
    if content:
        path.write_text(content)
    return path


def written(path: Path, content: str = "new") -> None:
    class_archives.unfinished(path, "mine").write_text(content)


def test_other_files_or_another_order_have_another_archive(tmp_path: Path) -> None:
    one, two = jar(tmp_path, "one.jar"), jar(tmp_path, "two.jar")
    first = class_archives.path("kafka", MADE_FOR, [one, two])
    assert class_archives.path("kafka", MADE_FOR, [one, two]) == first

    os.utime(one, (1, 1))  # as when it was fetched again
    again = class_archives.path("kafka", MADE_FOR, [one, two])

    assert len({first, again, class_archives.path("kafka", MADE_FOR, [two, one])}) == 3


def test_a_new_archive_takes_the_place_of_the_services_older_ones_only(tmp_path: Path) -> None:
    new = archive("kafka", tmp_path)
    old = [new.with_name("kafka.jsa"), new.with_name(f"kafka-{'0' * 16}.jsa")]
    for path in old:
        path.write_text("old")
    other = archive("kafka-connect", tmp_path, "other")
    written(new)

    class_archives.keep("kafka", "mine", whole=True)

    assert new.read_text() == "new"
    assert sorted(new.parent.iterdir()) == sorted([new, other])


@pytest.mark.parametrize(("whole", "content"), [(False, "half"), (True, "")])
def test_half_an_archive_is_dropped_and_the_older_one_stays(tmp_path: Path, whole: bool, content: str) -> None:
    kept = archive("kafka", tmp_path, "old")
    written(kept, content)

    class_archives.keep("kafka", "mine", whole=whole)

    assert kept.read_text() == "old"
    assert list(kept.parent.iterdir()) == [kept]


def test_what_another_instance_writes_is_left_alone(tmp_path: Path) -> None:
    path = archive("kafka", tmp_path)
    class_archives.unfinished(path, "other").write_text("not yet whole")
    class_archives.keep("kafka", "mine", whole=True)
    assert list(path.parent.iterdir()) == [class_archives.unfinished(path, "other")]


def test_a_process_will_write_the_archive_it_was_told_to_until_there_is_one(tmp_path: Path) -> None:
    path = archive("kafka", tmp_path)
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    argument = f"{java.WRITE_ARCHIVE}{class_archives.unfinished(path, 'mine')}"
    log, mark = tmp_path / "log", "test:archive"
    writer, other = (
        running.start(words, mark=mark, log=log, environment={}, account=None, cwd=tmp_path)
        for words in ([*argv, argument], argv)
    )
    try:
        assert class_archives.will_be_written(writer)
        assert not class_archives.will_be_written(other)
        path.write_text("by another instance")
        assert not class_archives.will_be_written(writer)
    finally:
        for process in (writer, other):
            running.kill(process)
    assert not class_archives.will_be_written(writer)
