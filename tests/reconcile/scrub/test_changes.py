"""The fences that a scrub crosses before it looks at what changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cdcproof.core.waiting import Deadline
from cdcproof.databases.contracts.change_feed import Changes
from cdcproof.databases.names import TableName
from cdcproof.reconcile.in_flight.fence import Crossing, Fence, Method, SharedFence
from cdcproof.reconcile.scrub import changes
from cdcproof.reconcile.scrub.proofs import Proofs
from cdcproof.reconcile.scrub.table import Work
from tests.reconcile.sides import FenceThen

TABLES = [TableName("public", f"t{number}") for number in range(40)]


@dataclass(frozen=True)
class OfTable:
    """As the fence by position: the hop into the topics is of all tables."""

    source: Fence
    method: Method = "position"
    takes_time: bool = True

    def cross(self, tell: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
        return self.source.cross(tell, asked)


def work_of(table: TableName, fence: Fence) -> Work:
    log = SimpleNamespace(copy_of_another=lambda: "", position=lambda: SimpleNamespace(value=70))
    side = SimpleNamespace(database=SimpleNamespace(log=log))
    comparison: Any = SimpleNamespace(
        table=SimpleNamespace(name=table.table), source=side, target=side, fence=fence, progress=lambda *_: None
    )
    plan: Any = SimpleNamespace(source=SimpleNamespace(table=table))
    return Work(comparison, plan, 1, Path("proofs"), lambda: datetime.now(UTC), proofs=Proofs(position=50))


def test_tables_share_the_hop_into_the_topics_however_many_they_are() -> None:
    crossed: list[str] = []
    source = SharedFence(FenceThen(lambda: crossed.append("into the topics")))
    works = [work_of(table, OfTable(source)) for table in TABLES]
    found = Changes(until=60, keys={table: frozenset({("1",)}) for table in TABLES[1:]}, unknown={}, is_last=True)

    changes._let_arrive(works, found)

    assert crossed == ["into the topics"]
    assert [work.arrived for work in works] == [None, *[70] * 39]
    changes._let_arrive(works, found)
    assert len(crossed) == 1
