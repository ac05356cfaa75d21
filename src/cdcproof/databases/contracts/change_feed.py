"""The contract of a change feed: which rows of the source were written behind a position of its log.

A position is a number that grows with the log: `LogPosition.value`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.names import TableName

Keys = frozenset[tuple[str | None, ...]]
"""Keys as the engine writes their values, in the order of the columns that were asked for."""

MOST_KEYS = 1_000_000
"""A table with more changed keys than this in one reading is proven whole: its keys would not fit into memory."""
TOO_MANY_KEYS = f"more than {MOST_KEYS:,} of its keys were written"


@dataclass(frozen=True)
class Following:
    """How a feed follows a table. While `by` is the same, the feed showed every change of it.

    `why_not` says, with what to do, why the feed does not show its changes; empty when it does.
    """

    by: str = ""
    why_not: str = ""


@dataclass(frozen=True)
class Followed:
    """A table whose changes are asked for: by these columns, behind a position (None: at first, when none of them is missing yet).

    `dropped` is the position up to which the feed was last known to keep nothing; None when that is not known.
    """

    key: tuple[str, ...]
    behind: int | None = None
    dropped: int | None = None


@dataclass(frozen=True)
class Changes:
    """Rows written up to a position: by table the keys before and after each change, all of those behind where it was asked for.

    `unknown` says of tables why all their rows count as changed: their keys are not known (truncated, too many), or the feed
    does not hold every change behind the position. `is_last` says that the feed had nothing more when it was read.
    """

    until: int
    keys: Mapping[TableName, Keys]
    unknown: Mapping[TableName, str]
    is_last: bool


class ChangeFeed(Protocol):
    """Changes in the order in which they were committed. Reading takes nothing away."""

    name: str
    """For the report: ``WAL through the replication slot cdcproof_scrub``."""

    def identity(self) -> Identity:
        """Which database the feed is of."""
        ...

    def following(self, keys: Mapping[TableName, tuple[str, ...]]) -> dict[TableName, Following]:
        """How each of these tables is followed, by the columns that identify its rows."""
        ...

    def read(self, tables: Mapping[TableName, Followed], most: int) -> Changes:
        """The next changes of the tables, about `most` of them, up to a position behind at least one of theirs.

        Raises `CouldNotLookError` with what to do when the source cannot be asked.
        """
        ...

    def release(self, position: int) -> int | None:
        """Nobody needs what lies before the position: the feed need not keep it. Returns up to where it keeps nothing; None where it keeps nothing for us."""
        ...
