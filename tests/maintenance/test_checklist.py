"""The checklist before a window: green when all is there, and red for each thing that is not."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdcproof.diagnostics.archive import Archive
from cdcproof.environments.live import Live
from cdcproof.findings import Finding, Verdict, require
from cdcproof.maintenance import checklist, confirmations, drill_reports, go
from cdcproof.maintenance.checklist import KeptDiagnostics, People, Restorable, RollbackFiles, Staged
from cdcproof.maintenance.drill_reports import DrillReport
from cdcproof.maintenance.remedies import WindowRemedies
from cdcproof.reporting import journal
from cdcproof.reporting.record import Run
from cdcproof.validation.baseline.comparison import Change
from cdcproof.validation.change.risk import Risk
from checks.premaintenance.test_5_last_quarter import test_diagnostics_are_kept_as_the_baseline as diagnostics_check
from tests.backup.made import committed
from tests.check_in_process import judged
from tests.maintenance.conftest import Room
from tests.reporting.runs import record_of, run_of


def is_green(seen: Any) -> bool:
    return bool(seen.found() == seen.expected())


# ---- people ----


def test_nothing_is_confirmed_until_somebody_has(room: Room) -> None:
    with pytest.raises(Finding, match="approved: expected confirmed, found nobody has confirmed it"):
        require(People.look(room.window).approved())
    confirmations.record(room.window, "approved", "Ben", None)
    seen = People.look(room.window)
    require(seen.approved())
    with pytest.raises(Finding, match="announced: expected confirmed"):
        require(seen.announced())


@pytest.mark.parametrize(("days", "is_late"), [(8, False), (6, True)])
def test_what_was_announced_within_the_week_is_late(room: Room, days: int, is_late: bool) -> None:
    confirmations.record(room.window, "announced", "Ben", datetime.now(UTC) - timedelta(days=days))
    assert bool(People.look(room.window).late()) is is_late


# ---- staging ----


def gate(room: Room, *verdicts: Verdict, folder: str = "staging", **more: Any) -> None:
    """A run of the gate, as the plug-in keeps it; about this change unless `more` says otherwise."""
    steps = [record_of(f"staging.{n}-x", verdict) for n, verdict in enumerate(verdicts)]
    values = {"header": (go.change_line("change.toml", room.window.plan.change_sha256),), "pipeline": "staging", **more}
    run: Run = dataclasses.replace(run_of(*steps), **values)
    journal.write(run, room.windows.folder.parents[1] / folder)


def staged(room: Room) -> Staged:
    return Staged.look(room.window, room.windows.folder.parents[1])


@pytest.mark.parametrize("folder", [".", "staging"])
def test_a_green_gate_for_this_change_counts_wherever_its_reports_are(room: Room, folder: str) -> None:
    assert not is_green(staged(room))
    gate(room, Verdict.PASSED, folder=folder)
    assert is_green(staged(room))


@pytest.mark.parametrize(
    ("verdict", "more"),
    [
        (Verdict.FAILED, {}),
        (Verdict.NOT_CHECKED, {}),
        (Verdict.PASSED, {"header": ("change change.toml, SHA-256 0000",)}),
        (Verdict.PASSED, {"parts": ("staging",)}),
        (Verdict.PASSED, {"missing": ("staging.2-connectors-applied",)}),
        (Verdict.PASSED, {"pipeline": "test", "environment": "live"}),
    ],
)
def test_no_other_run_of_the_gate_counts(room: Room, verdict: Verdict, more: dict[str, Any]) -> None:
    gate(room, verdict, **more)
    assert not is_green(staged(room))


def test_the_newest_run_decides(room: Room) -> None:
    gate(room, Verdict.PASSED, started_at=1_795_000_000.0)
    gate(room, Verdict.FAILED, started_at=1_795_000_100.0)
    assert not is_green(staged(room))
    gate(room, Verdict.PASSED, started_at=1_795_000_200.0)
    assert is_green(staged(room))


# ---- files ----


class _Found:
    def __init__(self, *changes: Change, not_compared: tuple[str, ...] = ()) -> None:
        self.classified = type("C", (), {"judged": [type("J", (), {"change": c, "risk": Risk.HIGH}) for c in changes]})
        self.not_compared = not_compared


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> list[_Found]:
    """What the kept compose files would change of what runs."""
    found = [_Found()]
    monkeypatch.setattr(checklist.wanted, "classified", lambda *_: found[0])
    return found


def files(room: Room) -> RollbackFiles:
    return RollbackFiles.look(room.window, Live(), room.site.pipeline)


def test_kept_files_that_say_what_runs_are_right(room: Room, running: list[_Found]) -> None:
    assert is_green(files(room))
    assert len(files(room).rows()) == 3


def test_a_file_that_was_edited_since_is_named(room: Room, running: list[_Found]) -> None:
    room.compose.write_text("image: 2\n")
    assert files(room).found()[str(room.compose)] == "was edited since it was kept"
    assert not is_green(files(room))


def test_a_copy_that_was_touched_is_named(room: Room, running: list[_Found]) -> None:
    next((room.window.folder / "rollback").iterdir()).unlink()
    assert files(room).found()[str(room.compose)] == "the copy was changed, or is gone"


def test_an_edited_change_is_named(room: Room, running: list[_Found]) -> None:
    Path(room.window.plan.change).write_text("")
    assert "was edited" in files(room).found()[room.window.plan.change]


def test_files_that_say_something_else_than_what_runs_are_no_way_back(room: Room, running: list[_Found]) -> None:
    running[0] = _Found(Change("deployment/kafka/image", "kafka:2", "kafka:1"))
    seen = files(room)
    assert seen.found()["deployment/kafka/image"] == "the kept files say kafka:1"
    assert seen.expected()["deployment/kafka/image"] == "what runs: kafka:2"


def test_what_could_not_be_compared_is_a_warning(room: Room, running: list[_Found]) -> None:
    running[0] = _Found(not_compared=("no Compose here",))
    assert is_green(files(room))
    assert list(files(room).not_compared().values()) == ["no Compose here"]


def test_a_change_of_images_without_a_kept_file_is_no_way_back(room: Room, running: list[_Found]) -> None:
    plan = Path(room.window.plan.change)
    plan.write_text(plan.read_text().replace("connectors/sink/batch.size = 500", "deployment/kafka/image*"))
    room.windows.make(room.site.pipeline, plan, begins=datetime.now(UTC), length=timedelta(hours=1), compose=())
    assert files(room).found()["the compose files"].startswith("none is kept")


# ---- diagnostics ----


def test_diagnostics_that_hold_nothing_are_red(room: Room) -> None:
    records = []
    for files in (("README",), ("README", "services.txt")):
        seen = KeptDiagnostics(Archive(room.compose, "x", files, (), ()))
        remedies = WindowRemedies(Live(), room.site.pipeline, "warehouse")
        records.append(judged(diagnostics_check, room.site.pipeline, kept_diagnostics=seen, window_remedies=remedies))

    assert [record.verdict for record in records] == [Verdict.FAILED, Verdict.PASSED]
    assert records[0].action == ("cdcproof diagnose --pipeline warehouse",)


# ---- restorable ----


def young(folder: Path) -> Path:
    """A backup of a minute ago."""
    return committed(folder / "backups", "test", datetime.now(UTC) - timedelta(minutes=1)).folder


def restorable(room: Room, newest: Path | None, *proofs: str) -> Restorable:
    return Restorable.look(room.window, room.site.pipeline, newest, proofs)


def test_a_whole_young_backup_with_a_proof_is_right(room: Room, tmp_path: Path) -> None:
    newest = young(tmp_path)
    assert not is_green(restorable(room, newest))
    assert is_green(restorable(room, newest, "a drill"))


def test_a_recorded_restore_is_a_proof_for_a_quarter(room: Room, tmp_path: Path) -> None:
    newest = young(tmp_path)
    confirmations.record(room.window, "restored", "Ben", datetime.now(UTC) - timedelta(days=100))
    assert not is_green(restorable(room, newest))
    confirmations.record(room.window, "restored", "Ben", datetime.now(UTC) - timedelta(days=80))
    assert is_green(restorable(room, newest))


def test_no_backup_a_damaged_one_and_an_old_one_are_told_apart(room: Room, tmp_path: Path) -> None:
    newest = young(tmp_path)
    assert restorable(room, None, "a drill").found()["files"] == "there is no backup"
    seen = restorable(room, newest, "a drill")
    assert dataclasses.replace(seen, now=seen.now + 25 * 3600).found()["age"] == "25.0 h"
    next(
        path for path in newest.rglob("*") if path.is_file() and path.name not in ("manifest.json", "SHA256SUMS")
    ).write_text("x")
    assert not is_green(restorable(room, newest, "a drill"))


# ---- drills ----


def drill(**more: Any) -> DrillReport:
    now = datetime.now(UTC).isoformat()
    made = DrillReport(
        "target-lost", "test", now, now, 60, 0, 3600, 3600, True, "20261201_000000", (("restore", 5.0),), {}
    )
    return dataclasses.replace(made, **more)


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({}, True),
        ({"proven": False}, False),
        ({"backup": ""}, False),
        ({"pipeline": "another"}, False),
        ({"finished_at": (datetime.now(UTC) - timedelta(days=100)).isoformat()}, False),
        ({"finished_at": (datetime.now(UTC) + timedelta(days=3)).isoformat()}, False),
    ],
)
def test_a_proven_drill_of_this_pipeline_is_a_proof(tmp_path: Path, more: dict[str, Any], counts: bool) -> None:
    drill_reports.write(drill(**more), tmp_path)
    (tmp_path / "drills" / "20260101T000000Z-x.json").write_text("{")
    assert bool(drill_reports.proofs(tmp_path, "test")) is counts


@pytest.mark.parametrize(
    ("more", "within"),
    [({}, True), ({"rto_seconds": 3601}, False), ({"rpo_seconds": 3601}, False), ({"proven": False}, False)],
)
def test_targets_are_kept_only_by_what_is_proven_in_time(more: dict[str, Any], within: bool) -> None:
    assert drill(**more).within_targets is within
