"""A command that is killed at any step of a window: given again it goes on, and a rollback undoes it; nothing is lost by either."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from cdcproof.maintenance.journal import Journal
from cdcproof.maintenance.rollback import run as rollback
from cdcproof.maintenance.steps import finish, start
from cdcproof.maintenance.steps.steps import StepResult
from cdcproof.maintenance.window import Phase
from tests.maintenance.conftest import Room

STEPS = [
    *((start.COMMAND, step) for step in start.STEPS),
    *((finish.COMMAND, step) for step in finish.STEPS),
    *((rollback.COMMAND, step) for step in rollback.STEPS if step != "databases"),
]
MOMENTS = ("begun", "taken")


def killed(command: Callable[[], object], name: str, step: str, moment: str) -> None:
    """Run it in a process of its own, which SIGKILL ends at that moment of that step."""
    child = os.fork()
    if not child:
        append = Journal.append

        def hooked(self, command, at, event, *rest):
            if (command, at) == (name, step):
                if (event, moment) == ("done", "taken"):
                    os.kill(os.getpid(), signal.SIGKILL)
                if (event, moment) == ("done", "half written"):
                    with self.path.open("ab") as file:
                        file.write(b'{"at": "2026-12-')
                    os.kill(os.getpid(), signal.SIGKILL)
            entry = append(self, command, at, event, *rest)
            if (command, at, event, moment) == (name, step, "begun", "begun"):
                os.kill(os.getpid(), signal.SIGKILL)
            return entry

        Journal.append = hooked
        try:
            command()
        finally:
            os._exit(3)  # it was to be killed
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("way", ["goes on", "goes back"])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("command", "step"), STEPS, ids=lambda word: word)
def test_a_window_that_is_killed_goes_on_or_back(room: Room, command: str, step: str, moment: str, way: str) -> None:
    check(room, command, step, moment, way)


@pytest.mark.parametrize(
    ("command", "step"), [("start", "prove"), ("finish", "caught-up"), ("rollback", "configurations")]
)
def test_an_entry_that_was_half_written_is_passed_over(room: Room, command: str, step: str) -> None:
    check(room, command, step, "half written", "goes back")
    lines = next(room.windows.folder.glob("*/journal.jsonl")).read_text().splitlines()
    assert [line for line in lines if not line.endswith("}")] == ['{"at": "2026-12-']


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", ["halt", "services-up", "configurations", "databases", "caught-up"])
def test_a_rollback_from_a_backup_that_is_killed_goes_on(room: Room, step: str, moment: str) -> None:
    done: list[str] = []

    def restore() -> StepResult:
        told = room.pipe.read()
        assert set(told["states"].values()) == {"STOPPED"}
        assert told["configs"]["sink"].get("drops.deletes") is None, "it would start with what broke it"
        room.pipe.restore()
        done.append("restored")
        return StepResult("restored")

    room.start()
    room.change(batch__size="500", drops__deletes="true")
    room.pipe.write("delete", "a")
    assert not room.finish()
    killed(lambda: room.rollback(restore), "rollback", step, moment)
    assert room.rollback(restore)
    assert room.pipe.is_as_before()
    assert room.pipe.is_equal()
    assert len(done) == (0 if step == "caught-up" else 1)  # those of the child are its own


def check(room: Room, command: str, step: str, moment: str, way: str) -> None:
    pipe = room.pipe
    pipe.write("put", "b", 2)
    if command == "start":
        killed(room.start, command, step, moment)
        if way == "goes on":
            room.start()
    else:
        room.start()
    pipe.write("delete", "a")  # at the source, while replication stands
    breaks = command == "rollback" or way == "goes back"
    if room.window.phase() is Phase.OPEN:
        room.change(batch__size="500", **({"drops__deletes": "true"} if breaks else {}))
    if command == "finish":
        killed(room.finish, command, step, moment)
    elif command == "rollback":
        assert not room.finish()
        killed(room.rollback, command, step, moment)

    if way == "goes on" and command != "rollback":
        assert room.finish()
        assert pipe.read()["configs"]["sink"]["batch.size"] == "500"
    elif room.window.phase() is Phase.PLANNED:  # killed before anything was begun: there is nothing to take back
        assert pipe.is_as_before()
        return
    else:
        assert room.rollback()
        assert pipe.is_as_before()
        assert room.compose.read_text() == "image: 1\n"
    assert pipe.is_equal()
    assert room.windows.current() is None
