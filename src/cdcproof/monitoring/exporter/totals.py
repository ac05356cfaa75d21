"""What the exporter has counted: totals since its first start, kept in a state file.

The file also holds the names of the reports that are already counted, so that a restart neither loses nor repeats
anything.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cdcproof.core import bounded
from cdcproof.core.errors import ConfigError
from cdcproof.core.files import write_whole
from cdcproof.core.json_text import parsed
from cdcproof.reconcile.report.history import Seen, compares_contents, proven_since
from cdcproof.reconcile.report.ownership import is_same_place
from cdcproof.reconcile.report.result import MUTANT_RESULTS, Report, TableResult, TableStatus

SUCCESS, FAILURE = "success", "failure"
_STATE_VERSION = 2
_MOST_NAMES_OF_DELETED_REPORTS = 10_000


@dataclass
class Totals:
    """What was counted so far; a table's number is the number of reports that showed such a mismatch for it."""

    pipeline: str
    row_count_mismatches: dict[str, int] = field(default_factory=dict)
    checksum_mismatches: dict[str, int] = field(default_factory=dict)
    last_mismatch: dict[str, float] = field(default_factory=dict)
    """Unix seconds at which a report that showed a mismatch of either kind was finished, by table."""
    last_match: dict[str, float] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=lambda: {SUCCESS: 0, FAILURE: 0})
    contents_differed: dict[str, float] = field(default_factory=dict)
    """When contents differed last, by table."""
    contents_proven: dict[str, float] = field(default_factory=dict)
    """Up to when every difference of contents would have been found, by table: see `history.proven_since`."""
    source: str = ""
    """``type://host:port/database``: what was counted is of this place alone."""
    target: str = ""
    last_report: float = 0.0
    """Unix seconds at which the newest run of this pipeline was finished; 0 before the first."""
    rows_per_second: float = 0.0
    """Of the newest whole report; 0 before the first."""
    duration_seconds: float | None = None
    """Of the newest whole report; None before the first."""
    mutants: dict[str, dict[str, int]] = field(default_factory=dict)
    """Table to result (caught, survived, not applicable) to how many mutants, of the table's newest comparison of contents."""
    newest_report: str = ""
    counted: set[str] = field(default_factory=set)
    """File names of the reports that are in the totals, whether they still exist or not."""

    def matched(self) -> dict[str, float]:
        """Table to when it matched last. While contents differ, runs that only counted rows show no match."""
        return {
            table: at
            if self.contents_differed.get(table, 0.0) <= self.contents_proven.get(table, 0.0)
            else min(at, self.contents_proven.get(table, 0.0))
            for table, at in self.last_match.items()
        }

    def pass_over(self, name: str) -> None:
        """Take no account of a report of another pipeline."""
        self.counted.add(name)

    def count(self, name: str, report: Report | None) -> None:
        """Add a report of this pipeline; None is one that cannot be read, which counts as a failed run.

        A run is a failure when it could not look: it was interrupted, or a table of it is an ERROR or INCOMPLETE. A run
        that looked at everything and found a difference is a success: the difference has its own counters.
        """
        self.counted.add(name)
        if report is None:
            self.runs[FAILURE] += 1
            return
        # A report from a clock that is ahead must not outshine those that follow.
        finished = min(datetime.fromisoformat(report.finished_at).timestamp(), time.time())
        self.last_report = max(finished, self.last_report)
        for table in report.tables:
            self._count_contents(table, finished)
            if table.self_proof and name >= self.newest_report:
                results = Counter(one.result for one in table.self_proof.mutants)
                self.mutants[table.table] = {result: results[result] for result in MUTANT_RESULTS}
            if table.status is TableStatus.MATCH:
                self.last_match[table.table] = max(finished, self.last_match.get(table.table, 0.0))
            elif table.status is TableStatus.MISMATCH:
                self.last_mismatch[table.table] = max(finished, self.last_mismatch.get(table.table, 0.0))
                totals = (
                    self.row_count_mismatches if table.source_rows != table.target_rows else self.checksum_mismatches
                )
                totals[table.table] = totals.get(table.table, 0) + 1
        unknown = (TableStatus.ERROR, TableStatus.INCOMPLETE)
        looked = report.complete and report.tables and all(t.status not in unknown for t in report.tables)
        self.runs[SUCCESS if looked else FAILURE] += 1
        if name >= self.newest_report:  # names begin with the time
            self.newest_report = name
            if report.complete:
                self.duration_seconds = _took_seconds(report)
            self.rows_per_second = _rows_per_second(report)

    def _count_contents(self, table: TableResult, finished: float) -> None:
        if not compares_contents(table):
            return
        if table.status is TableStatus.MISMATCH:
            self.contents_differed[table.table] = max(finished, self.contents_differed.get(table.table, 0.0))
        elif table.status is TableStatus.MATCH:
            proven = proven_since(Seen(table, datetime.fromtimestamp(finished, UTC)))
            at = proven.timestamp() if proven.year > 1 else 0.0
            self.contents_proven[table.table] = max(at, self.contents_proven.get(table.table, 0.0))

    def forget_deleted(self, present: set[str]) -> None:
        """Bound the memory of reports that no longer exist; those that do must never be counted twice."""
        deleted = sorted(self.counted - present)
        self.counted.difference_update(deleted[: max(0, len(deleted) - _MOST_NAMES_OF_DELETED_REPORTS)])


def load(path: Path, pipeline: str, source: str = "", target: str = "") -> Totals:
    """Read the state file, or begin at zero when there is none, or when it is of databases at other places.

    Raises `ConfigError` for one that cannot be used.
    """
    fresh = Totals(pipeline, source=source, target=target)
    remedy = "Name another file with --state, or delete it to count afresh from the reports that are still there."
    try:
        data = parsed(bounded.read_text(path))
        version = data.pop("version")
        totals = Totals(**{**data, "counted": set(data["counted"]), "runs": {SUCCESS: 0, FAILURE: 0, **data["runs"]}})
    except FileNotFoundError:
        return fresh
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"The exporter's state cannot be read: {bounded.reason(error)}.", remedy, path) from None
    if version == 1:  # it knew no places and knew contents from counts by its counters alone
        totals.source, totals.target = source, target
        totals.last_report = max([0.0, *totals.last_match.values(), *totals.last_mismatch.values()])
        for table, at in totals.last_mismatch.items():
            if totals.checksum_mismatches.get(table) and at > totals.last_match.get(table, 0.0):
                totals.contents_differed[table] = at
    elif version != _STATE_VERSION:
        raise ConfigError(f"The exporter's state has format {version}, not {_STATE_VERSION}.", remedy, path)
    if totals.pipeline != pipeline:
        raise ConfigError(f"The exporter's state is of pipeline {totals.pipeline}, not {pipeline}.", remedy, path)
    if not (is_same_place(totals.source, source) and is_same_place(totals.target, target)):
        return fresh
    return totals


def save(totals: Totals, path: Path) -> None:
    """Write the state file, whole or not at all, readable by its owner only. Raises `ConfigError`."""
    data = {"version": _STATE_VERSION, **asdict(totals), "counted": sorted(totals.counted)}
    try:
        write_whole(path, json.dumps(data, indent=1), mode=0o600)
    except OSError as error:
        raise ConfigError(
            f"The exporter's state cannot be written: {error.strerror}.",
            "Make its directory writable, or name another file with --state.",
            path,
        ) from None


def _took_seconds(report: Report) -> float:
    return (datetime.fromisoformat(report.finished_at) - datetime.fromisoformat(report.started_at)).total_seconds()


def _rows_per_second(report: Report) -> float:
    rows, seconds = sum(table.source_rows or 0 for table in report.tables), _took_seconds(report)
    return rows / seconds if seconds > 0 else 0.0
