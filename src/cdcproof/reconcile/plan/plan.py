"""What of a table is compared: which columns meet, in which forms, by which key and in which chunks, what is left out and why. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.names import Column
from cdcproof.databases.postgresql.queries import row_hash as native_hash
from cdcproof.databases.table_read import Chunking, ColumnRead, RowHash, TableRead
from cdcproof.databases.values.conversions import Meeting
from cdcproof.databases.values.types import Fidelity, Form, Kind, entry_of, narrowed
from cdcproof.pipeline.engines import Engine
from cdcproof.reconcile.plan.columns import (
    ONLY_AT_TARGET,
    LeftOut,
    Pair,
    Structure,
    TablePair,
    demand_known,
    match,
    name_of,
)


@dataclass(frozen=True)
class Plan:
    """Both sides of a comparison, and what the report says of it. Column names are the source's."""

    source: TableRead
    target: TableRead
    multiset: bool
    """No key: whole rows are compared and counted."""
    names: tuple[str, ...]
    """The columns of the scans, in their order."""
    left_out: tuple[LeftOut, ...] = ()
    hidden_rows: tuple[str, ...] = ()
    """Rows that a policy may hide, in the report's words."""
    row_policies: tuple[str, ...] = ()
    """The policies that may hide them, by name."""
    may_lack_rows: bool = False
    """Whether the pipeline file does not say of one of them that it hides none."""
    columns: int = 0
    """How many columns the source's table has."""
    lossy: tuple[str, ...] = ()
    """Columns that are compared for less than they hold, each with the rule."""
    absent_at_target: tuple[str, ...] = ()
    """Columns of the source that the target does not have: a difference in itself."""
    rename_hint: Mapping[str, str] = field(default_factory=dict)
    """Of those: the name of a column that only the target has and that may be the same one."""
    suspects: Mapping[str, str] = field(default_factory=dict)
    """Columns of which a difference has a cause that shows without a row: what to say of it."""
    narrower: Mapping[str, str] = field(default_factory=dict)
    """Columns whose type at the target cannot hold every value of the source: what to say where one of them differs."""
    ways: Mapping[str, tuple[Meeting, ...]] = field(default_factory=dict)
    """Columns that can be compared in several ways, the one that the plan has first: which it is, the data says (`representation`)."""
    unhashed: Mapping[str, str] = field(default_factory=dict)
    """Columns that a server cannot hash, each with the reason: they can be streamed, but not pushed down."""

    @property
    def not_compared(self) -> tuple[str, ...]:
        """Columns left out, each with its reason: ``photo (xml: …)``; and that rows may be hidden."""
        return (*map(str, self.left_out), *self.hidden_rows)

    @property
    def unread_at_target(self) -> tuple[str, ...]:
        """Columns of the target whose data at the source is not compared, by their names there."""
        names = (
            one.at_target or (one.target.name if one.target and not one.target.computed else "")
            for one in self.left_out
        )
        return tuple(filter(None, names))

    @property
    def range_column(self) -> tuple[Column, Column] | None:
        """The first column at source and target when its values can be divided into ranges: an integer, never NULL."""
        source, target = self.source.columns[0], self.target.columns[0]
        divisible = _is_divisible(source.column, target.column, source.form)
        return (source.column, target.column) if divisible else None


def plan(table: TablePair, source: Structure, target: Structure) -> Plan:
    """Match columns by name and decide the key: the declared one, else the source's, else the target's, else none.

    The chunks are those of a small table until `chunking.chunked`. Raises `UnexpectedAnswerError` when the key or everything
    else cannot be compared, or the pipeline file names columns that are not there.
    """
    demand_known(table, source, target)
    pairs, left_out, absent = match(table, source, target)
    if not pairs:
        raise UnexpectedAnswerError(
            f"{source.table} and {target.table} have no column that can be compared.",
            f"Left out: {_listed(left_out)}. Check that they are the same table.",
        )
    found = {pair.name: pair for pair in pairs}
    key = _key(table, source, target, pairs)
    unusable = [name for name in key if name not in found]
    if unusable:
        raise UnexpectedAnswerError(
            f"{source.table} cannot be compared by its key: {', '.join(unusable)} is not a comparable column of both sides.",
            f"Left out: {_listed(left_out)}. Name other columns as the table's key in the pipeline file.",
        )
    first = key or _divisible(pairs)
    ordered = [found[name] for name in first] + [pair for pair in pairs if pair.name not in first]
    width = len(key) or len(ordered)
    return Plan(
        source=TableRead(
            source.table,
            tuple(ColumnRead(pair.source, pair.form) for pair in ordered),
            width,
            Chunking(columns=width),
            table.source_filter,
        ),
        target=TableRead(
            target.table,
            tuple(ColumnRead(pair.target, pair.form) for pair in ordered),
            width,
            Chunking(columns=width),
            table.target_filter,
        ),
        multiset=not key,
        names=tuple(pair.name for pair in ordered),
        left_out=tuple(left_out),
        hidden_rows=hidden_rows(source.row_policies, target.row_policies),
        row_policies=policies_of(source.row_policies, target.row_policies),
        may_lack_rows=may_lack_rows(table, policies_of(source.row_policies, target.row_policies)),
        columns=len(source.columns),
        lossy=tuple(_lossy(source.engine, target.engine, pairs)),
        absent_at_target=tuple(absent),
        rename_hint=_alike(absent, [one.name for one in left_out if one.reason == ONLY_AT_TARGET]),
        narrower={
            pair.name: f"{pair.name} is narrower at the target: {types}"
            for pair in pairs
            if (types := narrowed(pair.source, pair.target, pair.form.kind))
        },
        ways={pair.name: pair.ways for pair in pairs if len(pair.ways) > 1},
    )


def hidden_rows(source: Sequence[str], target: Sequence[str]) -> tuple[str, ...]:
    """What the report says of policies that may hide rows from the account of either side."""
    return tuple(
        f"rows that {policy} hides from the {side}'s account, if any"
        for side, policies in (("source", source), ("target", target))
        for policy in policies
    )


def policies_of(source: Sequence[str], target: Sequence[str]) -> tuple[str, ...]:
    """The policies of both sides, each once."""
    return tuple(dict.fromkeys((*source, *target)))


def may_lack_rows(table: TablePair, policies: Sequence[str]) -> bool:
    """Whether the pipeline file does not say of one of the policies that it hides no row."""
    return not set(policies) <= set(table.row_policies)


def natively_hashed(plan: Plan) -> Plan:
    """The plan with the hash that PostgreSQL's own functions make, for servers that were seen to make it."""
    never_null = [
        _never_null(ours.column, theirs.column)
        for ours, theirs in zip(plan.source.columns, plan.target.columns, strict=True)
    ]
    chained = native_hash.chained(plan.source.forms, never_null)
    source, target = (replace(scan, row_hash=RowHash.NATIVE, chained=chained) for scan in (plan.source, plan.target))
    return replace(plan, source=source, target=target)


def described(plan: Plan) -> dict[str, str]:
    """What decides which rows and values are compared, and how, in parts that have names: proofs and sums are good while it is the same."""

    def columns(scan: TableRead) -> str:
        return json.dumps([asdict(one) for one in scan.columns], default=str)

    return {
        "the source's columns": columns(plan.source),
        "the target's columns": columns(plan.target),
        "the hash of rows": plan.source.row_hash,
        "the key": json.dumps([plan.multiset, *plan.names[: plan.source.key_width]]),
        "the filters": json.dumps([plan.source.predicate, plan.target.predicate]),
    }


_ANOTHER_KEY = "Name other columns as the table's key in the pipeline file."
_STREAM = "Let the table be streamed, without --strategy push-down and --budget, or name other columns as its key in the pipeline file."


def without(plan: Plan, reasons: Mapping[str, str], remedy: str = _ANOTHER_KEY) -> Plan:
    """The plan without these columns, each of which gets its reason. Raises `UnexpectedAnswerError`, with the remedy, for one of the key."""
    if not reasons:
        return plan
    key = () if plan.multiset else plan.names[: plan.source.key_width]
    lost = [f"{name} ({reason})" for name, reason in reasons.items() if name in key]
    kept = [place for place, name in enumerate(plan.names) if name not in reasons]
    if lost or not kept:
        names = "; ".join(lost or [f"{name} ({reason})" for name, reason in reasons.items()])
        raise UnexpectedAnswerError(
            f"{plan.source.table} cannot be compared without {names}.",
            remedy if lost else "",
        )
    width = len(kept) if plan.multiset else plan.source.key_width
    columns = {
        name: (ours.column, theirs.column)
        for name, ours, theirs in zip(plan.names, plan.source.columns, plan.target.columns, strict=True)
    }
    source, target = (
        replace(
            scan,
            columns=tuple(scan.columns[place] for place in kept),
            key_width=width,
            chunking=replace(scan.chunking, columns=width),
        )
        for scan in (plan.source, plan.target)
    )
    return replace(
        plan,
        source=source,
        target=target,
        names=tuple(plan.names[place] for place in kept),
        left_out=(*plan.left_out, *(LeftOut(name, reason, *columns[name]) for name, reason in reasons.items())),
        unhashed={name: reason for name, reason in plan.unhashed.items() if name not in reasons},
        ways={name: ways for name, ways in plan.ways.items() if name not in reasons},
        suspects={name: said for name, said in plan.suspects.items() if name not in reasons},
        narrower={name: said for name, said in plan.narrower.items() if name not in reasons},
    )


def pushed_down(plan: Plan) -> Plan:
    """The plan as both servers can hash it. Raises as `without`."""
    return without(plan, plan.unhashed, _STREAM)


def _is_divisible(source: Column, target: Column, form: Form) -> bool:
    """Whether the values, as both sides hold them, can be divided into ranges."""
    is_read = source.reading or target.reading
    return form.kind is Kind.INTEGER and not is_read and _never_null(source, target)


def _never_null(source: Column, target: Column) -> bool:
    return not (source.nullable or target.nullable)


def _listed(left_out: Sequence[LeftOut]) -> str:
    return "; ".join(map(str, left_out)) or "nothing"


def _alike(absent: Sequence[str], leftover: Sequence[str]) -> dict[str, str]:
    """Columns of the source to the only leftover of the target that is spelled as they are but for case and separators."""
    found = {name: [other for other in leftover if _bare(other) == _bare(name)] for name in absent}
    hint = {name: others[0] for name, others in found.items() if len(others) == 1}
    return {name: other for name, other in hint.items() if list(hint.values()).count(other) == 1}


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _key(table: TablePair, source: Structure, target: Structure, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """The key in the source's names; the target's counts only when the whole of it is compared."""
    if table.key or source.primary_key:
        by_name = {column.name: column for column in source.columns}
        return tuple(name_of(name, by_name) for name in table.key or source.primary_key)
    names = {pair.target.name: pair.name for pair in pairs}
    return tuple(names[name] for name in target.primary_key) if names.keys() >= set(target.primary_key) else ()


def _divisible(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Of a table without a key: a column whose values can be divided into ranges."""
    return next(
        ((pair.name,) for pair in pairs if _is_divisible(pair.source, pair.target, pair.form)),
        (),
    )


def _lossy(source: Engine, target: Engine, pairs: Sequence[Pair]) -> list[str]:
    return [
        f"{pair.name} ({found})"
        for pair in pairs
        if (found := lost(source, pair.source, target, pair.target, pair.ways[0]))
    ]


def lost(source: Engine, ours: Column, target: Engine, theirs: Column, way: Meeting) -> str:
    """What is lost where two columns are compared in this way; empty where nothing is."""
    entries = [(ours, entry_of(source, ours)), (theirs, entry_of(target, theirs))]
    rules = {
        entry.rule: f"{column.type}: {entry.rule}"
        for column, entry in entries
        if entry.fidelity is Fidelity.LOSSY and not (column.reading and entry.kind in _AS_THEY_ARRIVE)
    }
    if way.rule:
        rules[way.rule] = f"{ours.type} as {theirs.type}: {way.rule}"
    if ours.type == "datetime" and ours.reading:
        rule = entry_of(source, ours).rule
        rules[rule] = f"{ours.type}: {rule}"
    return "; ".join(rules.values())


_AS_THEY_ARRIVE = (Kind.TIME, Kind.TIMESTAMP, Kind.INSTANT, Kind.FLOAT, Kind.SINGLE)
"""Kinds of which a reading keeps other digits than the contract says of the type alone."""
