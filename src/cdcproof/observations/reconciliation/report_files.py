"""The reconciliation report files of a directory: which are about this pipeline, and when each was made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.report.history import Seen, finished, proven_since
from cdcproof.reconcile.report.ownership import as_declared, foreign
from cdcproof.reconcile.report.result import PREFIX, NotReadError, Report, read

_NAME = re.compile(rf"{PREFIX}(\d{{8}}_\d{{6}})(?:_(\d+))?\.json")
_OTHER_ZONE = timedelta(hours=12)
_LONGEST_RUN = timedelta(hours=24)


@dataclass(frozen=True)
class ReportFile:
    """A report on disk. `at` is when its run was finished; of a file that is not a whole report, when it was written.

    `problem` says why it proves nothing, `foreign` why it is not about this pipeline; both are empty for one that counts.
    `unread` says why it could not be read, and what helps: what it proves is not known.
    """

    path: Path
    at: datetime
    report: Report | None
    problem: str = ""
    foreign: str = ""
    is_ahead: bool = False
    """Whether a clock that was ahead wrote it: then it is not known which report is the newest."""
    unread: tuple[str, str] | None = None

    @property
    def counts(self) -> bool:
        """Whether it says something about this pipeline's tables."""
        return self.report is not None and not (self.problem or self.foreign)


def read_back(pipeline: Pipeline, now: datetime, directory: Path) -> tuple[ReportFile, ...]:
    """Read the reports of a directory, newest first, until older ones cannot change the answer.

    `now` is an aware time. Raises `CouldNotLookError` when the directory is there but may not be read.
    """
    try:
        named = [(match, path) for path in directory.iterdir() if (match := _NAME.fullmatch(path.name))]
    except FileNotFoundError:
        named = []
    except OSError as error:
        raise CouldNotLookError(f"The reconciliation reports in {directory} cannot be read: {error}") from None
    named.sort(key=lambda pair: (pair[0][1], int(pair[0][2] or 1)), reverse=True)
    files = list(_read_back([(match[1], path) for match, path in named], pipeline, now))
    files.sort(key=lambda file: file.at, reverse=True)  # of one second, the later number stays first
    return tuple(files)


def _read_back(named: Sequence[tuple[str, Path]], pipeline: Pipeline, now: datetime) -> Iterator[ReportFile]:
    """Until every table's contents are proven by a run that no file left could have come after, whatever its time zone."""
    tables = {table.name: table for table in pipeline.tables}
    proven: dict[str, datetime] = {}
    for stamp, path in named:
        if proven.keys() == tables.keys() and _latest(stamp) < min(proven.values()):
            return
        file = _read(path, pipeline, now)
        yield file
        for reported in file.report.tables if file.report and file.counts else ():
            result = as_declared(reported, tables[reported.table]) if reported.table in tables else None
            since = proven_since(Seen(result, file.at)) if result else None
            if since and since.year > 1:
                proven[reported.table] = max(since, proven.get(reported.table, since))


def _latest(stamp: str) -> datetime:
    """The latest time at which a run of that name can have been finished."""
    try:
        return datetime.strptime(stamp, "%Y%m%d_%H%M%S").replace(tzinfo=UTC) + _OTHER_ZONE + _LONGEST_RUN
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)


def _read(path: Path, pipeline: Pipeline, now: datetime) -> ReportFile:
    try:
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        written = now  # taken away since it was listed; reading it says so
    try:
        report = read(path)
    except NotReadError as error:
        return ReportFile(path, written, None, "it could not be read", unread=(error.message, error.remedy))
    except UnexpectedAnswerError as error:
        reason = error.message.removeprefix(f"{path} is not a whole report: ")
        reason = reason.removeprefix(f"{path} is not a reconciliation report: ")
        return ReportFile(path, written, None, f"not a whole report: {reason}")
    at = finished(report)
    slack = timedelta(seconds=pipeline.thresholds.clock_skew_seconds)
    if other := foreign(report, pipeline):
        return ReportFile(path, at, report, foreign=other)
    if at > now + slack:
        return ReportFile(
            path, at, report, f"from the future: finished at {clock(at)}; a clock is wrong", is_ahead=True
        )
    if at > written + slack:
        problem = f"from the future when it was written, {clock(written)}: finished at {clock(at)}; a clock was wrong"
        return ReportFile(path, at, report, problem, is_ahead=True)
    return ReportFile(path, at, report)


def clock(at: datetime) -> str:
    """A time as this machine's clock shows it."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
