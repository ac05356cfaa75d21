"""What the history keeps of a run: a line for it, one for each check, and one for each number that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdcproof.findings import Verdict
from cdcproof.maintenance.drill_reports import DrillReport
from cdcproof.observations.databases.slots import Slots
from cdcproof.observations.disks import Disks
from cdcproof.observations.lag.freshness import Freshness
from cdcproof.observations.lag.sink import SinkLag
from cdcproof.observations.lag.source import SourceLag
from cdcproof.reconcile.report.result import Report
from cdcproof.reporting.record import Run
from cdcproof.validation.round_trip.journey import Journey

CHECKS, RECONCILIATION, DRILL = "checks", "reconciliation", "drill"


@dataclass(frozen=True)
class Measure:
    """A number: what was measured, its unit in the name, and of what."""

    name: str
    subject: str
    value: float


@dataclass(frozen=True)
class CheckResult:
    """A check in a run; `differences` are how many it named."""

    step: str
    verdict: Verdict
    duration_seconds: float
    differences: int


@dataclass(frozen=True)
class Entry:
    """A run. `what` are its suites, or the scenario of a drill; times are Unix seconds and seconds."""

    pipeline: str
    kind: str
    what: str
    verdict: str
    started_at: float
    duration_seconds: float
    results: tuple[CheckResult, ...] = ()
    measures: tuple[Measure, ...] = ()


def of_checks(run: Run, measures: Sequence[Measure]) -> Entry:
    """A run of checks."""
    results = tuple(
        CheckResult(step.step, step.verdict, step.duration_seconds, len(step.differences)) for step in run.steps
    )
    what = "+".join(run.suites)
    return Entry(
        run.pipeline,
        CHECKS,
        what,
        run.word,
        run.started_at,
        run.duration_seconds,
        results,
        tuple(dict.fromkeys(measures)),
    )


def of_reconciliation(report: Report, started_at: float, duration_seconds: float) -> Entry:
    """A reconciliation: how much each table differs, of those that could be looked at, and how many rows it has."""
    measures: list[Measure] = []
    for table in report.tables:
        counted = (table.missing_at_target, table.extra_at_target, table.changed)
        if any(count is not None for count in counted):
            measures.append(Measure("differences", table.table, float(sum(count or 0 for count in counted))))
        if table.source_rows is not None:
            measures.append(Measure("rows", table.table, float(table.source_rows)))
    words = sorted({str(table.status) for table in report.tables})
    return Entry(
        report.pipeline,
        RECONCILIATION,
        f"{len(report.tables)} tables",
        ", ".join(words) or "nothing",
        started_at,
        duration_seconds,
        measures=(*measures, Measure("duration_seconds", RECONCILIATION, duration_seconds)),
    )


def of_drill(report: DrillReport, started_at: float, duration_seconds: float) -> Entry:
    """A drill: what recovery took, and what it lost."""
    measures = (
        Measure("rto_seconds", report.scenario, report.rto_seconds),
        Measure("rpo_seconds", report.scenario, report.rpo_seconds),
    )
    verdict = "within its targets" if report.within_targets else "proven" if report.proven else "not proven"
    return Entry(report.pipeline, DRILL, report.scenario, verdict, started_at, duration_seconds, measures=measures)


def measured(observed: object) -> tuple[Measure, ...]:
    """The numbers in what a check was given, of those that are worth a trend."""
    match observed:
        case SinkLag():
            named = {"sink_lag_records": observed.records(), "sink_lag_seconds": observed.seconds()}
        case SourceLag():
            named = {"source_lag_mebibytes": observed.mebibytes(), "source_lag_seconds": observed.seconds()}
        case Freshness():
            named = {"freshness_seconds": observed.seconds()}
        case Slots():
            named = {"slot_retained_mebibytes": observed.retained_mebibytes()}
        case Disks():
            named = {"disk_used_percent": observed.used_percent()}
        case Journey():
            arrived = {hop.subject: hop.seconds for hop in observed.hops if hop.seconds is not None}
            named = {"round_trip_seconds": arrived}
        case _:
            return ()
    return tuple(
        Measure(name, subject, value)
        for name, values in named.items()
        for subject, value in values.items()
        if value - value == 0  # neither NaN nor infinite
    )
