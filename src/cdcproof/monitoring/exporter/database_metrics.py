"""The metrics of how the two databases do, for the dashboard "Database Health"."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cdcproof.databases.contracts.health import Health
from cdcproof.monitoring.exporter.series import Metric, counter, gauge

Sides = Mapping[str, Health]
"""``source`` and ``target`` to what was seen, of those that answered."""


def metrics(sides: Sides) -> tuple[Metric, ...]:
    """Of both sides; what a server does not offer is absent."""
    return (
        gauge(
            "cdcproof_database_connections",
            "Sessions of the server by their state, without the one that asked.",
            _parts(sides, lambda health: health.connections),
            "side",
            "state",
        ),
        gauge(
            "cdcproof_database_connections_limit",
            "Sessions that the server allows.",
            _each(sides, lambda health: health.connections_limit),
            "side",
        ),
        gauge(
            "cdcproof_database_longest_transaction_seconds",
            "Age of the oldest transaction of a session; 0 where there is none.",
            _each(sides, lambda health: health.longest_transaction_seconds),
            "side",
        ),
        gauge(
            "cdcproof_database_longest_query_seconds",
            "Age of the oldest statement that runs; 0 where there is none.",
            _each(sides, lambda health: health.longest_query_seconds),
            "side",
        ),
        gauge(
            "cdcproof_database_blocked_sessions",
            "Sessions that wait for another one's lock.",
            _each(sides, lambda health: health.blocked_sessions),
            "side",
        ),
        counter(
            "cdcproof_database_transactions_total",
            "Transactions of the database since its statistics began.",
            _parts(sides, lambda health: health.transactions),
            "side",
            "outcome",
        ),
        counter(
            "cdcproof_database_deadlocks_total",
            "Deadlocks since the statistics began.",
            _each(sides, lambda health: health.deadlocks),
            "side",
        ),
        gauge(
            "cdcproof_database_cache_hit_ratio",
            "Pages found in the server's memory, of those looked up; 1 is all.",
            _each(sides, lambda health: health.cache_hit_ratio),
            "side",
        ),
        gauge(
            "cdcproof_database_size_bytes",
            "Size of the database's files.",
            _each(sides, lambda health: health.size_bytes),
            "side",
        ),
    )


def _each(sides: Sides, value: Callable[[Health], float | None]) -> dict[str, float | None]:
    return {side: value(health) for side, health in sides.items()}


def _parts(sides: Sides, values: Callable[[Health], Mapping[str, int]]) -> dict[tuple[str, str], float]:
    return {(side, part): float(value) for side, health in sides.items() for part, value in values(health).items()}
