"""One set of tables along the pipeline: expected, captured, as topics, at the target."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cdcproof.databases.base import TableName
from cdcproof.pipeline import Pipeline

_PLACES = ("captured at the source", "topic", "target table")


@dataclass(frozen=True)
class TableSets:
    """Where each expected table was seen. A table captured that nobody expects is a difference too."""

    pipeline: Pipeline
    captured: Collection[TableName]
    topics: Collection[str]
    target_tables: Collection[TableName]

    def expected(self) -> dict[str, str]:
        """Every expected table is at every place."""
        return {f"{t.name}: {place}": "present" for t in self.pipeline.tables for place in _PLACES}

    def found(self) -> dict[str, str]:
        """Table and place to ``present`` or ``absent``; tables that are captured but not expected come last."""
        found = {
            f"{t.name}: {place}": "present" if seen else "absent"
            for t in self.pipeline.tables
            for place, seen in zip(_PLACES, self._seen(t.name), strict=True)
        }
        expected = {TableName.parse(t.source) for t in self.pipeline.tables}
        return found | {f"{t}: {_PLACES[0]}": "present" for t in sorted(set(self.captured) - expected)}

    def missing(self) -> tuple[str, ...]:
        """Names of expected tables that are not everywhere."""
        return tuple(t.name for t in self.pipeline.tables if not all(self._seen(t.name)))

    def rows(self) -> list[dict[str, object]]:
        """One row per expected table, for the report."""
        return [
            {"table": t.name, **{p: "yes" if s else "NO" for p, s in zip(_PLACES, self._seen(t.name), strict=True)}}
            for t in self.pipeline.tables
        ]

    def _seen(self, name: str) -> tuple[bool, bool, bool]:
        table = next(t for t in self.pipeline.tables if t.name == name)
        return (
            TableName.parse(table.source) in self.captured,
            table.topic in self.topics,
            TableName.parse(table.target) in self.target_tables,
        )
