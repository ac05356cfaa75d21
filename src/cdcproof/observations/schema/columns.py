"""The columns of each table on both sides: what the source has and the target lacks does not travel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdcproof.databases.names import Column
from cdcproof.findings import Observation
from cdcproof.pipeline.model import Table
from cdcproof.reconcile.plan.columns import counterparts_of

Sides = tuple[Sequence[Column], Sequence[Column]]
"""The columns at source and target."""


@dataclass(frozen=True)
class ColumnSets:
    """The columns of each expected table that is on both sides. One that is not is for morning.9-tables to say."""

    tables: Sequence[Table]
    seen: Mapping[str, Sides]
    """By the table's name."""

    def observation(self) -> Observation:
        """Every column of the source is at the target."""
        return Observation(self.found(), self.expected(), self.details(), unknown=self.unknown())

    def expected(self) -> dict[str, str]:
        """Every column of the source is at the target."""
        return dict.fromkeys(self.seen, "every column at the target")

    def found(self) -> dict[str, str]:
        """Table to that, or to the columns that the target lacks."""
        missing = self.missing()
        return {
            name: f"not at the target: {', '.join(column.name for column in missing[name])}" if missing[name] else word
            for name, word in self.expected().items()
        }

    def details(self) -> dict[str, str]:
        """Table to the line of the pipeline file that would accept what it lacks."""
        return {
            table.name: f"exclude = [{names}] in its [[tables]] would accept that"
            for table in self.tables
            if (lacking := self.missing().get(table.name))
            and (names := ", ".join(f'"{name}"' for name in (*table.exclude, *(column.name for column in lacking))))
        }

    def unknown(self) -> dict[str, str]:
        """Whether there is no table whose columns could be compared."""
        sentence = "No table of the pipeline file is on both sides, so no columns could be compared."
        remedy = "See morning.9-tables, which says where each table is missing and what adds it."
        return {} if self.seen else {sentence: remedy}

    def missing(self) -> dict[str, tuple[Column, ...]]:
        """Table to the columns that the target lacks, but those that are excluded or computed."""
        return {table.name: _missing(table, *self.seen[table.name]) for table in self.tables if table.name in self.seen}

    def rows(self) -> list[dict[str, object]]:
        """One row per table, for the report."""
        return [
            {"table": name, "columns at the source": len(source), "at the target": len(target)}
            for name, (source, target) in self.seen.items()
        ] + [{"table": t.name, "not seen": "it is not on both sides"} for t in self.tables if t.name not in self.seen]


def _missing(table: Table, source: Sequence[Column], target: Sequence[Column]) -> tuple[Column, ...]:
    there = counterparts_of(table.rename, source, target)
    return tuple(
        column
        for column in source
        if not column.computed and column.name not in table.exclude and column.name not in there
    )
