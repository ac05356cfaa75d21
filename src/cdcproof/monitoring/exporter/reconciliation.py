"""The metrics of the reconciliation, on 9103: counted from its report files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from cdcproof.core.errors import CdcproofError, ConfigError, UnexpectedAnswerError
from cdcproof.core.waiting import Deadline
from cdcproof.monitoring.exporter import totals as kept
from cdcproof.monitoring.exporter.identity import about, places, up
from cdcproof.monitoring.exporter.pipeline_file import PipelineFile
from cdcproof.monitoring.exporter.probe import SCRAPE_SECONDS, Line, Probe
from cdcproof.monitoring.exporter.series import Collector, Metric, counter, gauge
from cdcproof.observations.reconciliation.exporter_page import LAST_REPORT, PIPELINE_FILE
from cdcproof.pipeline import model
from cdcproof.reconcile.report.ownership import as_declared, foreign, place_of
from cdcproof.reconcile.report.result import PREFIX, Report, read

_SETTLE_SECONDS = 10.0


class ReconciliationCollector(Collector):
    """Counts each report once and serves the totals. Safe to use from several threads: one at a time looks at the reports."""

    def __init__(self, pipeline: model.Pipeline, state: Path, file: PipelineFile | None = None) -> None:
        self._pipeline = pipeline
        self._file = file
        self._reports = pipeline.paths.reconciliation_reports
        self._tables = {table.name: table for table in pipeline.tables}
        self._state = state
        self._totals = kept.load(state, pipeline.name, place_of(pipeline.source), place_of(pipeline.target))
        self._unreadable: dict[str, tuple[tuple[int, int], float]] = {}
        self._saved = True
        self._probe: Probe[tuple[Mapping[str, bool], tuple[Metric, ...]]] = Probe(
            f"The file system of {self._reports}", SCRAPE_SECONDS
        )
        kept.save(self._totals, state)  # find out now, not after the first report, that it cannot be written

    def collect(self) -> Iterable[Metric]:
        """The metrics, after a look at the reports; without their totals where that look does not end in time."""
        yield from about(self._pipeline)
        file = {PIPELINE_FILE: self._file.path} if self._file else {}
        yield places({"reports": self._reports, "state": self._state} | file)
        try:
            usable, metrics = self.look()
        except CdcproofError:
            usable, metrics = {"reports": False, "state": self._saved}, ()
        yield from metrics
        yield up(usable)

    def lines(self) -> tuple[Line, ...]:
        """For people: whether the reports and the state file could be used."""
        try:
            usable, _ = self.look()
        except CdcproofError as error:
            return (Line("The reconciliation reports", error.message, error.remedy),)
        lost = "cannot be written: what was counted would not survive a restart."
        return (
            Line("The reconciliation reports", "" if usable["reports"] else f"{self._reports} cannot be read."),
            Line("The exporter's state file", "" if usable["state"] else f"{self._state} {lost}"),
        )

    def look(self) -> tuple[Mapping[str, bool], tuple[Metric, ...]]:
        """Count the reports that are new: what was usable, and the metrics. Raises `DeadlineError` where the file system does not answer."""
        return self._probe.result(self._probe.begin(self._looked), Deadline(SCRAPE_SECONDS))

    def _is_unchanged(self) -> dict[str, bool]:
        if self._file is None:
            return {}
        try:
            self._file.demand_unchanged()
        except CdcproofError:
            return {PIPELINE_FILE: False}
        return {PIPELINE_FILE: True}

    def _looked(self) -> tuple[Mapping[str, bool], tuple[Metric, ...]]:
        usable = {**self._scan(), **self._is_unchanged()}
        totals = self._totals
        return usable, (
            counter(
                "reconciliation_row_count_mismatch_total",
                "Reports in which source and target had different numbers of rows.",
                self._of_tables(totals.row_count_mismatches),
                "table",
            ),
            counter(
                "reconciliation_checksum_mismatch_total",
                "Reports in which the numbers of rows were equal and the contents different.",
                self._of_tables(totals.checksum_mismatches),
                "table",
            ),
            gauge(
                "reconciliation_last_mismatch_timestamp_seconds",
                "When the last report that showed a mismatch of either kind was finished; 0: never.",
                self._of_tables(totals.last_mismatch),
                "table",
            ),
            gauge(
                "reconciliation_last_match_timestamp_seconds",
                "When the table matched last; while contents differ, equal row counts are no match; 0: never.",
                self._of_tables(totals.matched()),
                "table",
            ),
            counter(
                "reconciliation_runs_total",
                "Reconciliation runs; failure: a table could not be looked at, or not all of it, or the report is not whole.",
                totals.runs,
                "status",
            ),
            gauge(
                "reconciliation_rows_per_second",
                "Rows of the source compared per second in the newest whole report.",
                {(): totals.rows_per_second},
            ),
            gauge(
                "reconciliation_duration_seconds",
                "How long the run of the newest whole report took; absent before the first.",
                {(): totals.duration_seconds},
            ),
            gauge(
                "cdcproof_reconciliation_mutants",
                "Differences planted by the newest comparison of a table's contents, by what became of them; absent before the first.",
                {
                    (table, result): number
                    for table, results in totals.mutants.items()
                    if table in self._tables
                    for result, number in results.items()
                },
                "table",
                "result",
            ),
            gauge(
                LAST_REPORT,
                "When the newest run of this pipeline that was counted was finished; 0: none.",
                {(): totals.last_report},
            ),
        )

    def _scan(self) -> dict[str, bool]:
        """Count the reports that are new and save the totals; return whether ``reports`` and ``state`` were usable.

        A report that is not readable may still be on its way from another machine: it is counted, as a failed run,
        when it has stayed the same for `_SETTLE_SECONDS`.
        """
        try:
            found = {path.name: path for path in self._reports.iterdir() if is_report(path.name)}
        except OSError:
            return {"reports": False, "state": self._saved}
        for name in sorted(found.keys() - self._totals.counted):
            report: Report | None
            try:
                report = read(found[name])
            except UnexpectedAnswerError:
                if not self._has_settled(found[name]):
                    continue
                report = None
            declared = report and self._as_declared(report)
            if report and (foreign(report, self._pipeline) or (report.tables and declared and not declared.tables)):
                self._totals.pass_over(name)
            else:
                self._totals.count(name, declared)
            self._unreadable.pop(name, None)
            self._saved = False
        if not self._saved:
            self._totals.forget_deleted(set(found))
            try:
                kept.save(self._totals, self._state)
                self._saved = True
            except ConfigError:  # e.g. a full disk: the totals stay right in memory, and the next scan tries again
                pass
        return {"reports": True, "state": self._saved}

    def _of_tables(self, values: Mapping[str, float]) -> dict[str, float]:
        """One value for each table of the pipeline file, 0 where nothing was counted."""
        return {name: values.get(name, 0) for name in self._tables}

    def _as_declared(self, report: Report) -> Report:
        """The report as the pipeline file of today sees it: without tables that it does not have."""
        results = (as_declared(one, self._tables[one.table]) for one in report.tables if one.table in self._tables)
        return replace(report, tables=tuple(result for result in results if result))

    def _has_settled(self, path: Path) -> bool:
        try:
            status = path.stat()
        except OSError:
            return False  # deleted since it was listed
        look = (status.st_size, status.st_mtime_ns)
        before, since = self._unreadable.get(path.name, (None, 0.0))
        if before != look:
            self._unreadable[path.name] = (look, time.monotonic())
            return False
        return time.monotonic() - since >= _SETTLE_SECONDS


def is_report(name: str) -> bool:
    """Whether a file's name is that of a reconciliation report."""
    return name.startswith(PREFIX) and name.endswith(".json")
