"""The one list of checks: step id, suites, severity, needs, and from the id the runbook anchor and the alert.

A check's mark holds its step id and nothing else; this list holds the rest. The alert on each failing check, the inhibition of
consequences by their cause, the table in docs/RUNBOOK.md and the one in docs/MONITORING.md are generated from it: `make generate`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cdcproof.observations.certificates.endpoints import has_certificates
from cdcproof.pipeline.model import Pipeline

Severity = Literal["critical", "major", "minor"]


@dataclass(frozen=True)
class Condition:
    """What a pipeline must have for a check to be collected. `text` completes "only where the pipeline …"."""

    text: str
    holds: Callable[[Pipeline], bool]


ALWAYS = Condition("", lambda _: True)
REGISTRY = Condition("names a registry", lambda pipeline: pipeline.registry is not None)
PROMETHEUS = Condition("names a Prometheus", lambda pipeline: pipeline.prometheus is not None)
SINKS = Condition("has a sink connector", lambda pipeline: bool(pipeline.sinks))
POSTGRESQL_SOURCE = Condition("has a PostgreSQL source", lambda pipeline: pipeline.source.type == "postgresql")
SQLSERVER_SOURCE = Condition("has a SQL Server source", lambda pipeline: pipeline.source.type == "sqlserver")
COMPOSE_FILES = Condition("names its compose files", lambda pipeline: bool(pipeline.paths.compose_files))
NOT_EMBEDDED = Condition("is not embedded", lambda pipeline: pipeline.environment != "embedded")
HEARTBEAT = Condition("names its heartbeat", lambda pipeline: pipeline.freshness is not None)
BUCKET = Condition("names a bucket of its backups", lambda pipeline: pipeline.backup.s3_bucket is not None)
TLS = Condition(
    "may use TLS and is not embedded",
    lambda pipeline: pipeline.environment != "embedded" and has_certificates(pipeline),
)
BACKUPS = Condition(
    "names a backup directory and is not embedded",
    lambda pipeline: pipeline.paths.backups is not None and pipeline.environment != "embedded",
)


@dataclass(frozen=True)
class Check:
    """One check. `needs` are steps, or ``step:subject``; `also` names further suites whose runs include it."""

    step: str
    severity: Severity
    needs: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    only_where: Condition = ALWAYS

    @property
    def suite(self) -> str:
        """The part of the step id before the dot."""
        return self.step.partition(".")[0]

    @property
    def suites(self) -> tuple[str, ...]:
        """Every suite whose run includes the check, its own first."""
        return (self.suite, *self.also)

    @property
    def anchor(self) -> str:
        """The anchor of the check's section in docs/RUNBOOK.md: ``morning-2-connectors``."""
        return self.step.replace(".", "-")

    @property
    def alert(self) -> str:
        """The alert on this check when it failed or was not checked: ``MorningConnectorsNotGreen``."""
        suite, _, name = self.step.partition(".")
        words = re.sub(r"^\d+-", "", name).split("-")
        return "".join(word.capitalize() for word in (suite, *words)) + "NotGreen"


def _services(suite: str, *roles: str) -> tuple[str, ...]:
    return tuple(f"{suite}.1-services:{role}" for role in roles)


def _answers(*services: str) -> tuple[str, ...]:
    return tuple(f"morning.6-{service}-answers" for service in services)


_MORNING = (
    Check("morning.1-services", "critical"),
    Check("morning.2-connectors", "critical", _services("morning", "connect", "kafka", "source", "target")),
    Check("morning.3-reconciliation", "critical", _services("morning", "source", "target")),
    Check("morning.4-metrics-reconciliation", "major", ("morning.3-reconciliation",)),
    Check("morning.4-metrics-connectors", "major", _services("morning", "connect")),
    Check("morning.5-backups", "critical", only_where=BACKUPS),
    Check("morning.5-disk", "major"),
    Check("morning.6-source-answers", "critical", _services("morning", "source")),
    Check("morning.6-target-answers", "critical", _services("morning", "target")),
    Check("morning.6-kafka-answers", "critical", _services("morning", "kafka")),
    Check("morning.6-registry-answers", "major", _services("morning", "registry"), only_where=REGISTRY),
    Check("morning.6-source-rights", "critical", _answers("source")),
    Check("morning.6-target-rights", "critical", _answers("target")),
    Check("morning.7-sink-lag", "critical", _answers("kafka")),
    Check("morning.7-source-lag", "critical", (*_services("morning", "connect"), *_answers("source", "kafka"))),
    Check(
        "morning.7-freshness",
        "critical",
        (*_services("morning", "connect", "kafka"), *_answers("source", "target")),
        only_where=HEARTBEAT,
    ),
    Check("morning.7-capture-job", "critical", _answers("source"), only_where=SQLSERVER_SOURCE),
    Check("morning.8-replication-slots", "critical", _answers("source"), only_where=POSTGRESQL_SOURCE),
    Check("morning.9-tables", "critical", _answers("source", "target", "kafka")),
    Check("morning.9-capture", "critical", (*_services("morning", "connect"), *_answers("source"))),
    Check("morning.9-columns", "critical", _answers("source", "target")),
    Check("morning.9-accounts", "critical", (*_services("morning", "connect"), *_answers("source", "target"))),
    Check("morning.9-connector-settings", "critical", _services("morning", "connect")),
    Check(
        "morning.9-dead-letters", "critical", (*_services("morning", "connect"), *_answers("kafka")), only_where=SINKS
    ),
    Check("morning.9-topics", "critical", (*_services("morning", "zookeeper"), *_answers("kafka"))),
    Check("morning.9-registry", "major", _answers("registry"), only_where=REGISTRY),
)

_CONNECTORS = (
    Check("connectors.1-database-connectivity", "critical"),
    Check("connectors.2-topics", "major"),
    Check("connectors.3-capture", "critical"),
    Check("connectors.4-permissions-sufficient", "critical"),
    Check("connectors.5-permissions-excessive", "major"),
    Check("connectors.6-settings", "critical"),
)

_VALIDATE = (
    Check("validate.1-services", "critical", also=("staging", "premaintenance")),
    Check(
        "validate.2-connectors",
        "critical",
        _services("validate", "connect", "kafka", "source", "target"),
        also=("staging", "premaintenance"),
    ),
    Check("validate.3-round-trip", "critical", ("validate.2-connectors",), also=("staging",)),
    Check("validate.4-reconciliation", "critical", ("validate.2-connectors",), also=("staging",)),
    Check("validate.5-baseline", "major", _services("validate", "connect", "source", "target")),
    Check("validate.6-soak", "critical", ("validate.2-connectors",), also=("staging",)),
)

_STAGING = (
    Check("staging.1-connector-files", "critical", _services("validate", "connect", "kafka", "source", "target")),
    Check("staging.2-connectors-applied", "critical", ("staging.1-connector-files",)),
)

_WEEKLY = (
    Check("weekly.1-failures", "major", only_where=PROMETHEUS),
    Check("weekly.1-lag", "major", only_where=PROMETHEUS),
    Check("weekly.2-backup-log", "critical", only_where=BACKUPS),
    Check("weekly.2-backup-age", "critical", only_where=BACKUPS),
    Check("weekly.2-uploads", "critical", only_where=BUCKET),
    Check("weekly.3-source-growth", "minor"),
    Check("weekly.3-topic-growth", "minor"),
    Check("weekly.3-days-until-full", "major"),
    Check("weekly.4-certificates", "critical", only_where=TLS),
)

_MONTHLY = (
    Check("monthly.1-images", "major", only_where=COMPOSE_FILES),
    Check("monthly.1-newer-images", "minor", only_where=COMPOSE_FILES),
    Check("monthly.1-newer-tags", "minor", only_where=COMPOSE_FILES),
    Check("monthly.1-advisories", "major"),
    Check("monthly.1-accounts", "major"),
    Check("monthly.2-performance", "minor", only_where=PROMETHEUS),
    Check("monthly.3-recovery-drill", "major", only_where=NOT_EMBEDDED),
)

_PREMAINTENANCE = (
    Check("premaintenance.1-announced", "major"),
    Check("premaintenance.1-approved", "critical"),
    Check("premaintenance.2-staging", "critical"),
    Check("premaintenance.3-rollback-files", "critical"),
    Check("premaintenance.4-baseline", "major", _services("validate", "connect", "source", "target")),
    Check("premaintenance.5-reconciliation", "critical", ("validate.2-connectors",)),
    Check("premaintenance.6-diagnostics", "minor"),
    Check("premaintenance.7-backup", "critical", _services("validate", "source", "target")),
    Check("premaintenance.8-restorable", "critical", ("premaintenance.7-backup",)),
)

CHECKS: tuple[Check, ...] = (*_MORNING, *_WEEKLY, *_MONTHLY, *_CONNECTORS, *_VALIDATE, *_STAGING, *_PREMAINTENANCE)
"""Every check, in the order of the runbook."""

BY_STEP = {check.step: check for check in CHECKS}
"""Step id to its check."""
