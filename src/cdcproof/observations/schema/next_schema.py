"""Whether the schema registry would take the next schema of a table: that which an added column makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cdcproof.clients.schema_registry import Schema
from cdcproof.core.json_text import parsed
from cdcproof.findings import Observation

_ADDED = {"name": "cdcproof_added_column", "type": ["null", "string"], "default": None}
_TAKES = "takes another column"
_NOT_TRIED = "not tried"
NO_SUBJECT = "no such subject"
_PRIMITIVES = frozenset(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
"""Avro's; any other name is of a type that is defined elsewhere."""


@dataclass(frozen=True)
class Subject:
    """A subject of a table. `takes` is None where that could not be tried, for the reason that `why_not` gives."""

    mode: str
    takes: bool | None
    why_not: str = ""

    @property
    def words(self) -> str:
        """What the next schema would meet."""
        if self.mode.startswith("READONLY"):
            return f"mode {self.mode}"
        return {True: _TAKES, False: "refuses another column", None: _NOT_TRIED}[self.takes]


@dataclass(frozen=True)
class NextSchemas:
    """The subjects of the tables' topics, and the compatibility that the registry demands where a subject says nothing."""

    subjects: Mapping[str, Subject]
    compatibility: str

    def observation(self) -> Observation:
        """The registry takes the next schema of each table; that it was not tried is a concern."""
        return Observation(self.found(), self.expected(), concerns=self.untried(), no_concern="tried")

    def expected(self) -> dict[str, str]:
        """Each takes the schema that an added column makes, as far as that was tried."""
        return {name: _NOT_TRIED if words == _NOT_TRIED else _TAKES for name, words in self.found().items()}

    def found(self) -> dict[str, str]:
        """Subject to what it would do."""
        return {name: subject.words for name, subject in self.subjects.items()}

    def refusing(self) -> dict[str, str]:
        """Subject to why it would refuse."""
        return {name: words for name, words in self.found().items() if words not in (_TAKES, _NOT_TRIED)}

    def untried(self) -> dict[str, str]:
        """Subject to why nothing is known of what it would do.

        Nothing where no table has one: the connectors then write without the registry, or under names of their own.
        """
        if all(one.why_not == NO_SUBJECT for one in self.subjects.values()):
            return {}
        return {name: one.why_not for name, one in self.subjects.items() if one.words == _NOT_TRIED}

    def rows(self) -> list[dict[str, object]]:
        """One row per subject, for the report."""
        tried = {True: "yes", False: "NO", None: _NOT_TRIED}
        return [
            {"subject": name, "mode": s.mode or None, "takes another column": tried[s.takes], "why": s.why_not or None}
            for name, s in self.subjects.items()
        ]


def with_another_column(schema: Schema) -> Schema | None:
    """The schema after a nullable column was added at the source; None where it has a form that is not known.

    Debezium's records have the row twice, as `before` and `after`, which refer to one definition; flattened they are the row.
    """
    if schema.kind != "AVRO":
        return None
    try:
        stored = parsed(schema.text)
    except ValueError:
        return None
    row = _row(stored)
    if row is None:
        return None
    row["fields"] = [*row["fields"], _ADDED]
    return replace(schema, text=json.dumps(stored))


def _row(stored: Any) -> dict[str, Any] | None:
    if not isinstance(stored, dict) or stored.get("type") != "record" or not isinstance(stored.get("fields"), list):
        return None
    for field in stored["fields"]:
        if isinstance(field, dict) and field.get("name") in ("before", "after"):
            choices = field["type"] if isinstance(field.get("type"), list) else [field.get("type")]
            rows = [one for one in choices if isinstance(one, dict) and isinstance(one.get("fields"), list)]
            if rows:
                return rows[0]
            if any(isinstance(one, str) and one not in _PRIMITIVES for one in choices):
                return None
    return stored  # a column may have one of these names too
