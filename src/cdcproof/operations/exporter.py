"""The metrics of the runbook: reconciliation from its report files, connectors from Kafka Connect.

Counters are totals since the first start: they live in a state file together with the names of the reports that
are already counted, so that a restart neither loses nor repeats anything.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from cdcproof import pipeline as model
from cdcproof.clients.connect import Connect, ConnectorStates
from cdcproof.clients.prometheus import Family, render
from cdcproof.errors import ConfigError, CouldNotLookError, UnexpectedAnswerError
from cdcproof.reconcile.result import PREFIX, Report, TableStatus, read

RUNNING = "RUNNING"
SUCCESS, FAILURE = "success", "failure"
_STATE_VERSION = 1
_SETTLE_SECONDS = 10.0
_MOST_NAMES_OF_DELETED_REPORTS = 10_000
# A scrape of Prometheus ends after 10 s by default: Connect has to answer well before.
_CONNECT_TIMEOUT_SECONDS = (2.0, 5.0)


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
    rows_per_second: float = 0.0
    """Of the newest whole report; 0 before the first."""
    newest_report: str = ""
    counted: set[str] = field(default_factory=set)
    """File names of the reports that are in the totals, whether they still exist or not."""

    def count(self, name: str, report: Report | None) -> None:
        """Add a report; None is one that cannot be read, which counts as a failed run.

        A run is a failure when it could not look: it is incomplete, or a table of it is an ERROR. A run that
        looked at everything and found a difference is a success: the difference has its own counters.
        """
        self.counted.add(name)
        if report is None:
            self.runs[FAILURE] += 1
            return
        # A report from a clock that is ahead must not outshine those that follow.
        finished = min(datetime.fromisoformat(report.finished_at).timestamp(), time.time())
        for table in report.tables:
            if table.status is TableStatus.MATCH:
                self.last_match[table.table] = max(finished, self.last_match.get(table.table, 0.0))
            elif table.status is TableStatus.MISMATCH:
                self.last_mismatch[table.table] = max(finished, self.last_mismatch.get(table.table, 0.0))
                totals = (
                    self.row_count_mismatches if table.source_rows != table.target_rows else self.checksum_mismatches
                )
                totals[table.table] = totals.get(table.table, 0) + 1
        looked = report.complete and report.tables and all(t.status is not TableStatus.ERROR for t in report.tables)
        self.runs[SUCCESS if looked else FAILURE] += 1
        if name >= self.newest_report:  # names begin with the time
            self.newest_report = name
            self.rows_per_second = _rows_per_second(report)

    def forget_deleted(self, present: set[str]) -> None:
        """Bound the memory of reports that no longer exist; those that do must never be counted twice."""
        deleted = sorted(self.counted - present)
        self.counted.difference_update(deleted[: max(0, len(deleted) - _MOST_NAMES_OF_DELETED_REPORTS)])


def load_totals(path: Path, pipeline: str) -> Totals:
    """Read the state file, or begin at zero when there is none. Raises `ConfigError` for one that cannot be used."""
    remedy = "Name another file with --state, or delete it to count afresh from the reports that are still there."
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data.pop("version")
        totals = Totals(**{**data, "counted": set(data["counted"]), "runs": {SUCCESS: 0, FAILURE: 0, **data["runs"]}})
    except FileNotFoundError:
        return Totals(pipeline)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"The exporter's state cannot be read: {error}.", remedy, path) from None
    if version != _STATE_VERSION:
        raise ConfigError(f"The exporter's state has format {version}, not {_STATE_VERSION}.", remedy, path)
    if totals.pipeline != pipeline:
        raise ConfigError(f"The exporter's state is of pipeline {totals.pipeline}, not {pipeline}.", remedy, path)
    return totals


def save_totals(totals: Totals, path: Path) -> None:
    """Write the state file, whole or not at all, readable by its owner only. Raises `ConfigError`."""
    unfinished = path.with_name(path.name + ".part")
    data = {"version": _STATE_VERSION, **asdict(totals), "counted": sorted(totals.counted)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(
            os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            json.dump(data, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise ConfigError(
            f"The exporter's state cannot be written: {error.strerror}.",
            "Make its directory writable, or name another file with --state.",
            path,
        ) from None


class ReconciliationMetrics:
    """Counts each report once and serves the totals. Safe to use from several threads."""

    def __init__(self, reports: Path, tables: Iterable[str], state: Path, pipeline: str) -> None:
        self._reports = reports
        self._tables = tuple(tables)
        self._state = state
        self._totals = load_totals(state, pipeline)
        self._unreadable: dict[str, tuple[tuple[int, int], float]] = {}
        self._lock = threading.Lock()
        self._saved = True
        save_totals(self._totals, state)  # find out now, not after the first report, that it cannot be written

    def scan(self) -> dict[str, bool]:
        """Count the reports that are new and save the totals; return whether ``reports`` and ``state`` were usable.

        A report that is not readable may still be on its way from another machine: it is counted, as a failed run,
        when it has stayed the same for `_SETTLE_SECONDS`.
        """
        with self._lock:
            try:
                found = {path.name: path for path in self._reports.iterdir() if _is_report(path.name)}
            except OSError:
                return {"reports": False, "state": self._saved}
            for name in sorted(found.keys() - self._totals.counted):
                try:
                    report = _read_whole(found[name])
                except UnexpectedAnswerError:
                    if not self._has_settled(found[name]):
                        continue
                    report = None
                self._totals.count(name, report)
                self._unreadable.pop(name, None)
                self._saved = False
            if not self._saved:
                self._totals.forget_deleted(set(found))
                try:
                    save_totals(self._totals, self._state)
                    self._saved = True
                except ConfigError:  # e.g. a full disk: the totals stay right in memory, and the next scan tries again
                    pass
            return {"reports": True, "state": self._saved}

    def text(self) -> str:
        """The metrics in Prometheus' text format, after a scan."""
        usable = self.scan()
        totals, zero = self._totals, dict.fromkeys(self._tables, 0)
        with self._lock:
            return render(
                [
                    Family(
                        "reconciliation_row_count_mismatch_total",
                        "counter",
                        "Reports in which source and target had different numbers of rows.",
                        "table",
                        {**zero, **totals.row_count_mismatches},
                    ),
                    Family(
                        "reconciliation_checksum_mismatch_total",
                        "counter",
                        "Reports in which the numbers of rows were equal and the contents different.",
                        "table",
                        {**zero, **totals.checksum_mismatches},
                    ),
                    Family(
                        "reconciliation_last_mismatch_timestamp_seconds",
                        "gauge",
                        "When the last report that showed a mismatch of either kind was finished; 0: never.",
                        "table",
                        {**zero, **totals.last_mismatch},
                    ),
                    Family(
                        "reconciliation_last_match_timestamp_seconds",
                        "gauge",
                        "When the last report in which the table matched was finished; 0: never.",
                        "table",
                        {**zero, **totals.last_match},
                    ),
                    Family(
                        "reconciliation_runs_total",
                        "counter",
                        "Reconciliation runs; failure: a table could not be looked at, or the report is not whole.",
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
                    _up(usable),
                ]
            )

    def _has_settled(self, path: Path) -> bool:
        try:
            status = path.stat()
        except OSError:
            return False  # deleted since it was listed
        print_ = (status.st_size, status.st_mtime_ns)
        before, since = self._unreadable.get(path.name, (None, 0.0))
        if before != print_:
            self._unreadable[path.name] = (print_, time.monotonic())
            return False
        return time.monotonic() - since >= _SETTLE_SECONDS


class ConnectMetrics:
    """Asks Kafka Connect at every scrape: a state that is not fresh is not served."""

    def __init__(self, pipeline: model.Pipeline) -> None:
        self._service = pipeline.connect
        self._expected = pipeline.connectors
        self._connect()  # a missing password is told at the start

    def text(self) -> str:
        """The metrics in Prometheus' text format; without `connector_state` when Connect does not answer."""
        states: dict[str, float] = {}
        answers = True
        try:
            states = connector_states(self._connect().states(), self._expected)
        except CouldNotLookError:
            answers = False
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
                    "Deployments of connectors made by cdcproof.",
                    "status",
                    {SUCCESS: 0, FAILURE: 0},
                ),
                _up({"connect": answers}),
            ]
        )

    def _connect(self) -> Connect:
        return Connect(self._service, _CONNECT_TIMEOUT_SECONDS)


def connector_states(found: ConnectorStates, expected: Iterable[model.Connector]) -> dict[str, float]:
    """Connector to 1 (it runs with as many running tasks as expected) or 0; an expected one that is absent is 0."""
    tasks = {connector.name: connector.tasks for connector in expected}
    values = dict.fromkeys(tasks, 0.0)
    for connector in found.connectors:
        running = [task for task in connector.tasks if task.state == RUNNING]
        whole = len(running) == len(connector.tasks) == tasks.get(connector.name, max(1, len(running)))
        values[connector.name] = float(connector.state == RUNNING and whole)
    return values


def _up(usable: Mapping[str, bool]) -> Family:
    return Family(
        "cdcproof_exporter_up",
        "gauge",
        "1: what the metrics on this port are made from could be used; 0: it could not.",
        "service",
        {service: float(answer) for service, answer in usable.items()},
    )


def _is_report(name: str) -> bool:
    return name.startswith(PREFIX) and name.endswith(".json")


def _read_whole(path: Path) -> Report:
    report = read(path)
    try:
        whole = all(datetime.fromisoformat(at).tzinfo for at in (report.started_at, report.finished_at))
    except ValueError:
        whole = False
    if not whole:
        raise UnexpectedAnswerError(f"{path} has a time that is not ISO 8601 with offset.")
    return report


def _rows_per_second(report: Report) -> float:
    took = datetime.fromisoformat(report.finished_at) - datetime.fromisoformat(report.started_at)
    rows = sum(table.source_rows or 0 for table in report.tables)
    return rows / took.total_seconds() if took.total_seconds() > 0 else 0.0
