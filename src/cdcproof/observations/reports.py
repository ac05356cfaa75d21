"""The reconciliation reports of a directory, and whether the newest of them proves anything today."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cdcproof.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.pipeline import Database, Pipeline, Thresholds
from cdcproof.reconcile.lines import unseen_columns
from cdcproof.reconcile.result import PREFIX, Report, TableResult, TableStatus, read

_NAME = re.compile(rf"{PREFIX}(\d{{8}}_\d{{6}})(?:_(\d+))?\.json")
_STAMP_SLACK = timedelta(seconds=5)
# An hourly report of 23:59 is still good at 00:01: "today's" must not turn red at midnight.
_AFTER_MIDNIGHT = timedelta(hours=1)


@dataclass(frozen=True)
class ReportFile:
    """A report on disk: `stamp` is the time in its name, and `report` is None when it is not a whole report."""

    path: Path
    stamp: datetime
    report: Report | None
    problem: str = ""


@dataclass(frozen=True)
class Newest:
    """The newest report, judged. `file` is None when there is no report at all."""

    file: ReportFile | None
    pipeline: Pipeline
    now: datetime

    def expected(self) -> dict[str, str]:
        """What must hold, subject by subject. The tables are listed only where a whole report can be read."""
        report = {"report": "one of today, fresh and whole"}
        return {**report, **dict.fromkeys(self.pipeline.table_names, "MATCH")} if self._report else report

    def found(self) -> dict[str, str]:
        """What was seen, in the words of `expected` where it is right."""
        problem = self._problem()
        found = {"report": problem or "one of today, fresh and whole"}
        if self._report:
            results = {t.table: t for t in self._report.tables}
            found |= {name: _table_word(results[name]) for name in self.pipeline.table_names if name in results}
        return found

    def details(self) -> dict[str, str]:
        """For each table that does not match, the counts that differ and the first keys."""
        tables = self._report.tables if self._report else ()
        details = {t.table: _table_detail(t) for t in tables if _table_word(t) != "MATCH"}
        return {**details, "report": str(self.file.path)} if self.file else details

    def tables_not_matching(self) -> tuple[str, ...]:
        """Expected tables for which the newest report is no proof; all of them when the report itself is none."""
        if self._problem():
            return self.pipeline.table_names
        found = self.found()
        return tuple(name for name in self.pipeline.table_names if found.get(name) != "MATCH")

    def rows(self) -> list[dict[str, object]]:
        """One row per table of the newest report, for the report."""
        if not self._report:
            return [{"newest": str(self.file.path) if self.file else None, "problem": self._problem()}]
        return [
            {
                "table": t.table,
                "status": t.status,
                "source rows": t.source_rows,
                "target rows": t.target_rows,
                "contents": {True: "same", False: "differ", None: "not compared"}[t.checksums_match],
            }
            for t in self._report.tables
        ]

    @property
    def _report(self) -> Report | None:
        return self.file.report if self.file else None

    def _problem(self) -> str:
        """Why the newest report proves nothing about today, or nothing."""
        limits = self.pipeline.thresholds
        if not self.file:
            return f"no report in {self.pipeline.paths.reconciliation_reports}"
        if self.file.stamp > self.now + timedelta(seconds=limits.clock_skew_seconds):
            return f"from the future: {self.file.stamp:%Y-%m-%d %H:%M:%S}; a clock is wrong or the file was renamed"
        if not self.file.report:
            return f"not a whole report: {self.file.problem}"
        return (
            _identity_problem(self.file, self.file.report, self.pipeline)
            or _age_problem(self.file, self.file.report, self.now, limits)
            or ("" if self.file.report.complete else "partial: the run was interrupted")
        )


@dataclass(frozen=True)
class Reports:
    """All reports of the directory, newest first."""

    files: tuple[ReportFile, ...]
    pipeline: Pipeline
    now: datetime

    def newest(self) -> Newest:
        """The newest by the time in its name: a truncated file has no other."""
        return Newest(self.files[0] if self.files else None, self.pipeline, self.now)

    def rows(self, most: int = 10) -> list[dict[str, object]]:
        """One row per report, newest first, as the runbook's `ls -lht | head` shows them."""
        if not self.files:
            return [{"report": "none", "summary": str(self.pipeline.paths.reconciliation_reports)}]
        return [{"report": f.path.name, "summary": _summary(f)} for f in self.files[:most]]


def look(pipeline: Pipeline, now: datetime) -> Reports:
    """Read the newest reports of the pipeline's directory. `now` is an aware local time.

    Raises `CouldNotLookError` when the directory is there but may not be read.
    """
    directory = pipeline.paths.reconciliation_reports
    try:
        named = [(match, path) for path in directory.iterdir() if (match := _NAME.fullmatch(path.name))]
    except FileNotFoundError:
        named = []
    except OSError as error:
        raise CouldNotLookError(f"The reconciliation reports in {directory} cannot be read: {error}") from None
    named.sort(key=lambda pair: (pair[0][1], int(pair[0][2] or 1)), reverse=True)
    return Reports(tuple(_read(path, match[1], now) for match, path in named[:10]), pipeline, now)


def _read(path: Path, stamp: str, now: datetime) -> ReportFile:
    try:
        when = datetime.strptime(stamp, "%Y%m%d_%H%M%S").astimezone()
    except ValueError:
        return ReportFile(path, now, None, "its name holds no date")
    try:
        return ReportFile(path, when, read(path))
    except UnexpectedAnswerError as error:
        return ReportFile(path, when, None, error.message.removeprefix(f"{path} is not a whole report: "))


def _identity_problem(file: ReportFile, report: Report, pipeline: Pipeline) -> str:
    """A report renamed, or of another pair of databases, is no proof about this pipeline."""
    started = datetime.fromisoformat(report.started_at).astimezone()
    if abs(started - file.stamp) > _STAMP_SLACK:
        return f"named {file.stamp:%Y-%m-%d %H:%M:%S} but started at {started:%Y-%m-%d %H:%M:%S}"
    for side, told, database in (
        ("source", report.source, pipeline.source),
        ("target", report.target, pipeline.target),
    ):
        if not _is_of(told, database):
            return f"of another {side}: {told}"
    return ""


def _is_of(told: str, database: Database) -> bool:
    """Hosts go by several names, so the make and the database decide."""
    return told.startswith(f"{database.type}://") and told.endswith(f"/{database.database}")


def _age_problem(file: ReportFile, report: Report, now: datetime, limits: Thresholds) -> str:
    finished = datetime.fromisoformat(report.finished_at).astimezone()
    age = now - finished
    if age < -timedelta(seconds=limits.clock_skew_seconds):
        return f"from the future: finished at {finished:%Y-%m-%d %H:%M:%S}; a clock is wrong"
    limit_hours = limits.report_age_hours
    told = f"finished at {finished:%Y-%m-%d %H:%M}, {_hours(age)} ago"
    if file.stamp.date() != now.date() and age > _AFTER_MIDNIGHT:
        return f"none of today; the newest {told}"
    return f"too old: {told}, limit {limit_hours:g} h" if age > timedelta(hours=limit_hours) else ""


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.1f} h"


def _table_word(result: TableResult) -> str:
    """A match of nothing with nothing is not a match."""
    if result.status is TableStatus.MATCH and not (result.source_rows and result.target_rows):
        return "MATCH of no rows"
    return str(result.status)


def _table_detail(result: TableResult) -> str:
    if result.error:
        return result.error
    parts = (
        [f"{result.source_rows:,} rows at the source, {result.target_rows:,} at the target"]
        if (result.source_rows is not None and result.target_rows is not None)
        else []
    )
    parts += [
        f"{count:,} {what}"
        for what, count in (
            ("missing at the target", result.missing_at_target),
            ("extra at the target", result.extra_at_target),
            ("changed", result.changed),
        )
        if count
    ]
    unseen = [unseen_columns(result)] if result.unseen else []
    return "; ".join([*result.causes, *unseen, *parts, *result.example_keys[:3]])


def _summary(file: ReportFile) -> str:
    if not file.report:
        return f"not a whole report: {file.problem}"
    return _words(file.report.tables)


def _words(tables: Sequence[TableResult]) -> str:
    words = [str(t.status) for t in tables]
    return ", ".join(f"{words.count(w)} {w}" for w in sorted(set(words))) or "no tables"
