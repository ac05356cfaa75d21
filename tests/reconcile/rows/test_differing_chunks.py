"""The rows of chunks that differ, fetched and compared."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import Chunking, ChunkSum, ColumnRead, Row, TableRead
from cdcproof.databases.values.types import Form, Kind
from cdcproof.reconcile.checksums.balance import Balance
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.plan.plan import Plan
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
