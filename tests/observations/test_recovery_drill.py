"""What the records of recovery drills say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.findings import Observation
from cdcproof.observations.weeks.recovery_drill import Drill, RecoveryDrill, read

DAY, HOUR = 86_400.0, 3_600.0
NOW = 1_800_000_000.0
RIGHT = {
    "last drill": "within the quarter",
    "recovery time": "at most 4 h",
    "lost changes": "of at most 24 h",
    "result": "every row was the same",
}


def drill(days: float = 30, rto: float = 3, rpo: float = 20, proven: bool | None = True) -> Drill:
    at = NOW - days * DAY
    return Drill("drills/d.json", "complete data loss", at - HOUR, at, rto * HOUR, rpo * HOUR, proven)


def drills(*found: Drill) -> RecoveryDrill:
    return RecoveryDrill(found, NOW, 4, 24, 92)


def test_the_last_drill_is_judged_by_its_age_and_both_targets() -> None:
    assert drills(drill(proven=False), drill(days=60)).observation() == Observation(
        {**RIGHT, "result": "not proven"}, RIGHT, {"last drill": "complete data loss: drills/d.json"}
    )
    unsaid = {subject: word for subject, word in RIGHT.items() if subject != "result"}
    assert (drills(drill(proven=None)).found(), drills(drill(proven=None)).expected()) == (unsaid, unsaid)
    assert drills().observation() == Observation(
        {"last drill": "none is on record"}, {"last drill": "within the quarter"}
    )


def test_the_limits_themselves_are_kept() -> None:
    assert drills(drill(days=92, rto=4, rpo=24)).found() == RIGHT
    assert drills(drill(days=-1 / 24)).found() == RIGHT, "a clock may be an hour ahead"
    assert drills(drill(days=-1 / 12)).found()["last drill"] == "from the future: a clock is wrong"
    assert drills(drill(days=1_500)).found()["last drill"] == "1,500 days ago"


def test_the_report_has_a_row_for_each_drill(utc: None) -> None:
    more = {"scenario": "complete data loss", "RTO": "3 h of 4 h", "RPO": "20 h of 24 h"}
    assert drills(drill(days=0), drill(days=1, proven=False), drill(days=2, proven=None)).rows() == [
        {"finished": "2027-01-15 08:00", **more, "proven": "yes"},
        {"finished": "2027-01-14 08:00", **more, "proven": "no"},
        {"finished": "2027-01-13 08:00", **more, "proven": None},
    ]
    assert drills().rows() == [{"finished": "none", "scenario": None, "RTO": None, "RPO": None, "proven": None}]


def record(folder: Path, **changes: Any) -> Path:
    stored = {
        "started_at": "2026-11-01T00:00:00+00:00",
        "finished_at": "2026-11-01T02:00:00+00:00",
        "scenario": "données perdues",
        "rto_seconds": 7200,
        "rpo_seconds": 60.5,
    }
    path = folder / "a.json"
    path.write_text(json.dumps({**stored, **changes}, ensure_ascii=False), encoding="utf-8")
    return path


def test_a_record_is_read_whole(tmp_path: Path) -> None:
    path = record(tmp_path, proven=False)
    assert read(tmp_path, "w") == (
        Drill(str(path), "données perdues", 1_793_491_200.0, 1_793_498_400.0, 7_200.0, 60.5, False),
    )


@pytest.mark.parametrize(
    "changes", [{"rto_seconds": 0}, {"rpo_seconds": 0}, {"finished_at": "2026-11-01T00:00:00+00:00"}]
)
def test_a_drill_that_took_no_time_or_lost_nothing_can_be(tmp_path: Path, changes: dict[str, Any]) -> None:
    record(tmp_path, **changes)
    assert len(read(tmp_path, "w")) == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"rto_seconds": float("inf")}, "ValueError its times contradict each other"),
        ({"rpo_seconds": -0.1}, "ValueError its times contradict each other"),
        ({"rpo_seconds": float("nan")}, "ValueError its times contradict each other"),
        ({"finished_at": "2026-10-31T00:00:00+00:00"}, "ValueError its times contradict each other"),
        ({"proven": "yes"}, "ValueError proven is neither true nor false"),
    ],
)
def test_why_a_record_cannot_be_is_said_with_what_helps(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    path = record(tmp_path, **changes)
    with pytest.raises(UnexpectedAnswerError) as raised:
        read(tmp_path, "w")
    assert raised.value.message == f"{path} is no record of a drill: {why}."
    assert raised.value.remedy == "Correct it, or move it away."


def test_a_record_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(CouldNotLookError) as raised:
        read(tmp_path, "w")
    assert raised.value.message == f"The record of a drill {tmp_path}/a.json cannot be read: it is no file."
    assert raised.value.remedy == "Let this account read it, or move it away."


def test_a_folder_that_may_not_be_listed_is_not_one_without_drills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path)
    assert read(tmp_path / "nowhere", "w") == ()

    def refuse(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(CouldNotLookError) as raised:
        read(tmp_path, "w")
    assert raised.value.message == f"The records of drills in {tmp_path} cannot be read: Permission denied."


def test_what_is_no_record_by_its_name_is_passed_over(tmp_path: Path) -> None:
    record(tmp_path).rename(tmp_path / "a.json.part")
    assert read(tmp_path, "w") == ()
