"""What of a table is compared: which columns meet, in which forms, by which key and in which chunks, what is left out and why. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cdcproof.databases import postgresql_hash
from cdcproof.databases.base import Column, TableName
from cdcproof.databases.kinds import Fidelity, Form, Kind, entry_of, form_of, narrowed, ways_of
from cdcproof.databases.readings import Meeting
from cdcproof.databases.scan import Chunking, RowHash, Scan, Told
from cdcproof.engines import Engine
from cdcproof.errors import UnexpectedAnswerError

_EXCLUDED = "excluded in the pipeline file"
_ONLY_AT_TARGET = "only at the target"


@dataclass(frozen=True)
class TablePair:
    """A table under the name the report uses, where it is on both sides, and what the pipeline file says of it.

    `key`, `exclude` and the names in `rename` are the source's; the filters are SQL of their side, empty for all rows.
    """

    name: str
    source: TableName
    target: TableName
    key: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    source_filter: str = ""
    target_filter: str = ""
    update_column: str = ""
    written_as: Mapping[str, str] = field(default_factory=dict)
    row_policies: tuple[str, ...] = ()
    """Those that are known to hide no row."""


@dataclass(frozen=True)
class Structure:
    """A table as one side's catalogue has it."""

    engine: Engine
    table: TableName
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    row_policies: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """A column that is not compared, by its name at the source (the target's where it is only there), and why.

    `source` and `target` are the columns whose data goes unseen: both None where nothing is missed, because the pipeline file
    excludes it, only one side has it, or no side stores it because each one computes it.
    """

    name: str
    reason: str
    source: Column | None = None
    target: Column | None = None
    at_target: str = ""
    """Of a column that the pipeline file excludes: its name at the target, where the target has it."""

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


@dataclass(frozen=True)
class Plan:
    """Both sides of a comparison, and what the report says of it. Column names are the source's."""

    source: Scan
    target: Scan
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


@dataclass(frozen=True)
class _Pair:
    name: str
    source: Column
    target: Column
    form: Form
    ways: tuple[Meeting, ...]


def compared(table: TablePair) -> dict[str, Any]:
    """What of a table is compared, as its result keeps it."""
    return {
        "source": str(table.source),
        "target": str(table.target),
        "source_filter": table.source_filter,
        "target_filter": table.target_filter,
        "rename": dict(table.rename),
        "exclude": list(table.exclude),
    }


def plan(table: TablePair, source: Structure, target: Structure) -> Plan:
    """Match columns by name and decide the key: the declared one, else the source's, else the target's, else none.

    The chunks are those of a small table until `chunking.chunked`. Raises `UnexpectedAnswerError` when the key or everything
    else cannot be compared, or the pipeline file names columns that are not there.
    """
    _demand_known(table, source, target)
    pairs, left_out, absent = _match(table, source, target)
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
        source=Scan(
            source.table,
            tuple(Told(pair.source, pair.form) for pair in ordered),
            width,
            Chunking(columns=width),
            table.source_filter,
        ),
        target=Scan(
            target.table,
            tuple(Told(pair.target, pair.form) for pair in ordered),
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
        rename_hint=_alike(absent, [one.name for one in left_out if one.reason == _ONLY_AT_TARGET]),
        suspects={
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
    chained = postgresql_hash.chained(plan.source.forms, never_null)
    source, target = (replace(scan, row_hash=RowHash.NATIVE, chained=chained) for scan in (plan.source, plan.target))
    return replace(plan, source=source, target=target)


def described(plan: Plan) -> dict[str, str]:
    """What decides which rows and values are compared, and how, in parts that have names: proofs and sums are good while it is the same."""

    def columns(scan: Scan) -> str:
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
        told = "; ".join(lost or [f"{name} ({reason})" for name, reason in reasons.items()])
        raise UnexpectedAnswerError(
            f"{plan.source.table} cannot be compared without {told}.",
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


def _demand_known(table: TablePair, source: Structure, target: Structure) -> None:
    at_source, at_target = {c.name for c in source.columns}, {c.name for c in target.columns}
    for what, names, there in (
        ("exclude", table.exclude, at_source | at_target),
        ("rename", table.rename, at_source),
        ("rename", table.rename.values(), at_target),
        ("written_as", table.written_as, at_source),
    ):
        unknown = [name for name in names if name not in there]
        if unknown:
            raise UnexpectedAnswerError(
                f"{table.name}: {what} names the column {unknown[0]}, which is not there.",
                f"Correct tables.{what} in the pipeline file; names are case-sensitive there.",
            )


def _match(table: TablePair, source: Structure, target: Structure) -> tuple[list[_Pair], list[LeftOut], list[str]]:
    pairs: list[_Pair] = []
    left_out: list[LeftOut] = []
    absent: list[str] = []
    remaining = {column.name: column for column in target.columns}
    renamed = {name: remaining.pop(name) for name in table.rename.values()}
    for column in source.columns:
        if column.name in table.rename:
            counterpart: Column | None = renamed[table.rename[column.name]]
        else:
            counterpart = remaining.pop(_name_of(column.name, remaining), None)
        if column.name in table.exclude:
            left_out.append(LeftOut(column.name, _EXCLUDED, at_target=counterpart.name if counterpart else ""))
        elif column.computed and (counterpart is None or counterpart.computed):
            left_out.append(LeftOut(column.name, "computed"))
        elif reason := _never_compared(source.engine, column):
            left_out.append(LeftOut(column.name, reason, column, counterpart))
        elif counterpart is None:
            left_out.append(LeftOut(column.name, "not at the target"))
            absent.append(column.name)
        elif reason := _never_compared_at_target(counterpart):
            left_out.append(LeftOut(column.name, reason, column, counterpart))
        elif ways := ways_of(source.engine, column, target.engine, counterpart):
            pairs.append(_paired(table, (source.engine, column), (target.engine, counterpart), ways))
        else:
            reason = f"{column.type} at the source, {counterpart.type} at the target"
            left_out.append(LeftOut(column.name, reason, column, counterpart))
    left_out += [LeftOut(name, _EXCLUDED if name in table.exclude else _ONLY_AT_TARGET) for name in remaining]
    return pairs, left_out, absent


def _paired(
    table: TablePair, source: tuple[Engine, Column], target: tuple[Engine, Column], ways: tuple[Meeting, ...]
) -> _Pair:
    """The pair as the pipeline file says that it is written, else as it most likely is."""
    (source_engine, column), (target_engine, counterpart) = source, target
    said = table.written_as.get(column.name)
    if said is not None:
        ways = tuple(way for way in ways if way.written_as == said) or _demand_way(
            table, column, counterpart, said, ways
        )
    ours, theirs = replace(column, reading=ways[0].source), replace(counterpart, reading=ways[0].target)
    form = form_of(source_engine, ours, target_engine, theirs)
    if form is None:
        raise TypeError(f"{column.type} and {counterpart.type} meet in no form")
    return _Pair(column.name, ours, theirs, form, ways)


def _demand_way(
    table: TablePair, column: Column, counterpart: Column, said: str, ways: Sequence[Meeting]
) -> tuple[Meeting, ...]:
    possible = [way.written_as for way in ways if way.written_as]
    raise UnexpectedAnswerError(
        f"{table.name}: written_as says that {column.name} is written as {said}, but {column.type} is not written so into {counterpart.type}.",
        f"Say one of {', '.join(possible)}." if possible else "Take it out of tables.written_as in the pipeline file.",
    )


def _listed(left_out: Sequence[LeftOut]) -> str:
    return "; ".join(map(str, left_out)) or "nothing"


def _alike(absent: Sequence[str], leftover: Sequence[str]) -> dict[str, str]:
    """Columns of the source to the only leftover of the target that is spelled as they are but for case and separators."""
    found = {name: [other for other in leftover if _bare(other) == _bare(name)] for name in absent}
    hint = {name: others[0] for name, others in found.items() if len(others) == 1}
    return {name: other for name, other in hint.items() if list(hint.values()).count(other) == 1}


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _never_compared_at_target(column: Column) -> str:
    if column.computed:
        return "computed at the target"
    return f"at the target {column.withheld}" if column.withheld else ""


def _never_compared(engine: Engine, column: Column) -> str:
    if column.computed:
        return "computed"
    if column.withheld:
        return column.withheld
    entry = entry_of(engine, column)
    return "" if entry.kind else f"{column.type}: {entry.rule}"


def _name_of(name: str, candidates: Mapping[str, Column]) -> str:
    """The candidate of that name, else the only one that is it but for case."""
    if name in candidates:
        return name
    alike = [candidate for candidate in candidates if candidate.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else name


def _key(table: TablePair, source: Structure, target: Structure, pairs: Sequence[_Pair]) -> tuple[str, ...]:
    """The key in the source's names; the target's counts only when the whole of it is compared."""
    if table.key or source.primary_key:
        by_name = {column.name: column for column in source.columns}
        return tuple(_name_of(name, by_name) for name in table.key or source.primary_key)
    names = {pair.target.name: pair.name for pair in pairs}
    return tuple(names[name] for name in target.primary_key) if names.keys() >= set(target.primary_key) else ()


def _divisible(pairs: Sequence[_Pair]) -> tuple[str, ...]:
    """Of a table without a key: a column whose values can be divided into ranges."""
    return next(
        ((pair.name,) for pair in pairs if _is_divisible(pair.source, pair.target, pair.form)),
        (),
    )


def _lossy(source: Engine, target: Engine, pairs: Sequence[_Pair]) -> list[str]:
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
