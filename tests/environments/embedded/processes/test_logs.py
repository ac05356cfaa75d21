"""The end of a log, and what is written to it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments.embedded.processes import logs


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def followed(path: Path, lines: int, *happens: Callable[[], object]) -> list[str]:
    """What is seen while these things happen, one after the other, until somebody ends it."""
    left = list(happens)
    seen: list[str] = []

    def wait(_: float) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop(0)()

    with suppress(KeyboardInterrupt):
        for text in logs.follow(path, lines, wait):
            seen.append(text)  # noqa: PERF402  it never ends by itself
    return seen


def test_the_end_of_a_log_has_as_many_lines_as_asked_for(tmp_path: Path) -> None:
    append(tmp_path / "log", "one\ntwo\nthree\n")
    assert logs.last_lines(tmp_path / "log", 2) == "two\nthree"
    assert logs.last_lines(tmp_path / "none", 2) == ""


def test_what_is_written_follows_in_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    append(log, "one\ntwo\nthree\nfo")
    seen = followed(log, 2, lambda: append(log, "ur\nfi"), lambda: None, lambda: append(log, "ve\nsix\n"))
    assert seen == ["two\nthree", "four", "five\nsix"]


def test_a_log_that_is_turned_over_is_followed_into_the_next_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    append(log, "one\n")

    def turn_over() -> None:
        append(log, "the last of the old one\n")
        log.replace(tmp_path / "log.1")
        append(log, "the first of the new one\n")

    assert followed(log, 5, turn_over) == ["one", "the last of the old one", "the first of the new one"]


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert followed(log, 5, lambda: None, lambda: append(log, "begins\n")) == ["begins"]


def test_a_log_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(CouldNotLookError, match="cannot be read: Is a directory"):
        next(logs.follow(tmp_path, 5))
