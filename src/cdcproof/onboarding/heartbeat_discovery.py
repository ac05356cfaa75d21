"""Which of the captured tables holds the beat that Debezium writes with its heartbeats: nobody's data, and the measure of freshness.

Pure: what was found is given. Debezium's `heartbeat.action.query`, in the documentation of its connectors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cdcproof.onboarding.addresses import AddNote
from cdcproof.pipeline import model
from cdcproof.pipeline.model import PLACEHOLDER

_COLUMN = "beat_at"
_QUERY = "heartbeat.action.query"


def take_beat(
    config: Mapping[str, str], tables: Sequence[model.Table], note: AddNote
) -> tuple[tuple[model.Table, ...], model.Freshness | None]:
    """The tables without that of the beat, and the beat. One whose column is not known stays among the tables, with a note."""
    query = config.get(_QUERY, "")
    beats = [table for table in tables if _names(query, table.source.partition(".")[2])]
    if len(beats) != 1 or len(tables) == 1:
        return tuple(tables), None
    [beat] = beats
    if not _names(query, _COLUMN) or beat.target == PLACEHOLDER:
        note(
            "freshness",
            f"{beat.source} is written by {_QUERY}, with each heartbeat: if a column of it has the time, "
            "[freshness] with source, target and column shows how old the target is.",
        )
        return tuple(tables), None
    note(
        "freshness",
        f"{beat.source} is written by {_QUERY}, with each heartbeat: it is nobody's data, and not compared.",
    )
    return tuple(table for table in tables if table is not beat), model.Freshness(
        source=beat.source, target=beat.target
    )


def _names(query: str, name: str) -> bool:
    """Whether a statement has this name as a word, whatever its case."""
    return bool(name) and re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", query, re.IGNORECASE) is not None
