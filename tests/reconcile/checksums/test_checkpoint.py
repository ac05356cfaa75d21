"""What an interrupted run leaves, and when it is built upon."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.databases.table_read import Chunking, ChunkSum, Segment
from cdcproof.reconcile.checksums.balance import Balance
from cdcproof.reconcile.checksums.checkpoint import FOLDER, Checkpoint, ResumePoint, Unfinished
from cdcproof.reconcile.checksums.parts import Part
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.report.result import KeyDifference, TableResult, TableStatus
from cdcproof.reconcile.slices.store import Scanned

ABOUT = {"the key": "id", "the filters": "none"}
RUN = {"pipeline": "warehouse"}
DATABASES = {"the source's database": "a", "the target's database": "b"}
RESULT = TableResult(
    "orders",
    TableStatus.MISMATCH,
    source_rows=3,
    target_rows=2,
    missing_at_target=1,
    differences=(KeyDifference("missing", {"id": "7"}),),
    example_keys=("missing 7",),
    timings={"sums": 1.5},
)


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


def _left() -> ResumePoint:
    balance = Balance()
    balance.add_source([ChunkSum(-3, 2, 2**64 - 1), ChunkSum(4, 1, 9)])
    balance.add_target([ChunkSum(4, 1, 9)])
    return ResumePoint(
        "2026-01-02T03:00:00+00:00",
        Strategy.STREAM,
        Chunking(width=100),
        "16384 700",
        "",
        (Part(Segment(None, 5), Segment(None, None)), Part(Segment(5, None), None)),
        Scanned(balance, {1}),
    )


def _table(folder: Path, clock: Clock) -> Checkpoint:
    return Checkpoint(folder / "table.json", clock, save_seconds=0)


def test_a_scan_is_found_as_it_was_left(tmp_path: Path) -> None:
    clock = Clock()
    _table(tmp_path, clock).keep(ABOUT, _left())
    checkpoint = _table(tmp_path, clock)
    found = checkpoint.left(ABOUT)
    assert found
    assert checkpoint.refused == ""
    expected = _left()
    assert found.scanned.balance.left() == expected.scanned.balance.left() != []
    assert (found.scanned.balance.source_rows, found.scanned.balance.target_rows) == (3, 1)
    found.scanned.balance = expected.scanned.balance
    assert found == expected


@pytest.mark.parametrize(
    ("hours", "about", "reason"),
    [
        (0.0, ABOUT | {"the filters": "x > 1"}, "the filters changed since"),
        (0.0, {"the key": "id"}, "the filters changed since"),
        (4.1, ABOUT, "it is of 2026-01-02T03:04, more than 4 hours ago"),
        (-0.1, ABOUT, "more than 4 hours ago"),
    ],
)
def test_what_changed_or_is_old_is_not_built_upon(
    tmp_path: Path, hours: float, about: dict[str, str], reason: str
) -> None:
    clock = Clock()
    _table(tmp_path, clock).keep(ABOUT, _left())
    clock.time += timedelta(hours=hours)
    checkpoint = _table(tmp_path, clock)
    assert checkpoint.left(about) is None
    assert checkpoint.refused.startswith("what an interrupted run had read is not used: ")
    assert checkpoint.refused.endswith(reason)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 1}'])
def test_a_file_that_is_not_ours_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "table.json").write_text(content)
    assert _table(tmp_path, Clock()).left(ABOUT) is None


def test_what_another_version_has_left_is_named_and_not_used(tmp_path: Path) -> None:
    with Unfinished(tmp_path, RUN, DATABASES) as killed:
        killed.finished(RESULT, ABOUT)
        Checkpoint(killed.of("lines")._path, save_seconds=0, of=DATABASES).keep(ABOUT, _left())
    files = list((tmp_path / FOLDER).glob("*.json"))
    assert len(files) == 2
    for file in files:
        file.write_text(json.dumps({**json.loads(file.read_text()), "version": 6}))
    with Unfinished(tmp_path, RUN, DATABASES) as next_run:
        lines = next_run.of("lines")
        assert (next_run.result("orders", ABOUT), lines.left(ABOUT), next_run.resumed) == (None, None, "")
        said = "what an interrupted run had read is not used: it was written by another version of cdcproof"
        assert [next_run.refused("orders", ABOUT), lines.refused] == [said, said]


def test_without_a_path_and_before_its_time_nothing_is_kept(tmp_path: Path) -> None:
    Checkpoint().keep(ABOUT, _left())
    Checkpoint(tmp_path / "table.json", Clock(), save_seconds=3600).keep(ABOUT, _left())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_does_not_end_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Checkpoint(tmp_path / "file" / "table.json", Clock(), save_seconds=0).keep(ABOUT, _left())


def test_tables_that_are_through_are_known_to_the_next_run(tmp_path: Path) -> None:
    clock = Clock()
    with Unfinished(tmp_path, RUN, DATABASES, clock=clock) as killed:
        assert killed.resumed == ""
        killed.finished(RESULT, ABOUT)
    clock.time += timedelta(minutes=10)
    with Unfinished(tmp_path, RUN, DATABASES, clock=clock) as next_run:
        assert next_run.resumed == "2026-01-02T03:04:05+00:00"
        assert next_run.result("orders", ABOUT) == RESULT
        assert next_run.result("orders", ABOUT | {"the key": "no"}) is None
        assert next_run.result("customers", ABOUT) is None
        next_run.finished(RESULT, ABOUT)
    clock.time += timedelta(minutes=10)
    with Unfinished(tmp_path, RUN, DATABASES, clock=clock) as last:
        assert last.resumed == "2026-01-02T03:04:05+00:00", "the first of the runs"


@pytest.mark.parametrize("why", ["complete", "fresh", "others", "old"])
def test_a_run_begins_anew(tmp_path: Path, why: str) -> None:
    clock = Clock()
    with Unfinished(tmp_path, RUN, DATABASES, clock=clock) as first:
        first.finished(RESULT, ABOUT)
        Checkpoint(first.of("orders")._path, clock, save_seconds=0, of=DATABASES).keep(ABOUT, _left())
        if why == "complete":
            first.complete()
    clock.time += timedelta(hours=5 if why == "old" else 0)
    databases = DATABASES | {"the target's database": "c"} if why == "others" else DATABASES
    with Unfinished(tmp_path, RUN, databases, fresh=why == "fresh", clock=clock) as second:
        assert second.result("orders", ABOUT) is None
        anew = second.of("orders")
        assert anew.left(ABOUT) is None
        if why == "others":
            told = "what an interrupted run had read is not used: the target's database changed since"
            assert [second.refused("orders", ABOUT), anew.refused] == [told, told]
        else:
            assert second.resumed == ""


def test_what_was_read_of_a_table_that_was_not_finished_outlives_its_run(tmp_path: Path) -> None:
    with Unfinished(tmp_path, RUN, DATABASES) as first:
        first.finished(RESULT, ABOUT)
        for table in ("customers", "lines"):
            Checkpoint(first.of(table)._path, save_seconds=0, of=DATABASES).keep(ABOUT, _left())
        first.complete(but=["customers"])
    with Unfinished(tmp_path, RUN, DATABASES) as second:
        assert second.resumed == "", "what was compared is compared anew"
        assert second.result("orders", ABOUT) is None
        left = second.of("customers").left(ABOUT)
        assert left
        assert left.scanned.done == _left().scanned.done
        assert second.of("lines").left(ABOUT) is None


def test_while_a_run_is_alive_another_one_leaves_its_files_alone(tmp_path: Path) -> None:
    with Unfinished(tmp_path, RUN, DATABASES) as alive:
        alive.finished(RESULT, ABOUT)
        with Unfinished(tmp_path, RUN, DATABASES, fresh=True) as other:
            assert other.result("orders", ABOUT) is None
            other.finished(TableResult("orders", TableStatus.MATCH), ABOUT)
            Checkpoint(other.of("orders")._path, save_seconds=0).keep(ABOUT, _left())
            other.complete()
    with Unfinished(tmp_path, RUN, DATABASES) as after:
        assert after.result("orders", ABOUT) == RESULT
        assert after.of("orders").left(ABOUT) is None


def test_where_nothing_can_be_written_a_run_goes_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Unfinished(tmp_path / "file", RUN, DATABASES) as run:
        run.finished(RESULT, ABOUT)
        assert run.of("orders").left(ABOUT) is None
        run.complete()
