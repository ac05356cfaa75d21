from __future__ import annotations

import json
import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from cdcproof.core.errors import OperationError, UsageError
from cdcproof.core.secrets import known
from cdcproof.maintenance.journal import Actor, Journal, held_by, holding

ANN, BEN = Actor("ann", "here", 1), Actor("ben", "here", 2)


def test_entries_come_back_in_their_order_with_who_and_where(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w", ANN)
    journal.append("start", "drain", "begun")
    journal.append("start", "drain", "done", "all of it", {"records": 3})
    first, second = journal.entries()
    assert (first.command, first.step, first.event, first.who, first.host, first.pid) == (
        *("start", "drain", "begun"),
        *("ann", "here", 1),
    )
    assert (second.text, second.facts) == ("all of it", {"records": 3})
    assert first.time <= second.time
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_a_torn_line_is_passed_over_and_spoils_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ANN)
    journal.append("start", "go", "begun")
    with journal.path.open("ab") as file:
        file.write(b'{"at": "2026')
    journal.append("start", "go", "done")
    assert [entry.event for entry in journal.entries()] == ["begun", "done"]


def test_no_secret_gets_into_it(tmp_path: Path) -> None:
    known(["s3cr3t-Ω"])
    Journal(tmp_path, ANN).append("start", "save", "failed", "password s3cr3t-Ω refused")
    assert "s3cr3t" not in (tmp_path / "journal.jsonl").read_text()


def test_what_cannot_be_journalled_is_not_done(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(OperationError, match="so this was not done: start drain"):
        Journal(tmp_path, ANN).append("start", "drain", "begun")


def _hold(folder: Path, ready: Event, release: Event) -> None:
    with holding(folder, Actor("ann", os.uname().nodename, os.getpid()), "maintenance start"):
        ready.set()
        release.wait(30)


def test_the_second_operator_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    first = context.Process(target=_hold, args=(tmp_path, ready, release))
    first.start()
    try:
        assert ready.wait(30)
        named = pytest.raises(UsageError, match=r"ann on .* is running `maintenance start` here since")
        with named, holding(tmp_path, BEN, "maintenance finish"):
            pass
        assert "ann on" in held_by(tmp_path)
    finally:
        release.set()
        first.join(30)
    assert held_by(tmp_path) == ""


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, release = context.Event(), context.Event()
    first = context.Process(target=_hold, args=(tmp_path, ready, release))
    first.start()
    assert ready.wait(30)
    os.kill(first.pid or 0, signal.SIGKILL)
    first.join(30)
    with holding(tmp_path, BEN, "maintenance finish"):
        assert json.loads((tmp_path / "holder.json").read_text())["who"] == "ben"
