from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.files import write_whole
from cdcproof.findings import Verdict
from cdcproof.reporting import journal
from tests.reporting.runs import record_of, run_of


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    run = run_of(record_of("morning.a", Verdict.FAILED, "x"))

    journal.write(run, tmp_path)

    assert journal.latest(tmp_path) == run


def test_without_a_run_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CouldNotLookError, match="There is no report of a run"):
        journal.latest(tmp_path)


def test_the_previous_run_is_of_the_same_suite_and_pipeline(tmp_path: Path) -> None:
    older, same, other, weekly = (
        run_of(record_of("morning.a"), started_at=100.0),
        run_of(record_of("morning.a"), started_at=200.0),
        run_of(record_of("morning.a"), started_at=300.0, pipeline="other"),
        run_of(record_of("weekly.a"), started_at=400.0),
    )
    for run in (older, same, other, weekly):
        journal.write(run, tmp_path)
    (tmp_path / "runs" / "20991231T000000.000000Z-morning.json").write_text('{"cut off')

    assert journal.previous(run_of(record_of("morning.a"), started_at=500.0), tmp_path) == same
    assert journal.previous(older, tmp_path) is None


@pytest.mark.parametrize("value", ["x", None, {}, [[]]])
@pytest.mark.parametrize("name", ["started_at", "duration_seconds", "steps", "suites", "parts"])
def test_a_run_with_a_value_of_another_kind_is_passed_over(tmp_path: Path, name: str, value: object) -> None:
    older = run_of(record_of("morning.a"), started_at=100.0)
    journal.write(older, tmp_path)
    spoilt = {**run_of(record_of("morning.a"), started_at=200.0).as_dict(), name: value}
    (tmp_path / "runs" / "20991231T000000.000000Z-morning.json").write_text(json.dumps(spoilt))
    now = run_of(record_of("morning.a", Verdict.FAILED), started_at=500.0)
    assert journal.previous(now, tmp_path) == older
    assert journal.runs_of("morning", tmp_path) == (older,)
    assert journal.failed_runs("morning", now, tmp_path) == 1


def test_only_the_last_fifty_are_kept_of_each_suite(tmp_path: Path) -> None:
    journal.write(run_of(record_of("weekly.a"), started_at=1.0), tmp_path)
    for n in range(journal.KEPT_RUNS + 5):
        journal.write(run_of(record_of("morning.a"), started_at=1_000.0 + n), tmp_path)

    names = sorted(p.name for p in (tmp_path / "runs").iterdir())

    assert sum("morning" in name for name in names) == journal.KEPT_RUNS
    assert sum("weekly" in name for name in names) == 1
    assert names[-1] == "19700101T001734.000000Z-morning.json"


def test_a_failure_does_not_erase_the_last_success(tmp_path: Path) -> None:
    green = run_of(record_of("morning.a"), record_of("morning.b", Verdict.WARNED))
    red = run_of(record_of("morning.a", Verdict.FAILED, started_at=9e9), record_of("morning.b", started_at=9e9))

    journal.last_success(green, tmp_path)
    successes = journal.last_success(red, tmp_path)

    assert successes == {"morning.a": 1_795_000_000.5, "morning.b": 9e9 + 0.5}
    assert journal.last_success(run_of(pipeline="other"), tmp_path) == {}


def test_a_spoilt_file_of_successes_is_begun_anew(tmp_path: Path) -> None:
    for spoilt in ("{cut off", "[]", '{"example": 3}'):
        (tmp_path / "last-success.json").write_text(spoilt)
        assert journal.last_success(run_of(record_of("morning.a")), tmp_path) == {"morning.a": 1_795_000_000.5}
    assert json.loads((tmp_path / "last-success.json").read_text()) == {"example": {"morning.a": 1_795_000_000.5}}


def test_a_file_that_cannot_be_replaced_leaves_the_old_one_and_no_part(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()

    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "taken", "text")

    assert [p.name for p in tmp_path.iterdir()] == ["taken"]
