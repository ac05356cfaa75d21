"""Commands that a schedule runs: each leaves when it last ended and when it last did its work, however it ends.

A command calls `note` as soon as it knows its pipeline. It did its work if it returned 0, or what `succeeded` says.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cdcproof.core.secrets import scrub

if TYPE_CHECKING:
    from cdcproof.pipeline.model import HttpService


@dataclass
class _Task:
    command: str
    pipeline: str
    reports: Path
    gateway: HttpService | None
    succeeded: bool | None = None


def note(
    arguments: argparse.Namespace, command: str, pipeline: str, reports: Path, gateway: HttpService | None
) -> None:
    """This run is one of the schedule's `command`: one of `cdcproof.reporting.scheduled.COMMANDS`."""
    arguments.scheduled = _Task(command, pipeline, reports, gateway)


def succeeded(arguments: argparse.Namespace, did_its_work: bool = True) -> None:
    """Say whether the command did its work, where its exit status does not: a mismatch that it found is an answer."""
    task: _Task | None = getattr(arguments, "scheduled", None)
    if task:
        task.succeeded = did_its_work


def keep(arguments: argparse.Namespace, status: int | None) -> None:
    """Keep that the command has ended: by this status, or by an error (None). A problem is one line on standard error."""
    task: _Task | None = getattr(arguments, "scheduled", None)
    if task is None:
        return
    from cdcproof.reporting import scheduled  # noqa: PLC0415  every command loads this module, few are of a schedule

    done = status is not None and (status == 0 if task.succeeded is None else task.succeeded)
    try:
        scheduled.keep(
            task.command, task.pipeline, at=time.time(), succeeded=done, reports=task.reports, gateway=task.gateway
        )
    except scheduled.Problem as error:
        reason = " ".join(str(error).split())
        print(scrub(f"cdcproof: the time of this run could not be kept: {reason}"), file=sys.stderr)
