"""What of a run is kept."""

from __future__ import annotations

import math

from cdcproof.clients.kafka.consumer_groups import Group, PartitionLag
from cdcproof.history.entries import Measure, measured, of_drill, of_reconciliation
from cdcproof.maintenance.drill_reports import DrillReport
from cdcproof.observations.lag.freshness import Freshness
from cdcproof.observations.lag.sink import SinkLag
from cdcproof.reconcile.report.result import Report, TableResult, TableStatus
from cdcproof.validation.round_trip.journey import Hop, Journey


def test_lag_is_measured_for_each_group_and_what_is_no_number_is_not() -> None:
    lag = SinkLag(
        (Group("g", "STABLE", 1),),
        {"g": (PartitionLag("t", 0, 1, 0, 5, 2.5),), "h": (PartitionLag("t", 0, 1, 0, 5, None),)},
    )
    assert measured(lag) == (
        Measure("sink_lag_records", "g", 4.0),
        Measure("sink_lag_records", "h", 4.0),
        Measure("sink_lag_seconds", "g", 2.5),
    )
    assert measured(Freshness("t", math.inf, None, 60, 60)) == ()


def test_a_round_trip_is_measured_where_it_arrived() -> None:
    journey = Journey((Hop("customers", "insert", 1.25), Hop("customers", "update", None, "nothing")), 30)
    assert measured(journey) == (Measure("round_trip_seconds", "customers: insert", 1.25),)


def test_other_observations_have_no_numbers() -> None:
    assert measured("PostgreSQL 18") == measured(None) == ()


def test_a_reconciliation_keeps_how_much_each_table_differs() -> None:
    tables = (
        TableResult("a", TableStatus.MISMATCH, 10, 9, missing_at_target=1, extra_at_target=0, changed=2),
        TableResult("b", TableStatus.ERROR),
    )
    report = Report("run", "x", "y", "postgresql://h:1/s", "postgresql://h:2/t", "timer", tables, pipeline="p")
    entry = of_reconciliation(report, 5.0, 2.0)
    assert (entry.pipeline, entry.verdict, entry.results) == ("p", "ERROR, MISMATCH", ())
    assert entry.measures == (
        Measure("differences", "a", 3.0),
        Measure("rows", "a", 10.0),
        Measure("duration_seconds", "reconciliation", 2.0),
    )


def test_a_drill_keeps_what_recovery_took() -> None:
    report = DrillReport("target-lost", "p", "a", "b", 20.0, 1.0, 30.0, 2.0, True, "x", (), {})
    entry = of_drill(report, 5.0, 60.0)
    assert (entry.verdict, entry.what, entry.started_at) == ("within its targets", "target-lost", 5.0)
    assert entry.measures == (Measure("rto_seconds", "target-lost", 20.0), Measure("rpo_seconds", "target-lost", 1.0))
