"""Which columns of a table meet, by name and by what each side can make of them, and why the others do not. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.values.conversions import Meeting
from cdcproof.databases.values.types import Form, entry_of, form_of, ways_of
from cdcproof.pipeline.engines import Engine

EXCLUDED = "excluded in the pipeline file"
EXCLUDED_BY_FLAG = "excluded by --exclude"
ONLY_AT_TARGET = "only at the target"


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
    by_flags: bool = False
    """Whether flags of the command say all that, and no pipeline file."""

    @property
    def excluded(self) -> str:
        """Why a column of `exclude` is left out, as reports have it."""
        return EXCLUDED_BY_FLAG if self.by_flags else EXCLUDED

    def where(self, side: str) -> str:
        """What says which rows of a side count, for messages."""
        if self.by_flags:
            return f"--where (or --{side}-where) of {self.name}"
        return f"tables.{side}_filter of {self.name} in the pipeline file"


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
class Pair:
    """Two columns that meet: the form in which they are compared, and every way in which they could be."""

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
        "written_as": dict(table.written_as),
        "exclude": list(table.exclude),
    }


def demand_known(table: TablePair, source: Structure, target: Structure) -> None:
    """Raise `UnexpectedAnswerError` where the pipeline file names a column that is not there."""
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
                f"Correct {'--exclude' if table.by_flags else f'tables.{what} in the pipeline file'}; names are case-sensitive there.",
            )


def match(table: TablePair, source: Structure, target: Structure) -> tuple[list[Pair], list[LeftOut], list[str]]:
    """The pairs, what is left out, and the columns of the source that the target does not have."""
    pairs: list[Pair] = []
    left_out: list[LeftOut] = []
    absent: list[str] = []
    counterparts = counterparts_of(table.rename, source.columns, target.columns)
    for column in source.columns:
        counterpart = counterparts.get(column.name)
        if column.name in table.exclude:
            left_out.append(LeftOut(column.name, table.excluded, at_target=counterpart.name if counterpart else ""))
        elif column.computed and (counterpart is None or counterpart.computed):
            left_out.append(LeftOut(column.name, "computed"))
        elif reason := _never_compared(source.engine, column):
            left_out.append(LeftOut(column.name, reason, column, counterpart))
        elif counterpart is None:
            left_out.append(LeftOut(column.name, "not at the target"))
            absent.append(column.name)
        elif reason := _never_compared_at_target(counterpart):
            left_out.append(LeftOut(column.name, reason, column, counterpart))
        elif ways := _possible(table, column, found := ways_of(source.engine, column, target.engine, counterpart)):
            pairs.append(_paired(table, (source.engine, column), (target.engine, counterpart), ways))
        else:
            said = "".join(f'; {column.name} = "{way.written_as}" in written_as would compare it' for way in found)
            reason = f"{column.type} at the source, {counterpart.type} at the target{said}"
            left_out.append(LeftOut(column.name, reason, column, counterpart))
    taken = {counterpart.name for counterpart in counterparts.values()}
    left_out += [
        LeftOut(column.name, table.excluded if column.name in table.exclude else ONLY_AT_TARGET)
        for column in target.columns
        if column.name not in taken
    ]
    return pairs, left_out, absent


def counterparts_of(rename: Mapping[str, str], source: Sequence[Column], target: Sequence[Column]) -> dict[str, Column]:
    """Column of the source to the column that stands for it at the target, of those that have one; none stands for two.

    What is not renamed bears its name, or the only one that is it but for case; one that bears another column's name to the
    letter is that one's.
    """
    remaining = {column.name: column for column in target}
    found = {name: remaining.pop(renamed) for name, renamed in rename.items() if renamed in remaining}
    names = [column.name for column in source if column.name not in rename]
    for name in names:
        others = {other for other in names if other != name}
        candidates = {candidate: one for candidate, one in remaining.items() if candidate not in others}
        if (counterpart := remaining.pop(name_of(name, candidates), None)) is not None:
            found[name] = counterpart
    return found


def _possible(table: TablePair, column: Column, ways: Sequence[Meeting]) -> tuple[Meeting, ...]:
    """The ways that may be taken: all where the pipeline file says how the column is written."""
    return tuple(way for way in ways if column.name in table.written_as or not way.must_be_said)


def _paired(
    table: TablePair, source: tuple[Engine, Column], target: tuple[Engine, Column], ways: tuple[Meeting, ...]
) -> Pair:
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
    return Pair(column.name, ours, theirs, form, ways)


def _demand_way(
    table: TablePair, column: Column, counterpart: Column, said: str, ways: Sequence[Meeting]
) -> tuple[Meeting, ...]:
    possible = [way.written_as for way in ways if way.written_as]
    raise UnexpectedAnswerError(
        f"{table.name}: written_as says that {column.name} is written as {said}, but {column.type} is not written so into {counterpart.type}.",
        f"Say one of {', '.join(possible)}." if possible else "Take it out of tables.written_as in the pipeline file.",
    )


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


def name_of(name: str, candidates: Mapping[str, Column]) -> str:
    """The candidate of that name, else the only one that is it but for case."""
    if name in candidates:
        return name
    alike = [candidate for candidate in candidates if candidate.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else name
