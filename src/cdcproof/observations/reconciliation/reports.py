"""The reconciliation reports of a directory, and what they say of each table of the pipeline now.

A report is judged by the instants in it, never by the local time in its name: it may be written in one time zone and read in
another. For each table its newest result counts, so that a run of some tables says nothing about the others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from cdcproof.core.durations import in_hours
from cdcproof.findings import Observation
from cdcproof.observations.reconciliation import report_files
from cdcproof.observations.reconciliation.report_files import ReportFile, clock
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.report.history import History, Seen, history
from cdcproof.reconcile.report.ownership import are_of_the_same, as_declared
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.report.screen import contents_equal, rows_unseen, unseen_columns

_RIGHT = "of this pipeline, fresh and whole"


@dataclass(frozen=True)
class NewestReports:
    """What reports say of every table of the pipeline: its newest result, and a difference of contents that stands."""

    files: tuple[ReportFile, ...]
    """Newest first."""
    pipeline: Pipeline
    now: datetime

    def observation(self) -> Observation:
        """The reports are fresh and every table matches; contents that were compared long ago are a concern.

        Beside a newer report that could not be read, older ones prove nothing, neither good nor bad.
        """
        if self._culprit and self._culprit.unread:
            sentence, remedy = self._culprit.unread
            return Observation(unknown={sentence: remedy})
        return Observation(
            self.found(),
            self.expected(),
            self.details(),
            concerns=self.concerns(),
            no_concern="contents compared lately",
        )

    def expected(self) -> dict[str, str]:
        """What must hold, subject by subject. The tables are listed only where there is a report that counts."""
        report = {"report": _RIGHT}
        return {**report, **dict.fromkeys(self.pipeline.table_names, "MATCH")} if self._histories else report

    def found(self) -> dict[str, str]:
        """What was seen, in the words of `expected` where it is right; a table that no report names is absent."""
        found = {"report": self._problem or _RIGHT}
        is_old = self._is_too_old(self._last)
        return found | {
            name: _word(one) if is_old or _word(one) != "MATCH" else self._age_problem(one.newest.at) or "MATCH"
            for name, one in self._histories.items()
        }

    def details(self) -> dict[str, str]:
        """For each table that does not match, why, and by which report."""
        details = {
            name: _detail(one, self.pipeline_excludes(name))
            for name, one in self._histories.items()
            if _word(one) != "MATCH"
        }
        return {**details, "report": str(self._culprit.path)} if self._culprit else details

    def pipeline_excludes(self, name: str) -> tuple[str, ...]:
        """The columns that the pipeline file excludes from a table."""
        return next(table.exclude for table in self.pipeline.tables if table.name == name)

    def concerns(self) -> dict[str, str]:
        """Tables whose contents were compared too long ago, or never: that rows were counted proves little."""
        hours = self.pipeline.thresholds.contents_age_hours
        concerns = {}
        for name, one in self._histories.items():
            if one.contents is None:
                concerns[name] = "counted only: no report of this pipeline compares its contents"
            elif self.now - one.contents.at > timedelta(hours=hours):
                age = in_hours((self.now - one.contents.at).total_seconds())
                concerns[name] = f"contents last compared {clock(one.contents.at)}, {age} ago, limit {hours:g} h"
        return concerns

    def contents_compared(self, names: Collection[str]) -> tuple[str, ...]:
        """In a line each: which contents differ since they were compared, and when the others were compared last."""
        known = {name: one for name, one in self._histories.items() if name in names}
        lines = [
            f"contents of {name} differed at {clock(one.mismatch.at)}: only comparing them again clears that"
            for name, one in known.items()
            if one.mismatch
        ]
        never = [name for name in names if name not in known or known[name].contents is None]
        if never:
            lines.append(f"contents never compared: {', '.join(never)}")
        times = [one.contents.at for one in known.values() if one.contents]
        if times:
            lines.append(f"contents last compared: {clock(min(times))}")
        return tuple(lines)

    def tables_not_matching(self) -> tuple[str, ...]:
        """Expected tables to be compared again; all of them when the reports themselves prove nothing."""
        if self._problem:
            return self.pipeline.table_names
        found = self.found()
        return tuple(name for name in self.pipeline.table_names if found.get(name) != "MATCH")

    def tables_to_repair(self) -> tuple[str, ...]:
        """Tables of which differing keys are named."""
        return tuple(name for name, one in self._histories.items() if one.mismatch and one.mismatch.result.differences)

    def files_ahead(self) -> tuple[Path, ...]:
        """Reports that a wrong clock dated into the future: no newer one can supersede them."""
        return tuple(file.path for file in self.files if file.is_ahead)

    def matched_at(self) -> dict[str, datetime]:
        """Table to when it matched, for each whose newest result that counts is a match."""
        return {name: one.newest.at for name, one in self._histories.items() if _word(one) == "MATCH"}

    def rows(self) -> list[dict[str, object]]:
        """One row per table, for the report."""
        if not self._histories:
            return [{"table": "none", "problem": self._problem}]
        return [
            {
                "table": name,
                "status": _word(one) if one else "no report",
                "contents": _contents(one) if one else None,
                "source rows": one.newest.result.source_rows if one else None,
                "target rows": one.newest.result.target_rows if one else None,
                "reported": clock(one.newest.at) if one else None,
            }
            for name in self.pipeline.table_names
            for one in [self._histories.get(name)]
        ]

    @cached_property
    def _histories(self) -> dict[str, History]:
        """Expected table to its history, where a report that counts names it."""
        tables = {table.name: table for table in self.pipeline.tables}
        seen: dict[str, list[Seen]] = {}
        newest = next((file.report for file in self.files if file.report and file.counts), None)
        for file in reversed(self.files):
            is_ours = file.report and file.counts and newest and are_of_the_same(file.report, newest)
            for one in file.report.tables if file.report and is_ours else ():
                table = tables.get(one.table)
                if table and (result := as_declared(one, table)):
                    seen.setdefault(one.table, []).append(Seen(result, file.at))
        found = {name: history(seen.get(name, ())) for name in self.pipeline.table_names}
        return {name: one for name, one in found.items() if one}

    @property
    def _last(self) -> datetime | None:
        """When the last run that counts was finished."""
        return max((one.newest.at for one in self._histories.values()), default=None)

    @property
    def _culprit(self) -> ReportFile | None:
        """The file that the reports' own problem is about."""
        ahead = next((file for file in self.files if file.is_ahead), None)
        oldest = min((one.newest.at for one in self._histories.values()), default=None)
        broken = (file for file in self.files if file.report is None and (oldest is None or file.at > oldest))
        return ahead or next(broken, None)

    @property
    def _problem(self) -> str:
        """Why the reports prove nothing about now, or nothing."""
        directory = self.pipeline.paths.reconciliation_reports
        if self._culprit:
            return self._culprit.problem
        if self._last is None:
            others = [file.foreign for file in self.files if file.foreign]
            return (
                f"none of this pipeline in {directory}: the newest is {others[0]}"
                if others
                else f"no report in {directory}"
            )
        return self._age_problem(self._last)

    def _is_too_old(self, at: datetime | None) -> bool:
        limit = timedelta(hours=self.pipeline.thresholds.report_age_hours)
        return at is not None and not self.now - at <= limit

    def _age_problem(self, at: datetime) -> str:
        if not self._is_too_old(at):
            return ""
        limit_hours = self.pipeline.thresholds.report_age_hours
        return f"too old: finished at {clock(at)}, {in_hours((self.now - at).total_seconds())} ago, limit {limit_hours:g} h"


@dataclass(frozen=True)
class Reports:
    """The reports of the directory, newest first, as far back as they matter."""

    files: tuple[ReportFile, ...]
    pipeline: Pipeline
    now: datetime

    def newest(self) -> NewestReports:
        """What they say of every table."""
        return NewestReports(self.files, self.pipeline, self.now)

    def of_run(self, run_id: str) -> NewestReports:
        """What the report of one run says alone."""
        files = tuple(file for file in self.files if file.report and file.report.run_id == run_id)
        return NewestReports(files, self.pipeline, self.now)

    def rows(self, most: int = 10) -> list[dict[str, object]]:
        """One row per report, newest first, as the runbook's `ls -lht | head` shows them."""
        if not self.files:
            return [{"report": "none", "summary": str(self.pipeline.paths.reconciliation_reports)}]
        return [{"report": f.path.name, "summary": _summary(f)} for f in self.files[:most]]


def look(pipeline: Pipeline, now: datetime, directory: Path | None = None) -> Reports:
    """Read the reports of a directory, the pipeline's own if none is given. `now` is an aware time.

    Raises `CouldNotLookError`.
    """
    found = report_files.read_back(pipeline, now, directory or pipeline.paths.reconciliation_reports)
    return Reports(found, pipeline, now)


def _word(one: History) -> str:
    """The table's status. A difference of contents stands until contents match; a match of nothing is no match."""
    if one.mismatch:
        return str(TableStatus.MISMATCH)
    status = one.newest.result.status
    if status is not TableStatus.MATCH:
        return str(status)
    if one.contents and one.contents.result.status is TableStatus.INCOMPLETE:
        return str(TableStatus.INCOMPLETE)
    return "MATCH of no rows" if _is_of_no_rows(one.newest.result) else "MATCH"


def _is_of_no_rows(result: TableResult) -> bool:
    """A scrub counts the rows of the slices that it looked at; of all others it has earlier proofs."""
    if result.scrubbed and result.scrubbed.slices_proven < result.scrubbed.slices:
        return False
    return not (result.source_rows and result.target_rows)


def _detail(one: History, excluded: Sequence[str]) -> str:
    newest, mismatch = one.newest, one.mismatch
    parts = []
    if mismatch and mismatch is not newest:
        later = str(newest.result.status) if newest.result.status is TableStatus.ERROR else _counted(newest.result)
        parts.append(
            f"contents differed at {clock(mismatch.at)} and were not found equal since; {clock(newest.at)}: {later}"
        )
    blamed = mismatch or newest
    if not mismatch and newest.result.status is TableStatus.MATCH and one.contents:
        blamed = one.contents
    return "; ".join([*parts, _table_detail(blamed.result, excluded)])


def _table_detail(result: TableResult, excluded: Sequence[str]) -> str:
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
    unseen = [unseen_columns(result, excluded)] if result.unseen else []
    if result.row_policies and result.status is TableStatus.INCOMPLETE:
        unseen.append(rows_unseen(result))
    return "; ".join([*result.causes, *unseen, *parts, *result.example_keys[:3]])


def _contents(one: History) -> str:
    if one.mismatch:
        return f"differ, compared {clock(one.mismatch.at)}"
    if one.contents is None:
        return "counted only; never compared"
    contents = contents_equal(one.contents.result).removeprefix("contents ")
    when = "" if one.contents is one.newest else f"counted only; {contents}, last compared {clock(one.contents.at)}"
    return when or contents


def _counted(result: TableResult) -> str:
    return f"{result.status}, counted only" if result.checksums_match is None else str(result.status)


def _summary(file: ReportFile) -> str:
    if not file.report:
        return file.problem
    words = [_counted(t) for t in file.report.tables]
    counted = ", ".join(f"{words.count(w)} {w}" for w in sorted(set(words))) or "no tables"
    return f"{counted} ({file.foreign or file.problem}: not counted)" if file.foreign or file.problem else counted
