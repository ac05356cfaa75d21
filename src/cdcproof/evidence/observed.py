"""The classes of what the checks are given by their fixtures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdcproof.clients.connect.client import ConnectorStates
from cdcproof.connectors.deployment.gate import Applied, ConnectorFiles
from cdcproof.connectors.settings.rules import Settings
from cdcproof.evidence.values import Values, classes_within
from cdcproof.findings import Observation
from cdcproof.maintenance.checklist import FreshBackup, KeptDiagnostics, People, Restorable, RollbackFiles, Staged
from cdcproof.observations.backups.morning import Backups
from cdcproof.observations.backups.runs import BackupRuns, GoodBackups
from cdcproof.observations.backups.uploads import Uploads
from cdcproof.observations.certificates.certificates import Certificates
from cdcproof.observations.databases.capture_job import CaptureJobs
from cdcproof.observations.databases.own_rights import OwnRights
from cdcproof.observations.databases.slots import Slots
from cdcproof.observations.dead_letters import DeadLetters
from cdcproof.observations.disks import Disks
from cdcproof.observations.images.advisories import Advisories
from cdcproof.observations.images.images import Images, NewerImages
from cdcproof.observations.images.tags import NewerTags
from cdcproof.observations.lag.freshness import Freshness
from cdcproof.observations.lag.sink import SinkLag
from cdcproof.observations.lag.source import SourceLag
from cdcproof.observations.lag.weekly import WeeklyLag
from cdcproof.observations.reconciliation.connector_page import PageBesideConnect
from cdcproof.observations.reconciliation.metrics import MismatchMetrics
from cdcproof.observations.reconciliation.reports import NewestReports, Reports
from cdcproof.observations.reconciliation.source_history import SourceHistory
from cdcproof.observations.schema.columns import ColumnSets
from cdcproof.observations.schema.next_schema import NextSchemas
from cdcproof.observations.schema.tables import TableSets
from cdcproof.observations.schema.topics import Topics
from cdcproof.observations.services import Services
from cdcproof.observations.weeks.capacity import DaysUntilFull, Growth
from cdcproof.observations.weeks.failures import WeeklyFailures
from cdcproof.observations.weeks.performance import Performance
from cdcproof.observations.weeks.recovery_drill import RecoveryDrill
from cdcproof.pipeline.model import Pipeline
from cdcproof.validation.baseline.comparison import Comparison
from cdcproof.validation.round_trip.journey import Journey
from cdcproof.validation.soak.samples import Soak

OBSERVED: tuple[type, ...] = (
    *(Services, ConnectorStates, Reports, MismatchMetrics, PageBesideConnect, Backups, Disks, OwnRights),
    *(SinkLag, SourceLag, SourceHistory, Freshness, CaptureJobs, Slots, DeadLetters, NextSchemas),
    *(Settings, TableSets, Observation, ColumnSets, Topics),
    *(WeeklyFailures, WeeklyLag, BackupRuns, GoodBackups, Uploads, Growth, DaysUntilFull, Certificates),
    *(Images, NewerImages, NewerTags, Advisories, Performance, RecoveryDrill),
    *(Journey, NewestReports, Comparison, Soak, ConnectorFiles, Applied),
    *(People, Staged, RollbackFiles, KeptDiagnostics, FreshBackup, Restorable),
)
_CLASSES = classes_within((*OBSERVED, Pipeline))


def values(named: Mapping[str, object] | None = None) -> Values:
    """What writes and reads them."""
    return Values(_CLASSES, named, {"Look": _observation_of_look})


def _observation_of_look(*, tolerated: Mapping[str, str], unknown: tuple[str, ...], **same: Any) -> Observation:
    """What was called `Look` in recordings until the checks had one shape of an observation."""
    return Observation(**same, concerns=tolerated, no_concern="present", unknown=dict.fromkeys(unknown, ""))
