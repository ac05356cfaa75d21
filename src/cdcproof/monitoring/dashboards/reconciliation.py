"""Reconciliation: what matches, what does not, since when, and how long it takes to find out."""

from __future__ import annotations

from cdcproof.monitoring.dashboards import appearance
from cdcproof.monitoring.dashboards.model import Colour, Dashboard, Kind, Panel, Query, Row, of

_MATCHED = f"min by (table) ({of('reconciliation_last_match_timestamp_seconds')})"
_DIFFERED = f"max by (table) ({of('reconciliation_last_mismatch_timestamp_seconds')})"
_MATCHES = f"({_MATCHED} > bool {_DIFFERED})"
_NEVER = f"({_MATCHED} + {_DIFFERED} == bool 0)"
_OLD = f"(time() - {_MATCHED} > bool {appearance.LIMITS.report_age_hours * 3600:g})"
_STATE = f"{_MATCHES} - {_NEVER} + {_MATCHES} * {_OLD}"
"""1 matches, 0 differs, -1 never compared, 2 matched when last compared, longer ago than a report may be old."""
_COUNTS = of("reconciliation_row_count_mismatch_total")
_CONTENTS = of("reconciliation_checksum_mismatch_total")
_FAILED_RUNS = of("reconciliation_runs_total", 'status="failure"')
_REPORT_AGE = f"time() - (max({of('cdcproof_exporter_last_report_timestamp_seconds')}) > 0)"
_DURATION = f"max({of('reconciliation_duration_seconds')})"
_SPEED = f"max({of('reconciliation_rows_per_second')})"

_NOW = Row(
    "Now",
    (
        Panel(
            "Tables",
            "MATCH: the newest report that compared the table found it equal. OLD MATCH: so did the newest report, but that is "
            "longer ago than a report may be old. MISMATCH stands until the table matches again.",
            "morning.3-reconciliation",
            Kind.NUMBERS,
            (Query(_STATE, "{{table}}"),),
            appearance.TABLE_STATE,
            width=12,
            height=5,
        ),
        Panel(
            "Age of the newest report",
            "The runbook reconciles hourly: one missed run is tolerated, a second is not. No value: there is no report.",
            "morning.3-reconciliation",
            Kind.NUMBERS,
            (Query(_REPORT_AGE, "newest report"),),
            appearance.REPORT_AGE,
            width=4,
            height=5,
        ),
        Panel(
            "Failed runs in 24 h",
            "Runs that could not compare a table, or not all of it. A mismatch alone is not a failed run.",
            "morning.3-reconciliation",
            Kind.NUMBERS,
            (Query(f"sum(increase({_FAILED_RUNS}[24h]))", "failed runs"),),
            appearance.NONE_IS_GOOD,
            width=4,
            height=5,
        ),
        Panel(
            "Newest run took",
            "Time that the newest whole report took.",
            "morning.3-reconciliation",
            Kind.NUMBERS,
            (Query(_DURATION, "newest run"),),
            appearance.SECONDS,
            width=4,
            height=5,
        ),
    ),
)

_TRENDS = Row(
    "Match and mismatch trends",
    (
        Panel(
            "Tables by state",
            "How many tables match, differ, or were never compared.",
            "morning.3-reconciliation",
            Kind.LINES,
            (
                Query(f"sum({_MATCHES})", "match"),
                Query(f"sum({_MATCHED} <= bool {_DIFFERED}) - sum({_NEVER})", "mismatch"),
                Query(f"sum({_NEVER})", "never compared"),
            ),
            appearance.NUMBER,
            colours=(("match", Colour.GOOD), ("mismatch", Colour.BAD), ("never compared", Colour.UNKNOWN)),
            stacked=True,
        ),
        Panel(
            "Mismatches found, per hour",
            "Reports of the last hour in which the number of rows, or the contents of equally many rows, differed.",
            "morning.4-metrics-reconciliation",
            Kind.LINES,
            (
                Query(f"sum(increase({_COUNTS}[1h]))", "row counts"),
                Query(f"sum(increase({_CONTENTS}[1h]))", "contents"),
            ),
            appearance.NONE_IS_GOOD,
        ),
        Panel(
            "Runs per hour",
            "success: every table was compared whole, whatever was found. failure: a table could not be compared.",
            "morning.3-reconciliation",
            Kind.LINES,
            (Query(f"sum by (status) (increase({of('reconciliation_runs_total')}[1h]))", "{{status}}"),),
            appearance.NUMBER,
            colours=appearance.OUTCOMES,
        ),
    ),
)

_TABLES = Row(
    "Table-level discrepancies",
    (
        Panel(
            "Tables",
            "One line per table: its state now, the mismatches of the last 24 hours, and how long ago it matched and differed.",
            "morning.3-reconciliation",
            Kind.TABLE,
            (
                Query(_STATE, "State", appearance.TABLE_STATE),
                Query(f"sum by (table) (increase({_COUNTS}[24h]))", "Row counts differed", appearance.NONE_IS_GOOD),
                Query(f"sum by (table) (increase({_CONTENTS}[24h]))", "Contents differed", appearance.NONE_IS_GOOD),
                Query(
                    f"time() - ({_MATCHED} > 0)", "Last match, ago", appearance.REPORT_AGE, ("never", Colour.UNKNOWN)
                ),
                Query(f"time() - ({_DIFFERED} > 0)", "Last mismatch, ago", appearance.SECONDS, ("never", Colour.PLAIN)),
            ),
            appearance.PLAIN,
            width=24,
            height=7,
            per=("table",),
        ),
        Panel(
            "Row count mismatches, per hour and table",
            "DataMismatch fires as soon as one is counted.",
            "morning.4-metrics-reconciliation",
            Kind.LINES,
            (Query(f"sum by (table) (increase({_COUNTS}[1h]))", "{{table}}"),),
            appearance.NONE_IS_GOOD,
            width=12,
        ),
        Panel(
            "Content mismatches, per hour and table",
            "As many rows on both sides, and different contents.",
            "morning.4-metrics-reconciliation",
            Kind.LINES,
            (Query(f"sum by (table) (increase({_CONTENTS}[1h]))", "{{table}}"),),
            appearance.NONE_IS_GOOD,
            width=12,
        ),
    ),
)

_TIME = Row(
    "Processing time",
    (
        Panel(
            "Duration",
            "Time that the newest whole report took. A rise without more rows means a slower database or a busier pipeline.",
            "morning.3-reconciliation",
            Kind.LINES,
            (Query(_DURATION, "newest run"),),
            appearance.SECONDS,
        ),
        Panel(
            "Rows compared per second",
            "Rows of the source that the newest whole report compared per second.",
            "morning.3-reconciliation",
            Kind.LINES,
            (Query(_SPEED, "newest run"),),
            appearance.THROUGHPUT,
        ),
        Panel(
            "Age of the newest report",
            "A saw with one tooth per run. A tooth above two hours is a second missed run.",
            "morning.3-reconciliation",
            Kind.LINES,
            (Query(_REPORT_AGE, "newest report"),),
            appearance.REPORT_AGE,
        ),
    ),
)

RECONCILIATION = Dashboard(
    "cdc-reconciliation",
    "Reconciliation",
    "What matches between source and target, what does not and since when, and how long it takes to find out.",
    (_NOW, _TRENDS, _TABLES, _TIME),
)
