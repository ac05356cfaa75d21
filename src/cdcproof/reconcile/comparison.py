"""One table to compare: both open sides, the fence between them, and who follows the work. Data only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cdcproof.databases.contracts.database import Database
from cdcproof.pipeline.engines import Engine
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.in_flight.fence import Fence
from cdcproof.reconcile.plan.calibration import Calibration
from cdcproof.reconcile.plan.columns import TablePair

Progress = Callable[[str, int, int], None]
"""Receives what is done, how many rows are read, and about how many there are (0: not known)."""


@dataclass(frozen=True)
class Side:
    """An open session, its engine, and what this run learned of how that server writes values."""

    engine: Engine
    database: Database
    calibration: Calibration


@dataclass(frozen=True)
class Comparison:
    """One table to compare. The report names `key_limit` differing keys; `stop` ends the work."""

    table: TablePair
    source: Side
    target: Side
    fence: Fence
    key_limit: int
    progress: Progress
    stop: Stop
