"""Shares of tables that processes leave in a folder, and what is merged of them: all of it, of these databases, of today; or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdcproof.core.errors import UnreachableError
from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.table_read import Slice
from cdcproof.reconcile.engine import Options, Run, reconcile
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.slices.folder import SliceFolder
from cdcproof.reconcile.slices.job import Read, read_share
from cdcproof.reconcile.slices.merging import Merged
from cdcproof.reconcile.slices.reading import SliceRead
from cdcproof.reconcile.slices.store import SliceSums
from tests.reconcile.fake import FakeDatabase
from tests.reconcile.sides import FenceThen, Unwatched
from tests.reconcile.slices.in_memory import ADDRESSES, PAIR, compared, reads, side

ROWS = [(key, 0) for key in range(60)]
TOTAL = 3


@pytest.fixture(autouse=True)
def chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones, so that a small table has several slices."""
    monkeypatch.setattr("cdcproof.reconcile.plan.chunking.ROWS_PER_CHUNK", 3)


@pytest.fixture
def source() -> FakeDatabase:
    found = side(*ROWS)
    found.log_end = 100
    return found


@pytest.fixture
def target() -> FakeDatabase:
    return side(*ROWS)


def _folder(path: Path, source: FakeDatabase, target: FakeDatabase) -> SliceFolder:
    return SliceFolder(path, {"the source's database": repr(source.is_of), "the target's database": repr(target.is_of)})


def _run(source: FakeDatabase, target: FakeDatabase, **more: Any) -> Run:
    return Run(source.endpoint(), target.endpoint(), lambda _: FenceThen(), Options(True), Unwatched(), **more)


def _share(
    path: Path,
    source: FakeDatabase,
    target: FakeDatabase,
    index: int,
    *,
    total: int = TOTAL,
    read: Callable[[SliceRead], SliceSums] | None = None,
) -> list[Read]:
    folder = _folder(path, source, target)
    how = read or reads(source, target)
    return list(read_share(_run(source, target), [PAIR], ADDRESSES, folder, folder.share(index, total), read=how))


def _merged(path: Path, source: FakeDatabase, target: FakeDatabase) -> TableResult:
    merged = Merged(_folder(path, source, target))
    (result,) = reconcile(_run(source, target, slices=merged, kept=merged.of), [PAIR])
    return result


def _alike(result: TableResult) -> TableResult:
    return replace(result, seconds=0, timings={}, resumed="")


@pytest.mark.parametrize("wrong", [(), (7, 55)])
def test_shares_that_are_merged_come_to_the_result_of_one_run(
    tmp_path: Path, source: FakeDatabase, wrong: tuple[int, ...]
) -> None:
    target = side(*((key, 9 if key in wrong else 0) for key, _ in ROWS))
    done = [_share(tmp_path, source, target, index) for index in (3, 1, 2)]
    assert done == [[Read("t", 1, 1, 3)]] * 3
    result = _merged(tmp_path, source, target)
    assert _alike(result) == _alike(compared(source, target, None))
    assert result.resumed.startswith("its slices were read by 3 other processes from ")
    assert result.status is (TableStatus.MISMATCH if wrong else TableStatus.MATCH)


def test_a_row_that_was_in_flight_when_its_slice_was_read_is_no_difference(
    tmp_path: Path, source: FakeDatabase, target: FakeDatabase
) -> None:
    late = target.tables_held["t"].rows.pop(20)
    for index in (1, 2, 3):
        _share(tmp_path, source, target, index)
    target.tables_held["t"].rows.append(late)
    assert _merged(tmp_path, source, target).status is TableStatus.MATCH


def test_what_is_lost_before_its_slice_is_read_is_found_by_who_merges(
    tmp_path: Path, source: FakeDatabase, target: FakeDatabase
) -> None:
    _share(tmp_path, source, target, 1)
    target.tables_held["t"].rows.pop()
    for index in (2, 3):
        _share(tmp_path, source, target, index)
    result = _merged(tmp_path, source, target)
    assert (result.status, result.example_keys) == (TableStatus.MISMATCH, ("missing 59",))


def test_a_missing_share_is_an_error_that_names_it(tmp_path: Path, source: FakeDatabase, target: FakeDatabase) -> None:
    for index in (1, 3):
        _share(tmp_path, source, target, index)
    result = _merged(tmp_path, source, target)
    assert (result.status, result.checksums_match) == (TableStatus.ERROR, None)
    assert "1 of 3 slices of t were not read: those of --slice 2/3." in result.error


def test_an_empty_folder_is_an_error(tmp_path: Path, source: FakeDatabase, target: FakeDatabase) -> None:
    result = _merged(tmp_path, source, target)
    assert result.status is TableStatus.ERROR
    assert result.error.startswith(f"No slice of t was read into {tmp_path}")


def test_a_slice_that_could_not_be_read_says_why_and_is_read_by_the_next_try(
    tmp_path: Path, source: FakeDatabase, target: FakeDatabase
) -> None:
    def fails(_: SliceRead) -> SliceSums:
        raise UnreachableError("the server is gone")

    _share(tmp_path, source, target, 1)
    _share(tmp_path, source, target, 3)
    assert _share(tmp_path, source, target, 2, read=fails) == [Read("t", 0, 0, 0, "the server is gone")]
    assert "slice-2-of-3.json: the server is gone" in _merged(tmp_path, source, target).error
    assert _share(tmp_path, source, target, 2) == [Read("t", 1, 1, 3)]
    assert _merged(tmp_path, source, target).status is TableStatus.MATCH


def test_a_process_that_was_killed_goes_on_with_the_slices_that_it_lacks(
    tmp_path: Path, source: FakeDatabase, target: FakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdcproof.reconcile.slices.job.ROWS_A_SLICE", 10)
    read: list[Slice] = []

    def killed(one: SliceRead) -> SliceSums:
        if len(read) == 1:
            raise KeyboardInterrupt
        read.append(one.part)
        return reads(source, target)(one)

    with pytest.raises(KeyboardInterrupt):
        _share(tmp_path, source, target, 1, total=2, read=killed)
    again: list[Slice] = []
    _share(tmp_path, source, target, 1, total=2, read=lambda one: again.append(one.part) or reads(source, target)(one))  # type: ignore[func-returns-value]
    assert len(again) == 2
    assert not set(again) & set(read)
    _share(tmp_path, source, target, 2, total=2)
    assert _merged(tmp_path, source, target).status is TableStatus.MATCH


def test_all_follow_the_plan_of_the_first_though_the_table_grows(
    tmp_path: Path, source: FakeDatabase, target: FakeDatabase
) -> None:
    _share(tmp_path, source, target, 1)
    for held in (source, target):
        held.tables_held["t"].rows.extend((key, 0) for key in range(60, 500))
    for index in (2, 3):
        _share(tmp_path, source, target, index)
    result = _merged(tmp_path, source, target)
    assert (result.status, result.source_rows) == (TableStatus.MATCH, 500)


def _change(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def _each_slice(**values: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        for sums in data["tables"]["t"]["slices"].values():
            sums.update(values)

    return change


def _at(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("slice-1-of-3.json", _each_slice(began=_at(-25))), "more than 24 hours ago"),
        (("slice-1-of-3.json", _each_slice(began=_at(1))), "a clock is wrong"),
        (("slice-1-of-3.json", _each_slice(position=101)), "it was set back"),
        (("slice-1-of-3.json", lambda data: data["tables"]["t"].update(plan="x")), "by another plan"),
        (("slice-1-of-3.json", lambda data: data.update(version=99)), "by another version of cdcproof"),
        (("plan-*.json", lambda data: data.update(made_by="cdcproof 0.0.9")), "of another comparison: the program"),
        (("plan-*.json", lambda data: data["left"].update(source_mark="7")), "by another plan"),
        (("plan-*.json", lambda data: data["left"].pop("parts")), "is no plan of this version"),
    ],
)
def test_what_is_too_old_or_of_something_else_is_an_error(
    tmp_path: Path,
    source: FakeDatabase,
    target: FakeDatabase,
    wrong: tuple[str, Callable[[dict[str, Any]], None]],
    said: str,
) -> None:
    for index in (1, 2, 3):
        _share(tmp_path, source, target, index)
    name, change = wrong
    (path,) = tmp_path.glob(name)
    _change(path, change)
    result = _merged(tmp_path, source, target)
    assert result.status is TableStatus.ERROR
    assert said in result.error


def test_a_slice_that_is_there_twice_is_an_error(tmp_path: Path, source: FakeDatabase, target: FakeDatabase) -> None:
    for index in (1, 2, 3):
        _share(tmp_path, source, target, index)
    (tmp_path / "slice-4-of-9.json").write_text((tmp_path / "slice-1-of-3.json").read_text())
    result = _merged(tmp_path, source, target)
    assert (result.status, "is in two files" in result.error) == (TableStatus.ERROR, True)


@pytest.mark.parametrize("when", ["while it is read", "before it is merged"])
def test_another_database_or_table_is_an_error(
    tmp_path: Path, source: FakeDatabase, target: FakeDatabase, when: str
) -> None:
    for index in (1, 2) if when == "while it is read" else (1, 2, 3):
        _share(tmp_path, source, target, index)
    target.is_of = Identity("another", "fake", "1", "1")
    if when == "while it is read":
        assert "of another comparison: the target's database" in _share(tmp_path, source, target, 3)[0].error
    result = _merged(tmp_path, source, target)
    assert (result.status, "the target's database" in result.error) == (TableStatus.ERROR, True)


@pytest.mark.parametrize("when", ["while it is read", "before it is merged"])
def test_a_table_that_was_made_anew_is_an_error(
    tmp_path: Path, source: FakeDatabase, target: FakeDatabase, when: str
) -> None:
    for index in (1, 2) if when == "while it is read" else (1, 2, 3):
        _share(tmp_path, source, target, index)
    target.tables_held["t"].number = 2
    if when == "while it is read":
        assert "made anew, truncated, rewritten or given a column" in _share(tmp_path, source, target, 3)[0].error
    assert _merged(tmp_path, source, target).status is TableStatus.ERROR


def test_another_number_of_shares_is_refused(tmp_path: Path, source: FakeDatabase, target: FakeDatabase) -> None:
    _share(tmp_path, source, target, 1)
    assert "is shared by 3 processes, not by 4" in _share(tmp_path, source, target, 4, total=4)[0].error
