"""Measures databases, topics and disks for the weekly review, and keeps what it measured beside what is known of earlier weeks."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.log_dirs import log_dirs
from cdcproof.databases.connections import connect, connect_for_health
from cdcproof.environments.base import Environment
from cdcproof.history import capacity
from cdcproof.observations.weeks.capacity import DaysUntilFull, Growth
from cdcproof.pipeline.model import Pipeline

ALL_TOPICS = "all topics together"
_STATEMENT_SECONDS = 60.0
"""Each file of the database is looked at."""


def source_growth(pipeline: Pipeline, reports: Path, now: float) -> Growth:
    """How much the source's tables take. Raises `CouldNotLookError`, and `ConfigError` for a history that cannot be used."""
    with connect(pipeline.source) as database:
        identity = database.identity().of_database()
    with connect_for_health(pipeline.source, _STATEMENT_SECONDS) as session:
        used = session.space_used_bytes()
    name = f"{pipeline.source.database} at {pipeline.source.host}"
    known = _kept(reports, now, f"source {identity}:", {name: used})
    return Growth(known, pipeline.thresholds.growth_percent_7d)


def topic_growth(pipeline: Pipeline, reports: Path, now: float) -> Growth:
    """How much the pipeline's topics, and all together, take on the disks of all brokers, replicas included."""
    kafka = Kafka(pipeline.kafka)
    taken: dict[str, float] = defaultdict(float)
    for host, port in kafka.addresses().values():
        for replica in log_dirs(host, port, kafka.login):
            taken[replica.topic] += replica.size_bytes
    ours = {table.topic: taken[table.topic] for table in pipeline.tables if table.topic in taken}
    sizes = {**ours, ALL_TOPICS: sum(taken.values())}
    return Growth(_kept(reports, now, f"kafka {kafka.cluster_id()}:", sizes), pipeline.thresholds.growth_percent_7d)


def days_until_full(environment: Environment, pipeline: Pipeline, reports: Path, now: float) -> DaysUntilFull:
    """The file systems that morning.5-disk looks at."""
    found = environment.file_systems(pipeline)
    used = {one.path: float(one.total_bytes - one.free_bytes) for one in found}
    return DaysUntilFull(found, _kept(reports, now, "disk:", used), pipeline.thresholds.days_until_full)


def _kept(reports: Path, now: float, about: str, sizes: dict[str, float]) -> dict[str, capacity.Series]:
    """The series of these sizes, of this very server or cluster alone."""
    known = capacity.add(capacity.file_of(reports), now, {f"{about} {name}": value for name, value in sizes.items()})
    return {name: known[f"{about} {name}"] for name in sizes}
