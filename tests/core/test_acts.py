from __future__ import annotations

import stat
from functools import partial
from pathlib import Path

import pytest

from cdcproof.core.acts import write_down, written_down
from cdcproof.core.errors import OperationError


def test_the_log_is_for_its_owner_only_also_one_that_was_open_to_all(tmp_path: Path) -> None:
    log = tmp_path / "acts.log"
    for before in (None, 0o644):
        if before:
            log.chmod(before)
        write_down(tmp_path, "test", "an act")
        assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_how_an_act_ended_follows_it(tmp_path: Path) -> None:
    write = partial(write_down, tmp_path, "test")
    with written_down(write, "one"):
        assert (tmp_path / "acts.log").read_text().endswith("test: one\n")
    with pytest.raises(OperationError), written_down(write, "two"):
        raise OperationError("refused", "ask")
    with pytest.raises(KeyboardInterrupt), written_down(write, "three"):
        raise KeyboardInterrupt

    told = [line.split("test: ")[1] for line in (tmp_path / "acts.log").read_text().splitlines()]
    assert told == ["one", "one: done", "two", "two: failed: refused ask", "three", "three: failed: KeyboardInterrupt"]


def test_a_log_that_is_full_afterwards_undoes_nothing() -> None:
    written: list[str] = []

    def once(what: str) -> None:
        if written:
            raise OperationError("full")
        written.append(what)

    with written_down(once, "an act"):
        pass
    assert written == ["an act"]
