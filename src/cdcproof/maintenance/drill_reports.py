"""What drills of disaster recovery left: a JSON file each, in ``drills`` beside the reports."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cdcproof.core import bounded
from cdcproof.core.errors import OperationError
from cdcproof.core.files import write_whole
from cdcproof.core.json_text import parsed

_PROOF_HOLDS = timedelta(days=92)
"""A quarter: as often as the runbook wants a drill."""
_CLOCKS_DIFFER = timedelta(hours=1)
"""By how much the clock of the machine of the drill may be ahead."""


@dataclass(frozen=True)
class DrillReport:
    """One drill. Times are ISO 8601 in UTC. `rpo_seconds` is the age of the oldest change that was lost, 0 where none was.

    `backup` is the timestamp of the backup that was restored, empty where none was needed; `proven` that every row was the same in
    the end; `lost_rows` what did not come back, by table.
    """

    scenario: str
    pipeline: str
    started_at: str
    finished_at: str
    rto_seconds: float
    rpo_seconds: float
    rto_target_seconds: float
    rpo_target_seconds: float
    proven: bool
    backup: str
    steps: tuple[tuple[str, float], ...]
    lost_rows: dict[str, int]
    notes: tuple[str, ...] = ()

    @property
    def within_targets(self) -> bool:
        """Whether it was proven, in time, with no more lost than allowed."""
        return (
            self.proven and self.rto_seconds <= self.rto_target_seconds and self.rpo_seconds <= self.rpo_target_seconds
        )


def write(report: DrillReport, reports: Path) -> Path:
    """Keep it. Raises `OperationError`."""
    stamp = datetime.fromisoformat(report.started_at).strftime("%Y%m%dT%H%M%SZ")
    path = reports / "drills" / f"{stamp}-{report.scenario}.json"
    try:
        write_whole(path, json.dumps({**asdict(report), "within_targets": report.within_targets}, indent=1) + "\n")
    except OSError as error:
        raise OperationError(f"{path} cannot be written: {error.strerror}.") from None
    return path


def proofs(reports: Path, pipeline: str) -> tuple[str, ...]:
    """Sentences about drills of this pipeline that restored a backup and were proven within a quarter, newest first."""
    found = []
    now = datetime.now(UTC)
    for path in sorted((reports / "drills").glob("*.json"), reverse=True):
        try:
            stored: dict[str, Any] = parsed(bounded.read_text(path))
            at = datetime.fromisoformat(stored["finished_at"])
            is_of_quarter = now - _PROOF_HOLDS <= at <= now + _CLOCKS_DIFFER
            if stored["pipeline"] == pipeline and stored["proven"] is True and stored["backup"] and is_of_quarter:
                found.append(f"drill {stored['scenario']} of {stored['finished_at']} restored {stored['backup']}")
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return tuple(found)
