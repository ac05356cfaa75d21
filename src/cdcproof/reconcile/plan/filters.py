"""Filters that answer alike at each look at the same row, and those that do not: with them, equal rows prove nothing."""

from __future__ import annotations

from collections.abc import Sequence

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.condition import Unsteady
from cdcproof.databases.contracts.database import Database
from cdcproof.reconcile.concurrency import Stop, both
from cdcproof.reconcile.plan.columns import TablePair


def demand_steady(table: TablePair, source: Database, target: Database, stop: Stop) -> None:
    """Raise `UnexpectedAnswerError` where a filter or a view may show a row at one look and not at the next, and where that is not known."""
    found = both(
        stop,
        lambda: source.catalogue.unsteady(table.source, table.source_filter) if table.source_filter else (),
        lambda: target.catalogue.unsteady(table.target, table.target_filter) if table.target_filter else (),
    )
    for side, parts in zip(("source", "target"), found, strict=True):
        if parts:
            raise UnexpectedAnswerError(*refusal(table.where(side), parts))
    views = both(
        stop,
        lambda: source.catalogue.unsteady_view(table.source),
        lambda: target.catalogue.unsteady_view(table.target),
    )
    for side, name, parts in zip(("source", "target"), (table.source, table.target), views, strict=True):
        if parts:
            raise UnexpectedAnswerError(_unproven(f"{name} at the {side} may show a row", parts), _instead(parts))


def refusal(key: str, parts: Sequence[Unsteady]) -> tuple[str, str]:
    """What is wrong with a side's filter, by the key or the flag that it stands in, and what to write instead."""
    return _unproven(f"{key} may let a row through", parts), f"Correct {key}. {_instead(parts)}"


def _unproven(what: str, parts: Sequence[Unsteady]) -> str:
    return f"{what} at one look and not at the next, so rows that are equal would prove nothing: {'; '.join(map(str, parts))}."


def _instead(parts: Sequence[Unsteady]) -> str:
    return " ".join(dict.fromkeys(part.instead for part in parts))
