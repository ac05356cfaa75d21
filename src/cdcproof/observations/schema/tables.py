"""One set of tables along the pipeline: expected, captured, as topics, at the target."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from cdcproof.databases.names import TableName
from cdcproof.findings import Observation
from cdcproof.pipeline.model import Pipeline

CAPTURED, TOPIC, AT_TARGET = _PLACES = ("captured at the source", "topic", "target table")


@dataclass(frozen=True)
class TableSets:
    """Where each expected table was seen. A table captured that nobody expects is a difference too.

    `captured` are those that the database captures and the lists of a source connector let through: no other counts. Those that it
    does not let through are `passed_over`, for the report.
    """

    pipeline: Pipeline
    captured: Collection[TableName]
    topics: Collection[str]
    target_tables: Collection[TableName]
    passed_over: Collection[TableName] = ()
    unlogged: Mapping[str, Collection[TableName]] = field(default_factory=dict)
    """Expected table to what of it at the target a crash of its server empties: it, or partitions of it."""

    def observation(self) -> Observation:
        """Every expected table is at every place, and no other is captured. One that a crash empties is a concern."""
        return Observation(self.found(), self.expected(), concerns=self.risks(), no_concern="logged")

    def risks(self) -> dict[str, str]:
        """Tables of the target that a crash of its server empties, or of which it empties a part."""
        return {
            f"{name}: {AT_TARGET}": f"{', '.join(map(str, parts))} UNLOGGED, which a crash of the server empties"
            for name, parts in self.unlogged.items()
        }

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
        others = (t for t in sorted(set(self.captured) - expected) if not self._is_accepted(t))
        return found | {f"{t}: {_PLACES[0]}": "present" for t in others}

    def missing(self) -> tuple[str, ...]:
        """Names of expected tables that are not everywhere."""
        return tuple(t.name for t in self.pipeline.tables if not all(self._seen(t.name)))

    def rows(self) -> list[dict[str, object]]:
        """One row per expected table, for the report, and one per table that is captured and does not count."""
        accepted = {
            str(t): "yes, as source.other_tables or [freshness] says" for t in self.captured if self._is_accepted(t)
        }
        over = {str(t): "passed over by the connector" for t in self.passed_over}
        expected: list[dict[str, object]] = [
            {"table": t.name, **{p: "yes" if s else "NO" for p, s in zip(_PLACES, self._seen(t.name), strict=True)}}
            for t in self.pipeline.tables
        ]
        return expected + [{"table": t, _PLACES[0]: word} for t, word in sorted((over | accepted).items())]

    def _is_accepted(self, table: TableName) -> bool:
        expected = {t.source for t in self.pipeline.tables}
        freshness, patterns = self.pipeline.freshness, self.pipeline.source.other_tables
        is_beat = freshness is not None and str(table) == freshness.source
        return str(table) not in expected and (is_beat or any(fnmatchcase(str(table), one) for one in patterns))

    def _seen(self, name: str) -> tuple[bool, bool, bool]:
        table = next(t for t in self.pipeline.tables if t.name == name)
        return (
            TableName.parse(table.source) in self.captured,
            table.topic in self.topics,
            TableName.parse(table.target) in self.target_tables,
        )
