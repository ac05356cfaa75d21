"""Database Health: connections, queries and resources of source and target, as the databases themselves report them."""

from __future__ import annotations

from cdcproof.monitoring.dashboards import appearance
from cdcproof.monitoring.dashboards.model import (
    RATE,
    Appearance,
    Colour,
    Dashboard,
    Kind,
    Level,
    Panel,
    Query,
    Row,
    Unit,
    of,
)

_USED = (
    f"sum by (side) ({of('cdcproof_database_connections')}) / "
    f"on (side) max by (side) ({of('cdcproof_database_connections_limit')})"
)
_LONG = Appearance(unit=Unit.SECONDS, levels=(Level(300, Colour.NEAR), Level(1800, Colour.BAD)))
_BLOCKED = Appearance(levels=(Level(1, Colour.NEAR), Level(5, Colour.BAD)), decimals=0)
_HITS = Appearance(unit=Unit.RATIO, base=Colour.NEAR, levels=(Level(0.9, Colour.GOOD),))
_ROLLBACKS = Appearance(unit=Unit.RATIO, levels=(Level(0.05, Colour.NEAR), Level(0.2, Colour.BAD)))
_TRANSACTIONS = of("cdcproof_database_transactions_total")
_BACK = of("cdcproof_database_transactions_total", 'outcome="rollback"')
_ANSWERS = of("cdcproof_exporter_up", 'service=~"source|target"')
_BLOCKED_SESSIONS = f"max by (side) ({of('cdcproof_database_blocked_sessions')})"
_LONGEST_TRANSACTION = f"max by (side) ({of('cdcproof_database_longest_transaction_seconds')})"
_CACHE_HITS = f"min by (side) ({of('cdcproof_database_cache_hit_ratio')})"


def _connections(side: str) -> Panel:
    mine = of("cdcproof_database_connections", f'side="{side}"')
    return Panel(
        f"Connections of the {side}, by state",
        "Sessions of all clients. Many that are idle in transaction hold back clean-up and keep locks.",
        f"morning.6-{side}-answers",
        Kind.LINES,
        (Query(f"sum by (state) ({mine})", "{{state}}"),),
        appearance.NUMBER,
        stacked=True,
    )


_NOW = Row(
    "Now",
    (
        Panel(
            "Databases",
            "Whether each database answered the exporter's last look. While one does not, its numbers here are absent.",
            "morning.6-source-answers",
            Kind.NUMBERS,
            (Query(f"min by (service) ({_ANSWERS})", "{{service}}"),),
            appearance.WORKS,
            width=6,
            height=5,
        ),
        Panel(
            "Connections used",
            "Sessions as a share of the server's limit. At 100 % the connectors cannot log in again after a restart.",
            "morning.6-target-answers",
            Kind.BARS,
            (Query(_USED, "{{side}}"),),
            appearance.FILLING,
            width=6,
            height=5,
            most=1,
        ),
        Panel(
            "Blocked sessions",
            "Sessions that wait for a lock of another.",
            "morning.7-sink-lag",
            Kind.NUMBERS,
            (Query(_BLOCKED_SESSIONS, "{{side}}"),),
            _BLOCKED,
            width=4,
            height=5,
        ),
        Panel(
            "Longest transaction",
            "Age of the oldest open transaction. At the source it holds back the log that a connector must read again.",
            "morning.8-replication-slots",
            Kind.NUMBERS,
            (Query(_LONGEST_TRANSACTION, "{{side}}"),),
            _LONG,
            width=4,
            height=5,
        ),
        Panel(
            "Cache hits",
            "Share of page reads that memory answered. Right after a restart it is low for a while.",
            "morning.7-sink-lag",
            Kind.NUMBERS,
            (Query(_CACHE_HITS, "{{side}}"),),
            _HITS,
            width=4,
            height=5,
        ),
    ),
)

_POOL = Row(
    "Connection pool",
    (
        _connections("source"),
        _connections("target"),
        Panel(
            "Connections used of the limit",
            "A share that rises without end is a pool that leaks.",
            "morning.6-target-answers",
            Kind.LINES,
            (Query(_USED, "{{side}}"),),
            appearance.FILLING,
        ),
    ),
)

_QUERIES = Row(
    "Query performance",
    (
        Panel(
            "Longest running query",
            "Age of the oldest statement that runs now.",
            "morning.7-sink-lag",
            Kind.LINES,
            (Query(f"max by (side) ({of('cdcproof_database_longest_query_seconds')})", "{{side}}"),),
            _LONG,
        ),
        Panel(
            "Longest open transaction",
            "Age of the oldest open transaction, idle ones included.",
            "morning.8-replication-slots",
            Kind.LINES,
            (Query(_LONGEST_TRANSACTION, "{{side}}"),),
            _LONG,
        ),
        Panel(
            "Blocked sessions and deadlocks",
            "Sessions that wait for a lock, and deadlocks within one interval.",
            "morning.7-sink-lag",
            Kind.LINES,
            (
                Query(_BLOCKED_SESSIONS, "{{side}}: blocked"),
                Query(
                    f"sum by (side) (increase({of('cdcproof_database_deadlocks_total')}[{RATE}]))",
                    "{{side}}: deadlocks",
                ),
            ),
            _BLOCKED,
        ),
        Panel(
            "Transactions",
            "Transactions per second, committed and rolled back.",
            "morning.7-sink-lag",
            Kind.LINES,
            (Query(f"sum by (side, outcome) (rate({_TRANSACTIONS}[{RATE}]))", "{{side}}: {{outcome}}"),),
            appearance.EVENTS,
            width=12,
        ),
        Panel(
            "Share of transactions rolled back",
            "Of all transactions in the interval. Sinks that retry raise it.",
            "morning.7-sink-lag",
            Kind.LINES,
            (
                Query(
                    f"sum by (side) (rate({_BACK}[{RATE}])) / on (side) (sum by (side) (rate({_TRANSACTIONS}[{RATE}])) > 0)",
                    "{{side}}",
                ),
            ),
            _ROLLBACKS,
            width=12,
        ),
    ),
)

_RESOURCES = Row(
    "Resource utilization",
    (
        Panel(
            "Database size",
            "Size of the source and of the target database.",
            "morning.5-disk",
            Kind.LINES,
            (Query(f"max by (side) ({of('cdcproof_database_size_bytes')})", "{{side}}"),),
            appearance.BYTES,
        ),
        Panel(
            "Cache hits over time",
            "Share of page reads that memory answered. A fall means a working set that memory no longer holds.",
            "morning.7-sink-lag",
            Kind.LINES,
            (Query(_CACHE_HITS, "{{side}}"),),
            _HITS,
        ),
        Panel(
            "Disks",
            "Used share of each volume, as the morning check measures it.",
            "morning.5-disk",
            Kind.LINES,
            (Query(f"max by (path) ({of('cdcproof_disk_used_ratio')})", "{{path}}"),),
            appearance.FILLING,
        ),
    ),
)

DATABASES = Dashboard(
    "cdc-database-health",
    "Database Health",
    "Connections, queries and resources of source and target, as the databases themselves report them.",
    (_NOW, _POOL, _QUERIES, _RESOURCES),
)
