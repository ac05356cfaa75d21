"""What of a table is compared: which columns meet, by which key, and what is left out and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdcproof.databases.base import Column, TableName
from cdcproof.errors import UnexpectedAnswerError
from cdcproof.pipeline import Engine
from cdcproof.reconcile.canonical import Kind, kind_of


@dataclass(frozen=True)
class TablePair:
    """A table under the name the report uses, where it is on both sides, and its key if it is declared."""

    name: str
    source: TableName
    target: TableName
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class Structure:
    """A table as one side's catalogue has it."""

    engine: Engine
    table: TableName
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Columns that are compared, in the same order on both sides, the `key_width` key columns first (0: no key)."""

    source: tuple[Column, ...]
    target: tuple[Column, ...]
    key_width: int
    not_compared: tuple[str, ...]
    absent_at_target: tuple[str, ...]
    """Columns with data at the source that the target does not have: a difference in itself."""


def plan(source: Structure, target: Structure, key: Sequence[str] = ()) -> Plan:
    """Match columns by name (else by name in any case) and decide the key: the declared one, else a primary key.

    Raises `UnexpectedAnswerError` when the key or everything else cannot be compared.
    """
    pairs, left_out, absent = _match(source, target)
    found = {s.name: (s, t) for s, t in pairs}
    wanted = tuple(key) or source.primary_key or _as_source_names(target.primary_key, pairs)
    unusable = [name for name in wanted if name not in found]
    if unusable:
        raise UnexpectedAnswerError(
            f"{source.table} cannot be compared by its key: {', '.join(unusable)} is not a comparable column of both sides.",
            f"Left out: {'; '.join(left_out) or 'nothing'}. Check the key's spelling in the pipeline file and the columns at both sides.",
        )
    if not pairs:
        raise UnexpectedAnswerError(
            f"{source.table} and {target.table} have no column that can be compared.",
            f"Left out: {'; '.join(left_out) or 'nothing'}. Check that they are the same table.",
        )
    ordered = [found[name] for name in wanted] + [pair for pair in pairs if pair[0].name not in wanted]
    return Plan(
        source=tuple(s for s, _ in ordered),
        target=tuple(t for _, t in ordered),
        key_width=len(wanted),
        not_compared=tuple(left_out),
        absent_at_target=tuple(absent),
    )


def _match(source: Structure, target: Structure) -> tuple[list[tuple[Column, Column]], list[str], list[str]]:
    pairs: list[tuple[Column, Column]] = []
    left_out: list[str] = []
    absent: list[str] = []
    remaining = {column.name: column for column in target.columns}
    for column in source.columns:
        counterpart = remaining.pop(_name_of(column.name, remaining), None)
        kind = kind_of(source.engine, column)
        reason = _never_compared(source.engine, column, kind)
        if reason:
            left_out.append(f"{column.name} ({reason})")
        elif counterpart is None:
            left_out.append(f"{column.name} (not at the target)")
            absent.append(column.name)
        elif kind != kind_of(target.engine, counterpart):
            left_out.append(
                f"{column.name} ({column.type} at the source, {counterpart.type} at the target: not compared)"
            )
        else:
            pairs.append((column, counterpart))
    left_out += [f"{name} (only at the target: not compared)" for name in remaining]
    return pairs, left_out, absent


def _never_compared(engine: Engine, column: Column, kind: Kind | None) -> str:
    if engine == "sqlserver" and column.type == "timestamp":
        return "rowversion: every server counts its own"
    if column.computed:
        return "computed: not compared"
    return "" if kind else f"{column.type}: not compared"


def _name_of(name: str, candidates: dict[str, Column]) -> str:
    if name in candidates:
        return name
    alike = [candidate for candidate in candidates if candidate.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else name


def _as_source_names(target_key: Sequence[str], pairs: Sequence[tuple[Column, Column]]) -> tuple[str, ...]:
    """The target's key in the source's names; empty unless the whole of it is compared."""
    names = {t.name: s.name for s, t in pairs}
    return tuple(names[name] for name in target_key) if all(name in names for name in target_key) else ()
