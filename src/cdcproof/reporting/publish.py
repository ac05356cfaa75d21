"""Everything that is written once at the end of a run. One reporter that fails takes no other with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cdcproof.pipeline import HttpService
from cdcproof.reporting import files
from cdcproof.reporting.record import Run
from cdcproof.reporting.text import changes
from cdcproof.secrets import scrub


@dataclass(frozen=True)
class Published:
    """What became of a run's reports. `html` is None when there is no report to name.

    `failures` are reports that could not be written, `warnings` what the operator should know but can live with.
    """

    html: Path | None
    changes: tuple[str, ...]
    failures: tuple[str, ...]
    warnings: tuple[str, ...]


def publish(run: Run, reports: Path, pushgateway: Callable[[], HttpService | None]) -> Published:
    """Write every report of a run below `reports`; what fails is told in a sentence each, and never raised."""
    changed: tuple[str, ...] = ()
    failures: list[str] = []
    warnings: list[str] = []

    def attempt(what: str, write: Callable[[], object], problems: list[str]) -> bool:
        try:
            write()
        except Exception as error:  # noqa: BLE001  verdicts must survive whatever a reporter does
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            problems.append(scrub(f"{what} could not be written: {' '.join(str(reason).split())}"))
            return False
        return True

    if not attempt(f"The directory {reports}", lambda: reports.mkdir(parents=True, exist_ok=True), failures):
        return Published(None, (), tuple(failures), ())
    changed = tuple(changes(files.previous_run(run, reports), run))
    attempt("The journal of runs", lambda: files.write_run(run, reports), failures)
    return Published(None, changed, tuple(failures), tuple(warnings))
