"""Looks at the backups of a pipeline: the directory with its logs, and the object store."""

from __future__ import annotations

from pathlib import Path

from cdcproof.backup.folders import damage
from cdcproof.clients.object_store.client import ObjectStore
from cdcproof.core import bounded
from cdcproof.core.errors import CouldNotLookError, UsageError
from cdcproof.environments.base import BackupFile
from cdcproof.environments.disk import files_below
from cdcproof.observations.backups import logs as backup_logs
from cdcproof.observations.backups import uploads
from cdcproof.observations.backups.folders import backups_of
from cdcproof.observations.backups.runs import BackupRuns, GoodBackups, Run
from cdcproof.observations.backups.uploads import Uploads
from cdcproof.pipeline.model import Pipeline

_MOST_BYTES = 1 << 20
"""Of the log of all runs, its end: the last run has a page or two."""


def good_backups(pipeline: Pipeline, now: float) -> GoodBackups:
    """The backup directory. Raises `CouldNotLookError`."""
    directory = _directory(pipeline)
    files, complete = files_below(directory)
    folders_of_ours = [one.name for one in backups_of(files) if one.manifest]
    failed = frozenset(run.log.stamp for run in _runs(directory, files) if run.log.bad and run.log.stamp)
    limits = pipeline.thresholds
    return GoodBackups(
        directory,
        files,
        complete,
        failed,
        now,
        limits.backup_age_hours,
        limits.clock_skew_seconds,
        damaged={folder: damage(directory / folder) for folder in folders_of_ours},
    )


def backup_runs(pipeline: Pipeline, now: float) -> BackupRuns:
    """The runs of the job: each has a log in the backup directory, or all write to `paths.backup_log`."""
    directory = _directory(pipeline)
    files, _ = files_below(directory)
    runs = _runs(directory, files)
    if not runs and pipeline.paths.backup_log:
        runs = _of_one_log(pipeline.paths.backup_log)
    newest_good = good_backups(pipeline, now).newest_stamp()
    limits = pipeline.thresholds
    return BackupRuns(runs, newest_good, now, limits.backup_age_hours, limits.clock_skew_seconds)


def uploaded(pipeline: Pipeline, now: float) -> Uploads:
    """What the object store has of the last two weeks; errors as `ObjectStore`."""
    bucket = pipeline.backup.s3_bucket
    if bucket is None:
        raise UsageError("The pipeline file names no bucket of the backups.", "Add backup.s3_bucket.")
    store = ObjectStore(bucket, pipeline.backup.s3_endpoint or "")
    found = {day: store.objects(prefix) for day, prefix in uploads.prefixes(now).items()}
    limits = pipeline.thresholds
    return Uploads(store.place, found, now, limits.backup_age_hours, limits.clock_skew_seconds)


def _directory(pipeline: Pipeline) -> Path:
    if pipeline.paths.backups is None:
        raise UsageError("The pipeline file names no backup directory.", "Add paths.backups.")
    return pipeline.paths.backups


def _runs(directory: Path, files: tuple[BackupFile, ...]) -> list[Run]:
    """Those of ``backup_YYYYMMDD_HHMMSS.log``, oldest first."""
    found = []
    for file in files:
        named = backup_logs.NAME.fullmatch(file.path.rpartition("/")[2])
        if named:
            path = directory / file.path
            found.append(Run(str(path), file.changed_at, backup_logs.read(named[1], _text(path))))
    return sorted(found, key=lambda run: run.log.stamp)


def _of_one_log(path: Path) -> list[Run]:
    """The last run of a log to which every run is added."""
    try:
        changed_at = path.stat().st_mtime
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unread(path, error) from None
    return [Run(str(path), changed_at, backup_logs.last_run(_end_of(path)))]


def _text(path: Path) -> str:
    """All of it: what went wrong may stand anywhere."""
    try:
        return bounded.read_text(path, errors="replace")
    except OSError as error:
        raise _unread(path, error) from None


def _end_of(path: Path) -> str:
    try:
        return bounded.last_bytes(path, _MOST_BYTES).decode(errors="replace")
    except OSError as error:
        raise _unread(path, error) from None


def _unread(path: Path, error: OSError) -> CouldNotLookError:
    return CouldNotLookError(
        f"The log {path} cannot be read: {error.strerror}.", "Let the account of the checks read it."
    )
