"""The rows of chunks that differ, fetched and compared."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import Chunking, ChunkSum, ColumnRead, Row, TableRead
from cdcproof.databases.values.types import Form, Kind
from cdcproof.reconcile.checksums.balance import Balance
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.differences import Difference, Differences
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.rows import compare, differing_chunks
from cdcproof.reconcile.rows.differing_chunks import ByValue

SCAN = TableRead(
    TableName("s", "t"), (ColumnRead(Column("id", "bigint", False), Form(Kind.INTEGER)),), 1, Chunking(width=10)
)
PLAN = Plan(SCAN, SCAN, multiset=False, names=("id",))
PATIENCE_SECONDS = 30


@dataclass
class Side:
    """A side with these rows, the first of which comes when the other side's is asked for, too."""

    name: str
    held: Sequence[bytes]
    together: threading.Barrier
    asked: list[str]

    @property
    def rows(self) -> Side:
        return self

    @contextmanager
    def chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> Iterator[Iterator[Row]]:
        self.asked.append(self.name)
        yield self._rows()

    def _rows(self) -> Iterator[Row]:
        self.together.wait()
        yield from (Row(b"", (one,)) for one in self.held)


def test_the_target_is_asked_first_and_both_sides_rows_come_at_the_same_time() -> None:
    together, asked = threading.Barrier(2, timeout=PATIENCE_SECONDS), list[str]()
    source, target = Side("source", (b"1", b"2"), together, asked), Side("target", (b"2", b"3"), together, asked)
    balance = Balance()
    balance.add_source([ChunkSum(0, 2, 3)])
    by_value = ByValue(PLAN, cast(Any, source), cast(Any, target), Stop())
    found = by_value.differences(balance, lambda _: None).found
    assert [(one.key, one.word) for one in found] == [((b"1",), "missing"), ((b"3",), "extra")]
    assert asked == ["target", "source"]


@dataclass
class Session:
    """A side whose chunks have these rows, at each reading the next ones; the last ones from then on."""

    readings: list[list[Row]]
    by_key: int = 1
    """How many rows a question by key finds."""
    of_a_moment: bool = True
    snapshots: int = 0
    read: int = 0
    asked: list[tuple[bytes | None, ...]] = field(default_factory=list)
    chunks: list[Sequence[int]] = field(default_factory=list)

    @property
    def rows(self) -> Session:
        return self

    def reads_chunks_of_a_moment(self) -> bool:
        return self.of_a_moment

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        self.snapshots += 1
        yield

    @contextmanager
    def chunk_rows(self, scan: TableRead, chunks: Sequence[int]) -> Iterator[Iterator[Row]]:
        self.chunks.append(chunks)
        found = self.readings[min(self.read, len(self.readings) - 1)]
        self.read += 1
        yield iter(found)

    def rows_by_key(self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]]) -> Iterator[Row]:
        assert scan is SCAN
        self.asked += keys
        return iter([Row(b"", keys[0])] * self.by_key)


def _row(number: int) -> Row:
    return Row(b"", (number.to_bytes(8, "big", signed=True),))


def _differences(source: Session, target: Session, plan: Plan = PLAN, rows: int = 2) -> tuple[Differences, list[str]]:
    balance, told = Balance(), list[str]()
    balance.add_source([ChunkSum(7, rows, 3)])
    found = ByValue(plan, cast(Any, source), cast(Any, target), Stop()).differences(balance, told.append)
    return found, told


def test_a_row_that_was_read_twice_because_it_moved_is_read_again() -> None:
    source = Session([[_row(1), _row(1)], [_row(1), _row(2)]])
    found, told = _differences(source, Session([[_row(1)]]))
    assert found.found == [Difference(_row(2).forms, (_row(2),), ())]
    assert source.asked == [_row(1).forms]
    assert source.chunks == [(7,), (7,)]
    assert told == ["reading rows of chunks that differ"]


@pytest.mark.parametrize(("by_key", "readings"), [(2, 1), (1, 3)])
def test_a_key_that_is_there_twice_is_an_error_at_once_and_one_that_seems_so_at_the_third_reading(
    by_key: int, readings: int
) -> None:
    source = Session([[_row(-17), _row(-17)]], by_key=by_key)
    with pytest.raises(UnexpectedAnswerError) as raised:
        _differences(source, Session([[]]))
    assert raised.value.message == "Two rows of s.t have the same key -17."
    assert raised.value.remedy == (
        "Name columns that are unique as the table's key in the pipeline file, or key = [] where there are none."
    )
    assert source.read == readings


def test_a_table_without_a_key_may_have_a_row_twice() -> None:
    found, _ = _differences(Session([[_row(1), _row(1)]]), Session([[_row(1)]]), replace(PLAN, multiset=True))
    assert found.found == [Difference(_row(1).forms, (_row(1),) * 2, (_row(1),))]


@pytest.mark.parametrize("rows", [2, 10_000_000], ids=["it is more than was counted", "it is counted as more"])
def test_what_does_not_fit_into_memory_is_outlined_first_within_one_snapshot(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(compare, "BYTES_HELD", 2_000)
    source, target = Session([[_row(number) for number in range(20)]]), Session([[_row(3), _row(50)]])
    found, _ = _differences(source, target, rows=rows)
    expected = {_row(number).forms for number in (*range(20), 50)} - {_row(3).forms}
    assert {one.key for one in found.found} == expected
    assert found.beyond == Counter()
    assert (source.snapshots, target.snapshots) == (1, 1)
    assert (source.read, target.read) == ((3, 3) if rows == 2 else (2, 2))


def test_of_what_is_outlined_no_more_is_kept_than_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "BYTES_HELD", 2_000)
    monkeypatch.setattr(differing_chunks, "DIFFERENCES_HELD", 5)
    found, _ = _differences(Session([[_row(number) for number in range(20)]]), Session([[]]))
    assert (len(found.found), found.beyond) == (5, Counter(missing=15))


@pytest.mark.parametrize(
    ("multiset", "of_a_moment", "is_look"),
    [(False, True, True), (False, False, False), (True, True, False), (True, False, False)],
)
def test_what_was_read_counts_as_a_look_where_rows_have_keys_and_a_moment(
    multiset: bool, of_a_moment: bool, is_look: bool
) -> None:
    target = Session([[]], of_a_moment=of_a_moment)
    by_value = ByValue(replace(PLAN, multiset=multiset), cast(Any, Session([[]])), cast(Any, target), Stop())
    assert by_value.is_look is is_look


NAMED = replace(SCAN, columns=(*SCAN.columns, ColumnRead(Column("name", "text", True), Form(Kind.TEXT))))
NAMED_PLAN = replace(PLAN, source=NAMED, target=NAMED, names=("id", "name"))
TEN_ROWS = 10 * (512 + 2 * 96)
"""Bytes for so many rows of two columns."""


def _named(number: int, name: str = "a") -> Row:
    return Row(b"", (*_row(number).forms, name.encode()))


def test_rows_that_differ_beside_their_key_are_one_change_each(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = [Difference(_row(n).forms, (_named(n),), (_named(n, "b"),)) for n in (1, 2)]
    for held, readings in ((compare.BYTES_HELD, 1), (1_000, 3)):
        monkeypatch.setattr(compare, "BYTES_HELD", held)
        source, target = Session([[_named(1), _named(2)]]), Session([[_named(1, "b"), _named(2, "b")]])
        assert _differences(source, target, NAMED_PLAN, rows=1)[0].found == changed
        assert (source.read, target.read) == (readings, readings)


@pytest.mark.parametrize(("rows", "readings"), [(10, 1), (11, 2)])
def test_as_many_rows_as_fit_into_memory_are_read_once(
    monkeypatch: pytest.MonkeyPatch, rows: int, readings: int
) -> None:
    monkeypatch.setattr(compare, "BYTES_HELD", TEN_ROWS)
    source = Session([[_named(1)]])
    _differences(source, Session([[]]), NAMED_PLAN, rows=rows)
    assert source.read == readings


def test_a_multiset_that_does_not_fit_is_outlined_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "BYTES_HELD", 2_000)
    source = Session([[_row(number) for number in range(20)]])
    found, _ = _differences(source, Session([[]]), replace(PLAN, multiset=True))
    assert (len(found.found), source.snapshots) == (20, 1)


def test_what_is_beyond_memory_is_counted_over_all_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "BYTES_HELD", 2_000)
    monkeypatch.setattr(differing_chunks, "DIFFERENCES_HELD", 5)
    first, second = [_row(number) for number in range(20)], [_row(number) for number in range(100, 130)]
    source, balance = Session([first, first, second, second]), Balance()
    balance.add_source([ChunkSum(7, 3_000, 3), ChunkSum(9, 3_000, 3)])
    found = ByValue(PLAN, cast(Any, source), cast(Any, Session([[]])), Stop()).differences(balance, lambda _: None)
    assert (len(found.found), found.beyond) == (5, Counter(missing=45))
    assert source.chunks == [(7,), (7,), (9,), (9,)]


def test_a_key_of_null_that_is_there_twice_is_named() -> None:
    null = Row(b"", (None, b"a"))
    with pytest.raises(UnexpectedAnswerError, match=r"^Two rows of s\.t have the same key NULL\."):
        _differences(cast(Any, NamedSession([[null, null]], by_key=2)), Session([[]]), NAMED_PLAN)


class NamedSession(Session):
    """A session of the table with a name."""

    def rows_by_key(self, scan: TableRead, keys: Sequence[tuple[bytes | None, ...]]) -> Iterator[Row]:
        return super().rows_by_key(SCAN if scan is NAMED else scan, keys)


def test_only_the_first_row_is_here_before_the_others_are_asked_for() -> None:
    taken: list[int] = []

    def rows() -> Iterator[Row]:
        for number in range(5):
            taken.append(number)
            yield _row(number)

    begun = differing_chunks._begun(rows())
    assert taken == [0]
    assert list(begun) == [_row(number) for number in range(5)]


def test_changes_beyond_memory_are_counted_as_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "BYTES_HELD", 1_000)
    monkeypatch.setattr(differing_chunks, "DIFFERENCES_HELD", 1)
    source, target = ([[_named(number, name) for number in range(4)]] for name in ("a", "b"))
    found, _ = _differences(Session(source), Session(target), NAMED_PLAN)
    assert (len(found.found), found.beyond) == (1, Counter(changed=3))
