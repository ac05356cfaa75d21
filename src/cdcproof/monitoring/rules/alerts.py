"""The alerts whose rules are written by hand: the check that each stands for, and what mutes it.

The alert on each failing check is no part of this list: it follows from the catalogue. So does what mutes most alerts: an alert
is a consequence of those that say that something its check needs is broken.
"""

from __future__ import annotations

from dataclasses import dataclass

from cdcproof.monitoring.catalogue import BY_STEP, CHECKS
from cdcproof.reporting.steps import Need


@dataclass(frozen=True)
class Alert:
    """An alert. `stands_for` is a step, ``step:subject`` or nothing; `needs` replaces the needs of that step where it is given.

    `breaks` says that while it fires what it stands for is broken, so that alerts which need that are its consequences.
    `muted_by` are further alerts of which this one is a consequence where the labels `same` are equal.
    """

    name: str
    stands_for: str = ""
    needs: tuple[str, ...] | None = None
    breaks: bool = False
    muted_by: tuple[str, ...] = ()
    same: tuple[str, ...] = ()

    @property
    def step(self) -> str:
        """The step id of the check behind the alert; empty where there is none."""
        return Need.parse(self.stands_for).step

    def all_needs(self) -> tuple[Need, ...]:
        """What must be in order for the alert to mean anything, directly or indirectly."""
        given = self.needs
        if given is None:
            given = BY_STEP[self.step].needs if self.step else ()
        return _with_their_needs(given)


_REPLICATION = (
    "morning.2-connectors",
    "morning.6-source-answers",
    "morning.6-target-answers",
    "morning.6-kafka-answers",
)
_OF_CONNECTOR = ("ConnectorDown", "ConnectorVanished")

ALERTS: tuple[Alert, ...] = (
    # the runbook's
    Alert("HighReplicationLag", "morning.7-source-lag", muted_by=_OF_CONNECTOR, same=("connector",)),
    Alert("ConnectorDown", "morning.2-connectors", breaks=True, muted_by=("ConnectorVanished",), same=("connector",)),
    Alert("DataMismatch", "morning.3-reconciliation", needs=(), muted_by=("MismatchStands",), same=("table",)),
    # exporters and services
    Alert("ExporterDown", "morning.4-metrics-connectors", needs=()),
    Alert("PipelineLabelWrong", "morning.4-metrics-connectors", needs=()),
    Alert("ExporterBlind", "morning.4-metrics-reconciliation", needs=()),
    Alert("KafkaConnectDown", "morning.1-services:connect", breaks=True),
    Alert("KafkaDown", "morning.1-services:kafka", breaks=True),
    Alert("SchemaRegistryDown", "morning.1-services:registry", breaks=True),
    Alert("SourceDatabaseDown", "morning.1-services:source", breaks=True),
    Alert("TargetDatabaseDown", "morning.1-services:target", breaks=True),
    Alert(
        "DatabaseConnectionFailures",
        "morning.1-services",
        muted_by=("SourceDatabaseDown", "TargetDatabaseDown"),
        same=("service",),
    ),
    Alert("DatabaseConnectionsNearLimit", "morning.6-target-answers", needs=()),
    Alert("DiskFilling", "morning.5-disk"),
    Alert("DiskNearlyFull", "morning.5-disk"),
    # connectors
    Alert("ConnectorVanished", "morning.2-connectors", breaks=True),
    Alert("TaskFailed", "morning.2-connectors", muted_by=_OF_CONNECTOR, same=("connector",)),
    Alert("ConnectorWithoutTasks", "morning.2-connectors", breaks=True),
    Alert("ConnectorLagUnknown", "morning.7-source-lag", muted_by=_OF_CONNECTOR, same=("connector",)),
    Alert("SinkLagging", "morning.7-sink-lag", _REPLICATION[1:], muted_by=_OF_CONNECTOR, same=("connector",)),
    Alert("DeadLettersGrowing", "morning.9-dead-letters", needs=()),
    Alert("DeadLettersKept", "morning.9-dead-letters", needs=(), muted_by=("DeadLettersGrowing",), same=("topic",)),
    Alert("TaskErrorRateHigh", "morning.9-dead-letters"),
    Alert("TaskErrorRateUnknown", "morning.2-connectors"),
    # what is deleted unread is lost, whatever the cause: nothing mutes it
    Alert("RetentionHeadroomLow", "morning.7-source-lag", needs=()),
    Alert("RetentionHeadroomCritical", "morning.7-source-lag", needs=()),
    Alert("SlotRetainsLog", "morning.8-replication-slots", muted_by=("SlotNearInvalidation",), same=("slot",)),
    Alert("SlotNearInvalidation", "morning.8-replication-slots", needs=()),
    Alert("SourceLogUnread", "morning.7-source-lag", muted_by=_OF_CONNECTOR, same=("connector",)),
    # data: what was found different is different, whatever is down now
    Alert("ChecksumMismatch", "morning.3-reconciliation", needs=(), muted_by=("MismatchStands",), same=("table",)),
    Alert("MismatchStands", "morning.3-reconciliation", needs=()),
    Alert("ReportStale", "morning.3-reconciliation"),
    Alert("ReconciliationFailing", "morning.3-reconciliation"),
    # freshness
    Alert("FreshnessBurnsFast", "morning.7-freshness", _REPLICATION),
    Alert("FreshnessBurnsSteadily", "morning.7-freshness", _REPLICATION, muted_by=("FreshnessBurnsFast",)),
    Alert(
        "FreshnessBurnsToday",
        "morning.7-freshness",
        _REPLICATION,
        muted_by=("FreshnessBurnsFast", "FreshnessBurnsSteadily"),
    ),
    Alert(
        "FreshnessBurnsSlowly",
        "morning.7-freshness",
        _REPLICATION,
        muted_by=("FreshnessBurnsFast", "FreshnessBurnsSteadily"),
    ),
    Alert("FreshnessUnknown", "morning.7-freshness", _REPLICATION),
    # what has to run by itself
    Alert("SuiteNotRun"),
    Alert("SuiteFailedTwice"),
    Alert("ScheduledTaskNotRun"),
    Alert("Watchdog"),
    Alert("EscalateToTeamLead"),
    Alert("EscalateToInfrastructureManager"),
)
"""Every alert whose rule is in a file that is not generated, in the order of docs/MONITORING.md."""


_OF_CHECKS = tuple(Alert(check.alert, check.step, breaks=True) for check in CHECKS)


def every_alert() -> tuple[Alert, ...]:
    """The alerts written by hand, then the one on each check."""
    return (*ALERTS, *_OF_CHECKS)


def step_behind(alert: str) -> str:
    """The step id of the check that an alert stands for; empty where there is none, or no such alert."""
    return next((known.step for known in every_alert() if known.name == alert), "")


def causes(alert: Alert) -> tuple[str, ...]:
    """The names of the alerts of which this one is a consequence by the needs of its check.

    A check's alert stands until the check runs again, so it mutes no alert that is evaluated all the time.
    """
    needs = alert.all_needs()
    known = every_alert() if alert in _OF_CHECKS else ALERTS
    return tuple(cause.name for cause in known if cause.breaks and Need.parse(cause.stands_for) in needs)


def _with_their_needs(needs: tuple[str, ...]) -> tuple[Need, ...]:
    found: dict[Need, None] = {}
    waiting = [Need.parse(need) for need in needs]
    while waiting:
        need = waiting.pop(0)
        if need not in found:
            found[need] = None
            waiting += [Need.parse(further) for further in BY_STEP[need.step].needs]
    return tuple(found)
