"""The classes of what the checks of the suites that can be replayed are given by their fixtures."""

from __future__ import annotations

from collections.abc import Mapping

from cdcproof.clients.connect import ConnectorStates
from cdcproof.evidence.values import Values, classes_within
from cdcproof.observations.advisories import Advisories
from cdcproof.observations.backup_runs import BackupRuns, GoodBackups
from cdcproof.observations.backups import Backups
from cdcproof.observations.capacity import DaysUntilFull, Growth
from cdcproof.observations.capture_job import CaptureJobs
from cdcproof.observations.columns import ColumnSets
from cdcproof.observations.connector_states import PageBesideConnect
from cdcproof.observations.dead_letters import DeadLetters
from cdcproof.observations.disks import Disks
from cdcproof.observations.freshness import Freshness
from cdcproof.observations.image_tags import NewerTags
from cdcproof.observations.images import Images, NewerImages
from cdcproof.observations.lag import SinkLag
from cdcproof.observations.metrics import MismatchMetrics
from cdcproof.observations.next_schema import NextSchemas
from cdcproof.observations.own_rights import OwnRights
from cdcproof.observations.performance import Performance
from cdcproof.observations.recovery_drill import RecoveryDrill
from cdcproof.observations.reports import Reports
from cdcproof.observations.services import Services
from cdcproof.observations.slots import Slots
from cdcproof.observations.source_history import SourceHistory
from cdcproof.observations.source_lag import SourceLag
from cdcproof.observations.tables import TableSets
from cdcproof.observations.topics import Topics
from cdcproof.observations.uploads import Uploads
from cdcproof.observations.weekly_failures import WeeklyFailures
from cdcproof.observations.weekly_lag import WeeklyLag
from cdcproof.operations.connectors.prerequisites import Look
from cdcproof.operations.connectors.settings import Settings
from cdcproof.pipeline import Pipeline

SUITES = ("morning", "weekly", "monthly")
"""Those that can be replayed: their checks look by fixtures alone, and change nothing."""

OBSERVED: tuple[type, ...] = (
    *(Services, ConnectorStates, Reports, MismatchMetrics, PageBesideConnect, Backups, Disks, OwnRights),
    *(SinkLag, SourceLag, SourceHistory, Freshness, CaptureJobs, Slots, DeadLetters, NextSchemas),
    *(Settings, TableSets, Look, ColumnSets, Topics),
    *(WeeklyFailures, WeeklyLag, BackupRuns, GoodBackups, Uploads, Growth, DaysUntilFull),
    *(Images, NewerImages, NewerTags, Advisories, Performance, RecoveryDrill),
)
_CLASSES = classes_within((*OBSERVED, Pipeline))


def values(named: Mapping[str, object] | None = None) -> Values:
    """What writes and reads them."""
    return Values(_CLASSES, named)
