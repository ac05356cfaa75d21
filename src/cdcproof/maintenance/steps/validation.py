"""`pytest -m validate` in a process of its own, which ends with this one, and what it found."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cdcproof.core import bounded
from cdcproof.core.errors import CouldNotLookError
from cdcproof.reporting import journal, places
from cdcproof.reporting.record import Run, StepRecord

_PR_SET_PDEATHSIG = 1
_TIME_TO_END_SECONDS = 7_200.0
_MOST_TAIL_BYTES = 64 << 10
"""Beside the soak; the suite has a limit of its own, a little later."""


@dataclass(frozen=True)
class Validation:
    """`is_green` is what the run says of itself; `page` is its report."""

    is_green: bool
    word: str
    steps: tuple[StepRecord, ...]
    page: str
    output: str

    def rows(self) -> list[dict[str, str]]:
        """One row per check."""
        return [
            {"check": s.step, "verdict": str(s.verdict), "title": s.title, "found": s.reason or _found(s)}
            for s in self.steps
        ]


def validate(root: Path, reports: Path, pipeline: str, options: tuple[str, ...], soak_seconds: float) -> Validation:
    """Run the suite in the project's folder, its reports below `reports`. Raises `CouldNotLookError` where it does not run."""
    reports.mkdir(parents=True, exist_ok=True)
    for old in (reports / "latest.json", *reports.glob("*/latest.json")):
        old.unlink(missing_ok=True)
    output = reports / "output.txt"
    command = [sys.executable, "-m", "pytest", "-m", "validate", "-p", "no:cacheprovider", "--color=no"]
    command += [f"--reports-dir={reports}", f"--soak={soak_seconds:g}s", *options]
    with output.open("w", encoding="utf-8") as file:
        try:
            done = subprocess.run(
                command,
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=None if sys.stderr.isatty() else file,
                check=False,
                timeout=_TIME_TO_END_SECONDS + soak_seconds,
                preexec_fn=_end_with_parent,
            )
        except subprocess.TimeoutExpired as error:
            raise CouldNotLookError(
                f"The validation did not end within {error.timeout:g} s.", f"See {output}."
            ) from None
    folder = places.folder_of(pipeline, reports)
    try:
        run = journal.latest(folder)
    except CouldNotLookError:
        tail = bounded.last_bytes(output, _MOST_TAIL_BYTES).decode(errors="replace").strip().splitlines()[-5:]
        raise CouldNotLookError(
            f"The validation did not run (exit status {done.returncode}):\n" + "\n".join(tail), f"See {output}."
        ) from None
    return _of(run, done.returncode, folder, output)


def _of(run: Run, status: int, folder: Path, output: Path) -> Validation:
    page = folder / f"{journal.suite_name(run)}.html"
    return Validation(run.is_green and status == 0, run.word, run.steps, str(page), str(output))


def _found(step: StepRecord) -> str:
    return "; ".join(f"{d.subject}: expected {d.expected}, found {d.found}" for d in step.differences[:3])


def _end_with_parent() -> None:
    """Let the kernel send SIGTERM when the parent is gone, whatever ended it: nobody would wait for the result. Linux only."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
