"""The contract of a change feed: which rows of the source were written since the last proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cdcproof.databases.base import TableName

Keys = frozenset[tuple[str | None, ...]]
"""Keys as the engine writes their values, in the order of the columns that were asked for."""

MOST_KEYS = 1_000_000
"""A table with more changed keys than this in one reading is proven whole: its keys would not fit into memory."""


@dataclass(frozen=True)
class Changes:
    """Rows written up to a position: by table the keys before and after each change.

    `unknown` are tables that were written to in a way that tells no keys (truncated, or too many): all their rows count
    as changed. `is_last` says that the feed had nothing more when it was read.
    """

    until: str
    keys: Mapping[TableName, Keys]
    unknown: frozenset[TableName]
    is_last: bool


class ChangeFeed(Protocol):
    """Changes in the order in which they were committed. What is not confirmed comes again."""

    name: str
    """For the report: ``WAL through the replication slot cdcproof_scrub``."""

    def read(self, keys: Mapping[TableName, tuple[str, ...]], most: int) -> Changes:
        """The next changes of the tables, about `most` of them, told by these columns.

        Raises `CouldNotLookError` with what to do when the source no longer holds all of them.
        """
        ...

    def confirm(self, changes: Changes) -> None:
        """They are proven: the feed need not keep them."""
        ...
