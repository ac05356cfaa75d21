"""The runs of one pipeline, kept as JSON: latest.json, the journal of earlier runs, and when each check was last green.

A run of a part of a suite is kept too, under a name of its own: what is compared with is always a whole run.
"""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

from cdcproof.core import bounded
from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.files import write_whole
from cdcproof.core.json_text import parsed
from cdcproof.reporting.record import Run, StepRecord

KEPT_RUNS = 50
"""Journal entries kept per suite."""


def suite_name(run: Run) -> str:
    """The run's suites as part of a file's name: ``morning``, or ``morning+weekly``; ``morning.part`` of a part only."""
    return "+".join(run.suites) + (".part" if run.missing else "")


def write(run: Run, reports: Path) -> None:
    """Write `latest.json` and the journal entry, and drop entries that are too old. Raises `OSError`."""
    text = json.dumps(run.as_dict(), indent=1, ensure_ascii=False) + "\n"
    write_whole(reports / "latest.json", text)
    stamp = datetime.fromtimestamp(run.started_at, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    write_whole(reports / "runs" / f"{stamp}-{suite_name(run)}.json", text)
    for old in _entries(reports, suite_name(run))[KEPT_RUNS:]:
        old.unlink(missing_ok=True)


def previous(run: Run, reports: Path) -> Run | None:
    """The newest whole run of the same suites and pipeline that is older than `run`; unreadable ones are passed over."""
    for path in _entries(reports, suite_name(run).removesuffix(".part")):
        entry = _read(path)
        if entry and entry.pipeline == run.pipeline and entry.started_at < run.started_at:
            return entry
    return None


def latest(reports: Path) -> Run:
    """The last run. Raises `CouldNotLookError` when none is kept in this directory."""
    path = reports / "latest.json"
    remedy = "Run the checks first: pytest -m morning, or name --reports-dir"
    try:
        return _parsed(path)
    except FileNotFoundError:
        raise CouldNotLookError(f"There is no report of a run in {reports}.", remedy) from None
    except OSError as error:
        raise CouldNotLookError(f"{path} cannot be read: {error.strerror}.", remedy) from None
    except ValueError:
        raise CouldNotLookError(f"{path} is no report of a run.", remedy) from None


def owner(reports: Path) -> str | None:
    """The name of the pipeline whose runs are kept here; None where none is."""
    found = (_read(path) for path in (reports / "latest.json", *_entries(reports, "*")))
    return next((run.pipeline for run in found if run), None)


def newest_of(step: str, reports: Path) -> StepRecord | None:
    """The newest record of a step, of whichever run it is; None where no run kept here has it."""
    runs = (_read(path) for path in _entries(reports, "*"))
    return next((record for run in runs if run for record in run.steps if record.step == step), None)


def runs_of(suite: str, reports: Path) -> tuple[Run, ...]:
    """Every kept run that a check of this suite was in, newest first."""
    runs = (_read(path) for path in _entries(reports, "*"))
    return tuple(run for run in runs if run and suite in run.suites)


def state_of(suite: str, run: Run, reports: Path) -> tuple[tuple[StepRecord, ...], float | None]:
    """The newest record of each step of a suite, and when the whole suite last ended (None: never).

    A run of a part says nothing of the other steps: theirs are taken from earlier runs, back to the last whole one.
    """
    records: dict[str, StepRecord] = {}
    earlier = (entry for path in _entries(reports, "*") if (entry := _read(path)) and entry.pipeline == run.pipeline)
    for each in (run, *(entry for entry in earlier if entry.started_at < run.started_at)):
        mine = [record for record in each.steps if record.suite == suite]
        for record in mine:
            records.setdefault(record.step, record)
        if mine and suite not in each.parts:
            return tuple(records.values()), each.started_at + each.duration_seconds
    return tuple(records.values()), None


def failed_runs(suite: str, run: Run, reports: Path) -> int | None:
    """How many whole runs of a suite in a row were not green, up to the newest one; None when there was no whole run."""
    earlier = (entry for path in _entries(reports, "*") if (entry := _read(path)) and entry.pipeline == run.pipeline)
    count: int | None = None
    for each in (run, *(entry for entry in earlier if entry.started_at < run.started_at)):
        mine = [record for record in each.steps if record.suite == suite]
        if not mine or suite in each.parts:
            continue
        if all(record.verdict.is_green for record in mine):
            return count or 0
        count = (count or 0) + 1
    return count


def _read(path: Path) -> Run | None:
    """A run as `write` wrote it; None when there is none there, or it is not one."""
    try:
        return _parsed(path)
    except (OSError, ValueError):
        return None


def _parsed(path: Path) -> Run:
    return Run.from_dict(parsed(bounded.read_text(path)))


def last_success(run: Run, reports: Path) -> dict[str, float]:
    """Step id to the Unix time at which it was last green, this run included.

    Kept in a file of its own, because the journal forgets and a failure must not erase it. Raises `OSError`.
    """
    path = reports / "last-success.json"
    kept: dict[str, dict[str, float]] = {}
    with contextlib.suppress(FileNotFoundError, ValueError):
        found = parsed(bounded.read_text(path))
        if isinstance(found, dict):
            kept = {pipeline: times for pipeline, times in found.items() if isinstance(times, dict)}
    successes = {
        **kept.get(run.pipeline, {}),
        **{r.step: r.started_at + r.duration_seconds for r in run.steps if r.verdict.is_green},
    }
    write_whole(path, json.dumps({**kept, run.pipeline: successes}, indent=1) + "\n")
    return successes


def _entries(reports: Path, suite: str) -> list[Path]:
    """The journal's files of one suite, newest first; the names sort by time."""
    return sorted((reports / "runs").glob(f"[0-9]*Z-{suite}.json"), reverse=True)
