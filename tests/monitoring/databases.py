"""A database as the exporter asks it: a fake that says what a test gives it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cdcproof.core.errors import CdcproofError, UnexpectedAnswerError, UnreachableError
from cdcproof.databases.contracts.health import Health, Reader, SlotRoom, Unread
from cdcproof.databases.names import TableName


@dataclass
class FakeDatabase:
    """`ahead_seconds`: how far its clock is before this machine's. `lag`: what a reader has not read, by its slot."""

    ahead_seconds: float = 0.0
    beats: dict[tuple[str, str], Any] = field(default_factory=dict)
    lag: Mapping[str, Unread | CdcproofError] = field(default_factory=dict)
    rooms: tuple[SlotRoom, ...] = ()
    state: Health = field(default_factory=Health)
    is_up: bool = True
    hangs: Callable[[], object] | None = None
    asked: list[Reader] = field(default_factory=list)

    def __enter__(self) -> Self:
        if self.hangs:
            self.hangs()
        if not self.is_up:
            raise UnreachableError("The database does not answer.")
        return self

    def __exit__(self, *exc: object) -> None: ...

    def health(self) -> Health:
        return self.state

    def clock_seconds(self) -> float:
        return time.time() + self.ahead_seconds

    def newest(self, table: TableName, column: str) -> Any:
        if (str(table), column) not in self.beats:
            raise UnexpectedAnswerError(f"There is no {table}.{column}.")
        return self.beats[str(table), column]

    def unread(self, reader: Reader, bound: int) -> Unread:
        assert bound > 10_000, "below what the runbook alerts on"
        self.asked.append(reader)
        found = self.lag[reader.slot]
        if isinstance(found, CdcproofError):
            raise found
        return found

    def slot_rooms(self) -> tuple[SlotRoom, ...]:
        return self.rooms
