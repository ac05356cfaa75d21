"""Planning a window, its go, its confirmations, and what `status` and the report say of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.connectors import commands
from cdcproof.connectors.retention import Retention
from cdcproof.core.errors import ConfigError, CouldNotLookError, OperationError, UsageError
from cdcproof.findings import Verdict
from cdcproof.maintenance import confirmations, go, standing
from cdcproof.maintenance.go import Go
from cdcproof.maintenance.rollback import saved
from cdcproof.maintenance.steps.steps import StepResult
from cdcproof.maintenance.window import Phase
from cdcproof.reporting.record import Run, StepRecord
from cdcproof.validation.baseline import recording as baseline
from cdcproof.validation.baseline.comparison import Facts
from tests.maintenance.conftest import Room
from tests.maintenance.model import BEFORE, at
from tests.reporting.runs import record_of, run_of

GREEN = record_of("premaintenance.1-backup")


def checked(room: Room, *steps: StepRecord) -> Run:
    """A run about this plan."""
    return dataclasses.replace(run_of(*steps), header=("Nothing special.", go.plan_line(room.window)))


def given(room: Room, **more: object) -> Go:
    made = Go(True, room.window.digest, datetime.now(UTC).isoformat(), "ann")
    made = dataclasses.replace(made, **more)  # type: ignore[arg-type]
    go.write(made, room.window)
    return made


def refusals(room: Room, minutes_on: float = 0) -> str:
    now = datetime.now(UTC) + timedelta(minutes=minutes_on)
    return "; ".join(go.refusals(room.window, go.read(room.window), now, 60))


def test_a_whole_green_run_of_the_suite_is_a_go(room: Room) -> None:
    assert go.judged(checked(room, GREEN), room.window).go
    warned = go.judged(checked(room, GREEN, record_of("premaintenance.2-staging", Verdict.WARNED)), room.window)
    assert (warned.go, warned.notes) == (True, ("premaintenance.2-staging: warned",))


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.NOT_CHECKED, Verdict.BLOCKED])
def test_what_is_not_green_is_a_no_go_that_names_it(room: Room, verdict: Verdict) -> None:
    found = go.judged(checked(room, GREEN, record_of("premaintenance.2-staging", verdict)), room.window)
    assert not found.go
    assert found.reasons == (f"premaintenance.2-staging: {verdict}",)


def test_a_part_of_the_suite_or_another_suite_is_no_go(room: Room) -> None:
    assert not go.judged(dataclasses.replace(checked(room, GREEN), parts=("premaintenance",)), room.window).go
    assert not go.judged(checked(room, record_of("morning.1-services")), room.window).go
    assert not go.judged(
        dataclasses.replace(checked(room, GREEN), missing=("premaintenance.7-backup",)), room.window
    ).go


def test_checks_about_another_plan_are_no_go(room: Room) -> None:
    assert go.judged(run_of(GREEN), room.window).reasons == ("the checks were about another plan",)


def test_a_go_of_this_plan_lets_the_window_start(room: Room) -> None:
    given(room)
    room.start(forced="")
    assert room.window.phase() is Phase.OPEN
    assert room.window.journal.entries()[3].text.startswith("GO of")


@pytest.mark.parametrize(
    ("more", "minutes_on", "words"),
    [
        ({"plan": "another"}, 0, "another plan"),
        ({"go": False, "reasons": ("premaintenance.1-backup: failed",)}, 0, "NO-GO: premaintenance.1-backup: failed"),
        ({}, 61, "61 minutes old"),
        ({}, -1, "minutes old"),
        ({}, 250, "which is over"),
        ({}, -3, "which has not come yet"),
    ],
)
def test_every_other_go_refuses_it(room: Room, more: dict[str, object], minutes_on: float, words: str) -> None:
    assert words not in refusals(room)
    given(room, **more)
    assert words in refusals(room, minutes_on)


def test_a_start_that_had_halted_nothing_needs_a_go_of_its_own_and_keeps_how_it_is_now(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that was ended before it paused anything may be given again days later."""
    given(room)

    def refuse(*_: object) -> object:
        raise CouldNotLookError("Connect does not answer.")

    with monkeypatch.context() as broken:
        broken.setattr(commands, "pause", refuse)
        broken.setattr(saved, "write", refuse)
        with pytest.raises(CouldNotLookError):
            room.start(forced="")
    given(room, checked_at=(datetime.now(UTC) - timedelta(days=2)).isoformat())
    with pytest.raises(UsageError, match="minutes old"):
        room.start(forced="")
    given(room)
    room.pipe.write("put", "c", 3)
    room.start(forced="")
    assert room.window.phase() is Phase.OPEN


def test_a_start_that_is_given_again_proves_again_that_nothing_runs(room: Room) -> None:
    room.start(services_down=False)
    before = saved.read(room.window.folder)
    told = room.pipe.read()
    room.pipe.change(states=dict.fromkeys(told["states"], "RUNNING"))
    room.pipe.write("put", "later", 1)
    room.pipe.flow()
    room.start(services_down=False)
    assert set(room.pipe.read()["states"].values()) == {"PAUSED"}
    assert saved.read(room.window.folder) == before  # from there a rollback delivers again


def test_a_change_that_was_edited_within_the_window_stands_in_its_report(room: Room) -> None:
    room.start()
    path = Path(room.window.plan.change)
    path.write_text(path.read_text().replace("2", "3"))
    room.change(batch__size="500")
    assert room.finish()
    assert f"{path} differs from the change that was planned and approved" in report(room)


def baseline_of(room: Room, database: str) -> Path:
    """Save a baseline now, as of this database."""
    at = baseline.place(room.site.pipeline)
    recorded = room.site.record()
    values = {**recorded.facts.values, "versions/source/database": database, "rows/source/orders": "1"}
    baseline.save(dataclasses.replace(recorded, facts=Facts(values)), at)
    return at


def test_a_rollback_from_a_backup_leaves_the_baseline_of_the_start_for_the_restored_databases(room: Room) -> None:
    at = baseline_of(room, "old")
    before = baseline.load(at)
    room.start()
    room.change(batch__size="500")
    told = room.pipe.read()
    room.pipe.change(up=True)
    baseline_of(room, "saved within the window")
    room.pipe.change(up=told["up"])

    def restore() -> StepResult:
        room.pipe.restore()
        return StepResult("restored")

    assert room.rollback(restore)
    after = baseline.load(at)
    assert after.facts.values == {**before.facts.values, "versions/source/database": "restored"}
    assert (after.salt, after.taken_at) == (before.salt, before.taken_at)
    assert "the baseline of the window's start is back" in report(room)
    [kept] = room.windows.folder.glob("*/replaced/baseline.json")
    assert "saved within the window" in kept.read_text()


def test_a_rollback_without_a_restore_changes_no_baseline(room: Room) -> None:
    at = baseline_of(room, "old")
    before = at.read_text()
    room.start()
    room.change(batch__size="500")
    assert room.rollback()
    assert at.read_text() == before


def test_a_baseline_that_cannot_be_written_keeps_no_rollback_open_and_is_said(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline_of(room, "old")
    room.start()

    def refuse(*_: object) -> None:
        raise OperationError("No space left on device.")

    monkeypatch.setattr(baseline, "save", refuse)
    assert room.rollback(lambda: room.pipe.restore() or StepResult("restored"))
    assert "NOT WRITTEN: No space left on device. Once it can be: cdcproof baseline save" in report(room)


def test_a_restore_that_leaves_the_start_to_people_is_not_done_twice_and_starts_nothing(room: Room) -> None:
    """As where a sink only inserts: what is delivered again would double rows."""
    done: list[str] = []

    def restore() -> StepResult:
        room.pipe.restore()
        room.pipe.change(states=dict.fromkeys(room.pipe.read()["states"], "STOPPED"))
        done.append("restored")
        return StepResult("restored", {"waits": "The sink only inserts."})

    room.start()
    for _ in range(2):
        with pytest.raises(OperationError, match="wait for a decision: The sink only inserts"):
            room.rollback(restore)
        assert set(room.pipe.read()["states"].values()) == {"STOPPED"}
    room.pipe.change(states=dict.fromkeys(room.pipe.read()["states"], "RUNNING"))
    assert room.rollback(restore)
    assert done == ["restored"]


def test_a_change_that_was_edited_after_the_plan_is_refused(room: Room) -> None:
    given(room)
    assert refusals(room) == ""
    path = Path(room.window.plan.change)
    path.write_text(path.read_text() + "\n")
    assert "edited" in refusals(room)


def test_without_a_go_nothing_is_done_and_with_force_the_reason_stands_in_the_report(room: Room) -> None:
    with pytest.raises(UsageError, match=r"nothing was done.*nobody has checked"):
        room.start(forced="")
    assert room.window.phase() is Phase.PLANNED
    room.start(forced="the sink is broken")
    room.change(batch__size="500")
    assert room.finish()
    assert "FORCED (the sink is broken)" in report(room)


def report(room: Room) -> str:
    return next(room.windows.folder.glob("*/report.md")).read_text()


def test_the_report_says_what_changed_how_long_it_took_and_what_went_wrong(room: Room) -> None:
    room.start()
    room.change(batch__size="500", linger="5")
    assert room.finish()
    text = report(room)
    assert "| intended | connectors/sink/batch.size | 1 | 500 |" in text
    assert "| not intended | connectors/sink/linger | absent | 5 |" in text
    assert "| not intended | deployment/kafka-connect/image | 1 | 2 |" in text
    assert "by the positions in the journal" in text
    assert "## Lessons learned" in text
    assert "batch.size" in next(room.windows.folder.glob("*/report.html")).read_text()


def test_lessons_that_were_written_stay(room: Room) -> None:
    room.start()
    room.change()  # not what the change intends
    assert not room.finish()
    path = next(room.windows.folder.glob("*/report.md"))
    path.write_text(path.read_text().replace("(to be written by those who were there)", "Read the file twice."))
    assert room.rollback()
    assert "Read the file twice." in report(room)


def test_a_window_whose_validation_is_red_stays_open(room: Room) -> None:
    room.start()
    room.change(drops__deletes="true", batch__size="500")
    room.pipe.write("delete", "a")
    assert not room.finish()
    assert room.window.phase() is Phase.FINISHING
    assert "NOT OVER" in report(room)
    assert room.rollback()
    assert room.pipe.is_equal()
    assert room.pipe.is_as_before()


def test_a_sink_that_is_behind_keeps_the_window_closed(room: Room) -> None:
    room.site.control().connect.pause("sink")
    room.pipe.write("put", "c", 3)
    room.pipe.flow()
    given(room)
    with pytest.raises(CouldNotLookError, match="sink is PAUSED"):
        room.start(forced="")
    assert room.window.phase() is Phase.STARTING
    room.site.control().connect.resume("sink")
    room.start(forced="")
    assert room.window.phase() is Phase.OPEN


def test_a_forced_start_goes_on_undrained_and_says_so(room: Room) -> None:
    room.site.control().connect.pause("sink")
    room.pipe.write("put", "c", 3)
    room.pipe.flow()
    room.start(forced="the sink is broken")
    assert room.window.phase() is Phase.OPEN
    assert "The sinks were not drained: sink is PAUSED." in str(room.window.journal.entries())


def test_a_connector_that_somebody_had_halted_is_left_so(room: Room) -> None:
    room.site.control().connect.stop("source")
    room.start()
    room.change(batch__size="500")
    room.finish()
    assert room.pipe.read()["states"] == {"source": "STOPPED", "sink": "RUNNING"}
    assert "source was STOPPED before the window, and is left so" in report(room)


def test_a_gap_keeps_a_connector_from_being_resumed(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.start()
    monkeypatch.setattr(commands.retention, "look", lambda *_: Retention(("the slot is gone.",)))
    with pytest.raises(OperationError, match="after a gap"):
        room.finish()
    assert standing.look(room.windows, room.site.pipeline).exit_status == 1


def test_rows_are_not_delivered_twice_to_a_sink_that_would_double_them(room: Room) -> None:
    told = room.pipe.read()
    told["configs"]["sink"]["insert.mode"] = "insert"
    room.pipe.change(configs=told["configs"])
    room.start()
    room.change(drops__deletes="true")
    room.pipe.write("put", "d", 4)
    room.finish()
    room.rollback()
    assert "alter sink" not in str(room.window.journal.entries() if room.windows.current() else "")
    assert "would write rows twice" in report(room)


def test_a_rollback_puts_the_compose_file_back_and_keeps_what_replaced_it(room: Room) -> None:
    room.start()
    room.change()
    folder = room.window.folder
    assert room.rollback()
    assert room.compose.read_text() == "image: 1\n"
    assert next((folder / "replaced").iterdir()).read_text() == "image: 2\n"


def test_a_kept_file_that_was_touched_is_not_put_back(room: Room) -> None:
    room.start()
    room.change()
    next((room.window.folder / "rollback").iterdir()).write_text("image: 3\n")
    with pytest.raises(OperationError, match="differs from the file that was kept"):
        room.rollback()
    assert room.compose.read_text() == "image: 2\n"


def test_a_new_connector_is_named_and_left(room: Room) -> None:
    room.start()
    told = room.pipe.read()
    told["configs"]["extra"], told["states"]["extra"] = {"name": "extra"}, "RUNNING"
    room.pipe.change(configs=told["configs"], states=told["states"], positions={**told["positions"], "extra": []})
    room.rollback()
    assert "extra was not there before the window, and is left" in report(room)
    assert {k: v for k, v in room.pipe.read()["configs"]["sink"].items() if k != "name"} == BEFORE["sink"]


def test_one_window_at_a_time(room: Room) -> None:
    plan = room.window.plan
    again = {"begins": datetime.now(UTC), "length": timedelta(hours=1), "compose": ()}
    replaced = room.windows.make(room.site.pipeline, Path(plan.change), **again)  # type: ignore[arg-type]
    assert room.window.plan.id == replaced.plan.id != plan.id
    room.start()
    with pytest.raises(UsageError, match="is open"):
        room.windows.make(room.site.pipeline, Path(plan.change), **again)  # type: ignore[arg-type]


def test_a_plan_for_the_past_or_for_a_change_that_cannot_be_read_is_refused(room: Room, tmp_path: Path) -> None:
    long_ago = {"begins": datetime.now(UTC) - timedelta(days=1), "length": timedelta(hours=1), "compose": ()}
    with pytest.raises(UsageError, match="ended already"):
        room.windows.make(room.site.pipeline, Path(room.window.plan.change), **long_ago)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        room.windows.make(room.site.pipeline, tmp_path / "absent.toml", **long_ago)  # type: ignore[arg-type]


@pytest.mark.parametrize("command", ["finish", "rollback"])
def test_what_was_never_started_is_neither_finished_nor_rolled_back(room: Room, command: str) -> None:
    with pytest.raises(UsageError, match="is planned: there is nothing"):
        getattr(room, command)()


def test_a_window_that_is_being_rolled_back_is_not_finished(room: Room) -> None:
    room.start()
    room.change()
    room.window.journal.append("rollback", "halt", "begun")
    with pytest.raises(UsageError, match="rollback goes on with it"):
        room.finish()


def test_confirmations_say_who_and_when(room: Room) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    confirmations.record(room.window, "announced", "Ben", yesterday)
    found = confirmations.of(room.window)["announced"]
    assert (found.by, found.on, found.recorded_by) == ("Ben", yesterday.isoformat(timespec="seconds"), "ann")
    with pytest.raises(UsageError, match="to come"):
        confirmations.record(room.window, "approved", "Ben", datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(UsageError, match="names nobody"):
        confirmations.record(room.window, "approved", " ", None)
    room.start()
    with pytest.raises(UsageError, match="nothing is left to confirm"):
        confirmations.record(room.window, "approved", "Ben", None)


def test_the_status_says_what_was_broken_off_and_what_comes_next(room: Room) -> None:
    room.window.journal.append("start", "go", "done")
    room.window.journal.append("start", "drain", "begun")
    found = standing.look(room.windows, room.site.pipeline)
    text = "\n".join(found.lines())
    assert found.exit_status == 1
    assert "BROKEN OFF in start drain" in text
    assert "ann on here (process 1)" in text
    assert "cdcproof maintenance start      # goes on where it stopped" in text
    assert "sink not known: Kafka Connect" in text


def test_the_status_of_a_window_that_is_over_is_quiet(room: Room) -> None:
    room.start()
    room.change(batch__size="500")
    room.finish()
    found = standing.look(room.windows, room.site.pipeline)
    assert (found.exit_status, found.phase) == (0, Phase.FINISHED)
    assert "next:" not in found.lines()


@pytest.mark.parametrize("command", ["start", "finish"])
def test_a_network_that_is_lost_ends_a_command_which_then_goes_on(room: Room, command: str) -> None:
    def give() -> object:
        return room.finish() if command == "finish" else room.start(services_down=False)

    if command == "finish":
        room.start(services_down=False)
        room.change(batch__size="500")
    room.pipe.change(up=False)
    with pytest.raises(CouldNotLookError):
        give()
    found = standing.look(room.windows, room.site.pipeline)
    assert (found.exit_status, found.broken_off) == (1, None)
    assert found.last_failure is not None
    room.pipe.change(up=True)
    give()
    assert room.windows.all()[-1].phase() is (Phase.FINISHED if command == "finish" else Phase.OPEN)
    assert command == "start" or room.pipe.is_equal()


def test_the_positions_that_are_kept_are_those_of_the_drained_sink(room: Room) -> None:
    room.pipe.write("put", "c", 3)
    room.pipe.write("put", "d", 4)
    room.site.control().connect.pause("sink")
    room.pipe.flow()  # the topic is ahead of the sink when everything is saved
    room.site.control().connect.resume("sink")
    room.start()
    assert saved.read(room.window.folder).connectors["sink"].offsets == (at(3),)


def test_a_folder_that_may_not_be_listed_is_not_one_without_windows(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert room.windows.current() is not None

    def refuse(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ConfigError, match=r"The maintenance windows cannot be listed: Permission denied\."):
        room.windows.current()


def test_a_window_that_may_not_be_looked_into_is_not_none(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(ConfigError, match=r"The maintenance windows cannot be listed: Permission denied\."):
        room.windows.current()
