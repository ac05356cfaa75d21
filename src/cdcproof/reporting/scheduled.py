"""When a command of the schedule last ran, and when it last did its work: as metrics, so that a task that did not run is seen."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from cdcproof.core import bounded
from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.files import write_whole
from cdcproof.core.json_text import parsed
from cdcproof.pipeline.model import HttpService
from cdcproof.reporting import places
from cdcproof.reporting.formats import metrics

COMMANDS = ("backup", "reconcile", "diagnose", "cleanup", "morning", "weekly", "monthly", "history")
"""Commands and suites of checks that a schedule runs."""


def keep(
    command: str, pipeline: str, *, at: float, succeeded: bool, reports: Path, gateway: HttpService | None
) -> None:
    """Keep that a command ended at `at` (Unix time), and push it, or write it for the node exporter below `reports`.

    A run without success never erases the time of the last success. Raises `OSError`, and what `metrics.push` raises.
    """
    folder = places.folder_of(pipeline, reports) if pipeline else reports
    state = folder / "scheduled" / f"{command}.json"
    success = at if succeeded else _last_success(state)
    write_whole(state, json.dumps({"last_run": at, "last_success": success}) + "\n")
    registry = metrics.registry_of_command(command, pipeline, at, success)
    if gateway is None:
        metrics.write_text_file(registry, folder / f"cdcproof-scheduled-{command}.prom")
    else:
        metrics.push_under({"command": command, "pipeline": pipeline}, registry, gateway)


def _last_success(state: Path) -> float | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = parsed(bounded.read_text(state))["last_success"]
        return None if found is None else float(found)
    return None


Problem = (OSError, CouldNotLookError)
"""What `keep` may raise: the verdict of a command does not depend on it."""
