"""Whether the schema registry would take the next schema of a table: that which an added column makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cdcproof.clients.registry import Schema

_ADDED = {"name": "cdcproof_added_column", "type": ["null", "string"], "default": None}
_TAKES = "takes another column"


@dataclass(frozen=True)
class Subject:
    """A subject of the registry. `takes` is None where that could not be tried: no Avro, or a form that is not known."""

    mode: str
    takes: bool | None

    @property
    def words(self) -> str:
        """What the next schema would meet."""
        if self.mode.startswith("READONLY"):
            return f"mode {self.mode}"
        return "refuses another column" if self.takes is False else _TAKES


@dataclass(frozen=True)
class NextSchemas:
    """The subjects of the tables' topics, and the compatibility that the registry demands where a subject says nothing."""

    subjects: Mapping[str, Subject]
    compatibility: str

    def expected(self) -> dict[str, str]:
        """Each takes the schema that an added column makes."""
        return dict.fromkeys(self.found(), _TAKES)

    def found(self) -> dict[str, str]:
        """Subject to what it would do; the registry itself where no table has a subject there."""
        return {name: subject.words for name, subject in self.subjects.items()} or {"no subject of a table": _TAKES}

    def refusing(self) -> dict[str, str]:
        """Subject to why it would refuse."""
        return {name: words for name, words in self.found().items() if words != _TAKES}

    def rows(self) -> list[dict[str, object]]:
        """One row per subject, for the report."""
        tried = {True: "yes", False: "NO", None: "not tried"}
        return [
            {"subject": name, "mode": s.mode or None, "takes another column": tried[s.takes]}
            for name, s in self.subjects.items()
        ] or [{"subject": "none", "mode": None, "takes another column": None}]


def with_another_column(schema: Schema) -> Schema | None:
    """The schema after a nullable column was added at the source; None where it has a form that is not known.

    Debezium's records have the row twice, as `before` and `after`, which refer to one definition; flattened they are the row.
    """
    if schema.kind != "AVRO":
        return None
    try:
        told = json.loads(schema.text)
    except ValueError:
        return None
    row = _row(told)
    if row is None:
        return None
    row["fields"] = [*row["fields"], _ADDED]
    return replace(schema, text=json.dumps(told))


def _row(told: Any) -> dict[str, Any] | None:
    if not isinstance(told, dict) or told.get("type") != "record" or not isinstance(told.get("fields"), list):
        return None
    for field in told["fields"]:
        if isinstance(field, dict) and field.get("name") in ("before", "after"):
            choices = field["type"] if isinstance(field.get("type"), list) else [field.get("type")]
            rows = [one for one in choices if isinstance(one, dict) and isinstance(one.get("fields"), list)]
            return rows[0] if rows else None
    return told
