"""The result of a reconciliation and its report file, as the runbook reads it (`jq '.summary'`).

`report.schema.json` beside this file is the format's JSON Schema. Files of earlier versions are still read: each version only adds,
and a report of this morning must not turn red because the program is newer. A later version is refused.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args

from cdcproof.core import bounded
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.files import write_whole
from cdcproof.core.json_text import parsed
from cdcproof.core.secrets import scrub
from cdcproof.core.stored import matched
from cdcproof.databases.contracts.identity import Identity
from cdcproof.reconcile.differences import Word

FORMAT_VERSION = 3
PREFIX = "reconciliation_report_"
EXAMPLES = 20
MOST_REPORT_BYTES = 128 * 2**20
"""Of a report's file. Two hundred tables of which a thousand differing keys are named have some 100 MiB; what would be larger names fewer."""


class NotReadError(UnexpectedAnswerError):
    """A report that is there and could not be read: it says neither good nor bad."""


class TableStatus(StrEnum):
    """What is known of a table.

    MATCH: looked at and the same. MISMATCH: looked at and different. INCOMPLETE: what was compared is the same, but a column
    that holds data was not compared, or rows may be hidden. ERROR: could not be looked at.
    """

    MATCH = "MATCH"
    MISMATCH = "MISMATCH"
    INCOMPLETE = "INCOMPLETE"
    ERROR = "ERROR"


BY_URGENCY = (TableStatus.MISMATCH, TableStatus.ERROR, TableStatus.INCOMPLETE, TableStatus.MATCH)


def key_for_people(values: Collection[str | None]) -> str:
    """``17``, ``17, x``, ``NULL``. A value that could not be seen or read as itself is in quotes, its control characters escaped."""
    return ", ".join("NULL" if value is None else _shown(value, is_alone=len(values) == 1) for value in values)


def _shown(value: str, *, is_alone: bool) -> str:
    is_plain = value.strip() and value.isprintable() and value != "NULL" and (is_alone or ", " not in value)
    if is_plain and not value.startswith('"'):
        return value
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in json.dumps(value, ensure_ascii=False))


@dataclass(frozen=True)
class KeyDifference:
    """A key that differs: `missing` at the target, `extra` there, or `changed`.

    `key` is column (the source's name) to its value as text, None for NULL; binary in hexadecimal. In a table without a key
    it is empty, and `row` is the MD5 of the row, whose values the report leaves out. `columns` are those that differ, where one
    row stands against one.
    """

    word: Word
    key: dict[str, str | None]
    columns: tuple[str, ...] = ()
    source_rows: int = 0
    target_rows: int = 0
    row: str = ""

    def __str__(self) -> str:
        key = key_for_people(self.key.values()) if self.key else f"row {self.row}"
        return f"{self.word} {key}" + (f" ({', '.join(self.columns)})" if self.columns else "")


@dataclass(frozen=True)
class Scrubbed:
    """What a scrub proved of a table: rows that changed since the last one, and slices of the rest.

    `oldest_proof_at` is when the row that was proven longest ago was proven; None when there are rows that are not.
    """

    changed_keys: int
    changes_by: str
    """How they were found out."""
    slices_proven: int
    """In this run."""
    slices: int
    slices_not_proven: int
    """Never yet, or not equal when they were looked at last."""
    oldest_proof_at: str | None
    not_used: tuple[str, ...] = ()
    """Why proofs of earlier scrubs are not used."""


MutantFate = Literal["caught", "not applicable", "survived"]
MUTANT_RESULTS: tuple[MutantFate, ...] = get_args(MutantFate)
Control = Literal["equal", "different", "not read whole", "not planted"]


@dataclass(frozen=True)
class MutantResult:
    """What became of a mutant: ``caught``, ``not applicable`` (it fits no column), or ``survived`` in these columns."""

    mutant: str
    result: MutantFate
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class SelfProof:
    """Whether the comparison would have seen a difference: mutants that went the way of the table's rows."""

    planted: int
    """Rows at the target, those that both sides have among them."""
    control: Control
    """How rows were seen that are the same on both sides; ``not planted``: the table's key or columns have no values for any."""
    mutants: tuple[MutantResult, ...]
    reason: str = ""
    """Why nothing was planted, or what of the control is wrong."""

    @property
    def holds(self) -> bool:
        """Whether every mutant that fits was caught, and nothing else."""
        return self.control in ("equal", "not planted") and not self.survivors

    @property
    def survivors(self) -> tuple[str, ...]:
        """As ``a trailing blank (name, email)``."""
        return tuple(
            one.mutant + (f" ({', '.join(one.columns)})" if one.columns else "")
            for one in self.mutants
            if one.result == "survived"
        )


@dataclass(frozen=True)
class TableResult:
    """One table. Row counts are None when they could not be read; checksums None when not asked for."""

    table: str
    status: TableStatus
    source_rows: int | None = None
    target_rows: int | None = None
    checksums_match: bool | None = None
    missing_at_target: int | None = None
    extra_at_target: int | None = None
    changed: int | None = None
    example_keys: tuple[str, ...] = ()
    """The first `EXAMPLES` of `differences`, as ``missing 17``, ``extra 18`` or ``changed 19 (name, email)``."""
    not_compared: tuple[str, ...] = ()
    """Columns left out, each with its reason: ``photo (xml: …)``."""
    unseen: tuple[str, ...] = ()
    """Those of the columns left out that hold data and that the pipeline file does not exclude, by name."""
    row_policies: tuple[str, ...] = ()
    """Policies by which the database may hide rows from the account of either side, by name, whether the pipeline file accepts them or not."""
    columns_compared: int | None = None
    """How many columns of the source's table were compared; None where contents were not."""
    columns: int | None = None
    """How many columns the source's table has."""
    causes: tuple[str, ...] = ()
    """Why the table is a MISMATCH although rows may be equal: columns that are not at the target."""
    error: str = ""
    seconds: float = 0.0
    lossy: tuple[str, ...] = ()
    """Columns compared for less than they hold, each with the rule."""
    strategy: str = ""
    """``push-down`` or ``stream``; ``counts`` where only rows were counted; empty where it did not come to that."""
    reason: str = ""
    """Why by this strategy: what was measured, asked for, or not possible; empty where there was no choice."""
    resumed: str = ""
    """What was made of what an interrupted run had read of it; empty when there was none."""
    method: str = ""
    """What separated lost from in flight: ``position``, ``timer``, or ``none needed`` where nothing differed."""
    positions: tuple[str, ...] = ()
    """The source's log positions that the target had reached before what differs was confirmed."""
    timings: dict[str, float] = field(default_factory=dict)
    """Phase to seconds: ``plan``, ``sums``, ``self-proof``, ``rows``, ``settle``."""
    differences: tuple[KeyDifference, ...] = ()
    """Keys that differ, up to the report's `key_limit`; the counts are of all."""
    unconfirmed: int = 0
    """Of the counts, rows that were too many to be looked at twice: counted as first seen, some may be in flight."""
    compared: dict[str, Any] | None = None
    """What was compared: `source` and `target` table, both filters, `rename` and `exclude`. None where that is not known."""
    scrubbed: Scrubbed | None = None
    """Of a scrub; its row counts are of the slices that were looked at."""
    self_proof: SelfProof | None = None
    """Whether a difference would have been seen; None where contents were not compared, and in reports of earlier versions."""

    def not_checked(self, why: str) -> TableResult:
        """The same as an ERROR: what was seen of its contents counts for nothing."""
        return replace(
            self,
            status=TableStatus.ERROR,
            checksums_match=None,
            missing_at_target=None,
            extra_at_target=None,
            changed=None,
            error=why,
        )


@dataclass(frozen=True)
class Report:
    """One reconciliation run. Times are ISO 8601 with offset."""

    run_id: str
    started_at: str
    finished_at: str
    source: str
    """``type://host:port/database``, never with a password."""
    target: str
    method: str
    tables: tuple[TableResult, ...]
    complete: bool = True
    """Whether the run came to its end; else tables that it did not come to are ERROR."""
    version: int = FORMAT_VERSION
    resumed: str = ""
    """When the run began that this one goes on from; empty when it began by itself."""
    key_limit: int = 0
    """How many differing keys of a table are named at most."""
    calibration: tuple[str, ...] = ()
    """What both databases' encoding and hashing of known values showed."""
    pipeline: str = ""
    """The name in the pipeline file; empty where flags named the databases."""
    source_identity: Identity | None = None
    """Which databases were compared, whatever their addresses are; None where a side could not be opened."""
    target_identity: Identity | None = None
    summary: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Derive the summary: it is never given, so that it cannot disagree with the tables."""
        object.__setattr__(self, "summary", {t.table: str(t.status) for t in self.tables})

    @property
    def looked_at_everything(self) -> bool:
        """Whether it came to its end, and says of each table whether it is the same."""
        known = (TableStatus.MATCH, TableStatus.MISMATCH)
        return self.complete and bool(self.tables) and all(t.status in known for t in self.tables)

    @property
    def exit_status(self) -> int:
        """0 all tables match, 1 a difference, 3 none differs but one could not be looked at, or not all of it."""
        statuses = {t.status for t in self.tables}
        if TableStatus.MISMATCH in statuses:
            return 1
        return 0 if statuses == {TableStatus.MATCH} else 3


def write(report: Report, directory: Path) -> Path:
    """Write `reconciliation_report_<YYYYMMDD_HHMMSS>.json` (local time, as the runbook's `date`) and return its path.

    The file appears whole or not at all, and an existing report is never overwritten. Raises `OSError`.
    """
    stamp = _stamp(report)
    path = directory / f"{PREFIX}{stamp}.json"
    number = 2
    while path.exists():
        path = directory / f"{PREFIX}{stamp}_{number}.json"
        number += 1
    write_whole(path, _bounded_text(report))
    with suppress(OSError):
        _partial(report, directory).unlink()
    return path


def write_partial(report: Report, directory: Path) -> None:
    """Keep what is known so far, for the case that the program is killed; `write` takes the file away.

    Its name ends in ``.partial``, so that neither the checks nor the exporter take it for the newest report while a run
    is going on. Raises `OSError`.
    """
    write_whole(_partial(report, directory), _text(replace(report, complete=False)))


def read(path: Path) -> Report:
    """Read a report. Raises `UnexpectedAnswerError` saying what is wrong with a file that is not a whole report, `NotReadError` where it could not be read."""
    try:
        data = parsed(bounded.read_text(path, MOST_REPORT_BYTES))
    except OSError as error:
        raise NotReadError(
            f"{path} cannot be read: {error.strerror}.",
            "Let this account read the file, or move it away if it is no report of yours.",
        ) from None
    except ValueError as error:
        raise UnexpectedAnswerError(f"{path} is not a whole report: {error}") from None
    if not isinstance(data, dict) or "version" not in data:
        raise UnexpectedAnswerError(f"{path} is not a reconciliation report: not written by this program (no version)")
    try:
        return _from_dict(data)
    except KeyError as error:
        raise UnexpectedAnswerError(f"{path} is not a reconciliation report: {error} is missing") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise UnexpectedAnswerError(f"{path} is not a reconciliation report: {error}") from None


def _stamp(report: Report) -> str:
    """The time in the name: the wall clock of where the run was made, as `started_at` has it, wherever it is read."""
    return datetime.fromisoformat(report.started_at).strftime("%Y%m%d_%H%M%S")


def _partial(report: Report, directory: Path) -> Path:
    return directory / f"{PREFIX}{_stamp(report)}_{report.run_id[:8]}.partial"


def scrubbed(report: Report) -> Report:
    """Without secrets. Only what drivers said may hold one; scrubbing all would turn a count of 1234 into [redacted]."""
    return replace(report, tables=tuple(replace(t, error=scrub(t.error)) for t in report.tables))


def _text(report: Report, indent: int | None = None) -> str:
    """The report as JSON; to be read by people with an indent, which takes several times as long."""
    return json.dumps(scrubbed(report), default=vars, indent=indent, ensure_ascii=False) + "\n"


def _bounded_text(report: Report) -> str:
    """The report for people, with as many keys of each table as `read` can take."""
    text = _text(report, indent=2)
    if len(text) <= MOST_REPORT_BYTES // 4 or len(text.encode()) <= MOST_REPORT_BYTES:
        return text
    tables = tuple(replace(table, differences=table.differences[:EXAMPLES]) for table in report.tables)
    return _text(replace(report, tables=tables, key_limit=min(EXAMPLES, report.key_limit)), indent=2)


def _demand_offset(name: str, at: str) -> None:
    if datetime.fromisoformat(at).tzinfo is None:
        raise ValueError(f"{name} has no offset from UTC")


def _from_dict(data: Mapping[str, Any]) -> Report:
    if data["version"] not in range(1, FORMAT_VERSION + 1):
        raise ValueError(f"format version {data['version']}, this program reads 1 to {FORMAT_VERSION}")
    for at in ("started_at", "finished_at"):
        _demand_offset(at, data[at])
    report = matched(Report, {name: value for name, value in data.items() if name != "summary"})
    for table in report.tables:
        if table.scrubbed and table.scrubbed.oldest_proof_at is not None:
            _demand_offset(f"oldest_proof_at of {table.table}", table.scrubbed.oldest_proof_at)
    if report.summary != data["summary"]:
        raise ValueError(f"the summary {data['summary']} disagrees with the tables {report.summary}")
    return report
