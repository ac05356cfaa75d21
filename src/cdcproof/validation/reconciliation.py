"""Reconciling now, as `cdcproof reconcile` does it, and finding the report that it wrote."""

from __future__ import annotations

import sys
from datetime import datetime

from cdcproof.core import bounded_program
from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.json_text import parsed
from cdcproof.core.secrets import scrub
from cdcproof.observations.reconciliation import reports
from cdcproof.observations.reconciliation.reports import NewestReports
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.report.result import TableStatus

_DIFFERENT = 1
_MOST_LINES = 10


def _is_incomplete(text: str) -> bool:
    """Whether the report that was printed is one in which a column with data was not compared, and nothing worse."""
    try:
        summary = parsed(text)["summary"]
    except (ValueError, TypeError, KeyError):
        return False
    return set(summary.values()) <= {TableStatus.MATCH, TableStatus.INCOMPLETE}


def reconcile_now(pipeline: Pipeline, pipeline_name: str, environment_name: str) -> NewestReports:
    """Compare the contents of all tables, and return the report that was written, like any other, beside the others.

    It runs in a process of its own, so that its memory and its threads are gone with it; its progress goes to the
    terminal where there is one. Raises `CouldNotLookError` when a table could not be compared at all.
    """
    has_terminal = sys.stderr.isatty()
    try:
        done = bounded_program.run(
            [
                *(sys.executable, "-m", "cdcproof", "reconcile", "--validate-checksums", "--json"),
                *(f"--pipeline={pipeline_name}", f"--env={environment_name}"),
            ],
            seconds=None,  # whole tables are read, and each statement has a deadline
            has_terminal=has_terminal,
        )
    except bounded_program.TooMuchOutputError as error:
        raise CouldNotLookError(f"The reconciliation could not be read: {error.strerror}.") from None
    if done.returncode not in (0, _DIFFERENT) and not _is_incomplete(done.stdout):
        errors = (done.stderr or "see what it said above").strip().splitlines()[-_MOST_LINES:]
        raise CouldNotLookError("The reconciliation could not look at every table:\n" + scrub("\n".join(errors)))
    run_id = parsed(done.stdout)["run_id"]
    found = reports.look(pipeline, datetime.now().astimezone())
    return found.of_run(run_id)
