"""Whether a report is about this pipeline: its name, both addresses, and what of each table was compared. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cdcproof.pipeline.engines import DatabaseAddress
from cdcproof.pipeline.model import Pipeline, Table
from cdcproof.reconcile.plan.columns import EXCLUDED, EXCLUDED_BY_FLAG, ONLY_AT_TARGET
from cdcproof.reconcile.report.result import Report, TableResult, TableStatus

_PLACE = re.compile(r"(\w+)://(.+):(\d+)/(.+)")
_LOOPBACK = ("127.0.0.1", "::1", "[::1]", "localhost")


def place_of(database: DatabaseAddress) -> str:
    """``type://host:port/database``, as reports and metrics name a side."""
    return f"{database.type}://{database.host}:{database.port}/{database.database}"


def is_same_place(one: str, other: str) -> bool:
    """Whether two addresses are the same; the names of this machine's own loopback are one."""
    parts = [_parts(place) for place in (one, other)]
    return parts[0] is not None and parts[0] == parts[1]


def foreign(report: Report, pipeline: Pipeline) -> str:
    """Why a report is not about this pipeline; empty where it is."""
    if report.pipeline and report.pipeline != pipeline.name:
        return f"of another pipeline: {report.pipeline}"
    for side, place, database in (
        ("source", report.source, pipeline.source),
        ("target", report.target, pipeline.target),
    ):
        if not is_same_place(place, place_of(database)):
            return f"of another {side}: {place or 'none named'}, not {place_of(database)}"
    return ""


def are_of_the_same(one: Report, other: Report) -> bool:
    """Whether two reports of the same addresses are of the same databases there, as far as that is known."""
    pairs = ((one.source_identity, other.source_identity), (one.target_identity, other.target_identity))
    return all(ours is None or theirs is None or ours.is_same_database(theirs) for ours, theirs in pairs)


def as_declared(result: TableResult, table: Table) -> TableResult | None:
    """The result as it counts by the pipeline file of today; None where other tables, rows or representations were compared.

    A column that the file does not exclude any more is missing in a MATCH; one that it excludes now is no longer missed. So it is
    with policies that may hide rows.
    A report of a version that did not look for data in the columns left out may have missed some.
    """
    compared: Mapping[str, Any] = result.compared or {}
    declared = {
        "source": table.source,
        "target": table.target,
        "source_filter": table.source_filter or "",
        "target_filter": table.target_filter or "",
        "rename": dict(table.rename),
        "written_as": dict(table.written_as),
    }
    if any(compared.get(what, value) != value for what, value in declared.items()):
        return None
    unseen = tuple(
        dict.fromkeys(
            name
            for name in (*result.unseen, *_excluded(result), *_left_out_unlooked(result))
            if name not in table.exclude
        )
    )
    is_incomplete = bool(unseen) or not set(result.row_policies) <= set(table.row_policies)
    if result.status is TableStatus.MATCH and is_incomplete:
        return replace(result, status=TableStatus.INCOMPLETE, unseen=unseen)
    if result.status is TableStatus.INCOMPLETE and (result.unseen or result.row_policies) and not is_incomplete:
        return replace(result, status=TableStatus.MATCH, unseen=())
    return replace(result, unseen=unseen)


def _excluded(result: TableResult) -> list[str]:
    """What the pipeline file excluded when contents were compared."""
    return list((result.compared or {}).get("exclude", ())) if result.checksums_match is not None else []


def _left_out_unlooked(result: TableResult) -> list[str]:
    if result.columns_compared is not None or not result.checksums_match:
        return []
    harmless = tuple(f"({reason})" for reason in (EXCLUDED, EXCLUDED_BY_FLAG, ONLY_AT_TARGET, "computed"))
    return [
        text.partition(" (")[0]
        for text in result.not_compared
        if not text.endswith(harmless) and not text.startswith("rows that ")
    ]


def _parts(place: str) -> tuple[str, str, str, str] | None:
    found = _PLACE.fullmatch(place)
    if not found:
        return None
    host = found[2].lower()
    return found[1], "localhost" if host in _LOOPBACK else host, found[3], found[4]
