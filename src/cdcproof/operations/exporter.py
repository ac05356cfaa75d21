"""The metrics of the runbook: reconciliation from its report files, connectors from Kafka Connect."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from cdcproof import pipeline as model
from cdcproof.clients.connect import Connect, ConnectorStates
from cdcproof.clients.prometheus import Family, Info, render
from cdcproof.errors import ConfigError, CouldNotLookError, DeadlineError, UnexpectedAnswerError
from cdcproof.observations.exporter_page import INFO, LAST_REPORT, RENDERED, UP
from cdcproof.operations import exporter_totals
from cdcproof.operations.connectors.journal import Journal
from cdcproof.reconcile.ownership import as_declared, foreign, place_of
from cdcproof.reconcile.result import PREFIX, Report, read
from cdcproof.waiting import within

_SETTLE_SECONDS = 10.0
_TURN_SECONDS = 5.0
_CONNECT_TIMEOUT_SECONDS = (2.0, 5.0)
_CONNECT_SECONDS = 7.0
"""For the whole of Connect's answer: a scrape of Prometheus ends after 10 s by default."""


class ReconciliationMetrics:
    """Counts each report once and serves the totals. Safe to use from several threads."""

    def __init__(self, pipeline: model.Pipeline, state: Path) -> None:
        self._pipeline = pipeline
        self._reports = pipeline.paths.reconciliation_reports
        self._tables = {table.name: table for table in pipeline.tables}
        self._state = state
        self._totals = exporter_totals.load(state, pipeline.name, place_of(pipeline.source), place_of(pipeline.target))
        self._unreadable: dict[str, tuple[tuple[int, int], float]] = {}
        self._lock = threading.Lock()
        self._saved = True
        exporter_totals.save(self._totals, state)  # find out now, not after the first report, that it cannot be written

    def scan(self) -> dict[str, bool]:
        """Count the reports that are new and save the totals; return whether ``reports`` and ``state`` were usable.

        A report that is not readable may still be on its way from another machine: it is counted, as a failed run,
        when it has stayed the same for `_SETTLE_SECONDS`.
        """
        with self._in_turn():
            try:
                found = {path.name: path for path in self._reports.iterdir() if _is_report(path.name)}
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
                    exporter_totals.save(self._totals, self._state)
                    self._saved = True
                except ConfigError:  # e.g. a full disk: the totals stay right in memory, and the next scan tries again
                    pass
            return {"reports": True, "state": self._saved}

    def text(self) -> str:
        """The metrics in Prometheus' text format, after a scan."""
        usable = self.scan()
        totals = self._totals
        with self._in_turn():
            return render(
                [
                    Family(
                        "reconciliation_row_count_mismatch_total",
                        "counter",
                        "Reports in which source and target had different numbers of rows.",
                        "table",
                        self._of_tables(totals.row_count_mismatches),
                    ),
                    Family(
                        "reconciliation_checksum_mismatch_total",
                        "counter",
                        "Reports in which the numbers of rows were equal and the contents different.",
                        "table",
                        self._of_tables(totals.checksum_mismatches),
                    ),
                    Family(
                        "reconciliation_last_mismatch_timestamp_seconds",
                        "gauge",
                        "When the last report that showed a mismatch of either kind was finished; 0: never.",
                        "table",
                        self._of_tables(totals.last_mismatch),
                    ),
                    Family(
                        "reconciliation_last_match_timestamp_seconds",
                        "gauge",
                        "When the table matched last; while contents differ, equal row counts are no match; 0: never.",
                        "table",
                        self._of_tables(totals.matched()),
                    ),
                    Family(
                        "reconciliation_runs_total",
                        "counter",
                        "Reconciliation runs; failure: a table could not be looked at, or not all of it, or the report is not whole.",
                        "status",
                        dict(totals.runs),
                    ),
                    Family(
                        "reconciliation_rows_per_second",
                        "gauge",
                        "Rows of the source compared per second in the newest whole report.",
                        "",
                        {"": totals.rows_per_second},
                    ),
                    Family(
                        LAST_REPORT,
                        "gauge",
                        "When the newest run of this pipeline that was counted was finished; 0: none.",
                        "",
                        {"": totals.last_report},
                    ),
                    *_about(self._pipeline),
                    _up(usable),
                ]
            )

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """One thread at a time; where one hangs in a file system that does not answer, the others do not wait with it for ever."""
        if not self._lock.acquire(timeout=_TURN_SECONDS):
            raise DeadlineError(
                f"An earlier look at {self._reports} has not ended.", "See whether its file system answers."
            )
        try:
            yield
        finally:
            self._lock.release()

    def _of_tables(self, values: Mapping[str, float]) -> dict[str, float]:
        """One value for each table of the pipeline file, 0 where nothing was counted."""
        return {name: values.get(name, 0) for name in self._tables}

    def _as_declared(self, report: Report) -> Report:
        """The report as the pipeline file of today sees it: without tables that it does not have."""
        results = (as_declared(told, self._tables[told.table]) for told in report.tables if told.table in self._tables)
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


class ConnectMetrics:
    """Asks Kafka Connect at every scrape: a state that is not fresh is not served."""

    def __init__(self, pipeline: model.Pipeline) -> None:
        self._pipeline = pipeline
        self._service = pipeline.connect
        self._expected = pipeline.connectors
        self._journal = Journal.of(pipeline)
        self._connect()  # a missing password is told at the start

    def text(self) -> str:
        """The metrics in Prometheus' text format; without `connector_state` when Connect does not answer."""
        states: dict[str, float] = {}
        answers = True
        try:
            found = within(_CONNECT_SECONDS, self._connect().states, what="the connectors' states")
            states = connector_states(found, self._expected)
        except CouldNotLookError:
            answers = False
        deployments: dict[str, int] = {}
        with suppress(ConfigError):  # no number is better than a wrong one
            deployments = self._journal.counts()
        return render(
            [
                Family(
                    "connector_state",
                    "gauge",
                    "1: the connector and each of its expected tasks is RUNNING; 0: anything else.",
                    "connector",
                    states,
                ),
                Family(
                    "connector_deployments_total",
                    "counter",
                    "Connectors that cdcproof deployed (apply, update, undo), with success or without.",
                    "status",
                    deployments,
                ),
                *_about(self._pipeline),
                _up({"connect": answers, "deployments": bool(deployments)}),
            ]
        )

    def _connect(self) -> Connect:
        return Connect(self._service, _CONNECT_TIMEOUT_SECONDS)


def connector_states(found: ConnectorStates, expected: Iterable[model.Connector]) -> dict[str, float]:
    """Connector to 1 (it runs with as many running tasks as expected) or 0; an expected one that is absent is 0."""
    tasks = {connector.name: connector.tasks for connector in expected}
    values = dict.fromkeys(tasks, 0.0)
    for connector in found.connectors:
        running = [task for task in connector.tasks if task.state == "RUNNING"]
        whole = len(running) == len(connector.tasks) == tasks.get(connector.name, max(1, len(running)))
        values[connector.name] = float(connector.state == "RUNNING" and whole)
    return values


def _about(pipeline: model.Pipeline) -> tuple[Info, Family]:
    """Whose metrics these are, and when they were made: a copy, or another pipeline's, must not pass for ours."""
    labels = {"pipeline": pipeline.name, "source": place_of(pipeline.source), "target": place_of(pipeline.target)}
    return (
        Info(INFO, "The pipeline that the metrics on this port are about.", labels),
        Family(RENDERED, "gauge", "When the metrics on this port were made.", "", {"": time.time()}),
    )


def _up(usable: Mapping[str, bool]) -> Family:
    return Family(
        UP,
        "gauge",
        "1: what the metrics on this port are made from could be used; 0: it could not.",
        "service",
        {service: float(answer) for service, answer in usable.items()},
    )


def _is_report(name: str) -> bool:
    return name.startswith(PREFIX) and name.endswith(".json")
