"""Proving that the newest backup can be restored: it is, under other names beside the databases, compared with its manifest, and dropped."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cdcproof.backup import manifest
from cdcproof.backup.folders import Directory
from cdcproof.backup.log import Log
from cdcproof.backup.manifest import DatabaseBackup
from cdcproof.backup.parts.databases import maintenance
from cdcproof.backup.restore import database as restore_database
from cdcproof.backup.restore.plan import SidePlan
from cdcproof.core.errors import CdcproofError, OperationError, UsageError
from cdcproof.core.progress import Progress
from cdcproof.databases.connections import connect_to_restore
from cdcproof.pipeline.model import Pipeline

_SUFFIX = "_proof"


def prove(pipeline: Pipeline, directory: Path, progress: Progress) -> str:
    """What was proven, in a sentence. Raises `UsageError` without a backup, and our errors where one cannot be restored.

    The pipeline's own databases and connectors are not touched. A database that an earlier proof left is dropped first.
    """
    place = Directory(directory, pipeline.name)
    log = Log(None, progress)
    with place.locked() as lock:
        kept = [one for one in place.backups() if one.manifest]
        if not kept:
            raise UsageError(f"{directory} has no whole backup of {pipeline.name}.", "Make one: cdcproof backup")
        folder = kept[-1].folder
        whole = manifest.verify(folder)
        for one in whole.databases:
            if one.state.tables and not any(table.exact for table in one.state.tables):
                raise OperationError(
                    f"Of {whole.name} nothing can be proven: every table of the {one.side} was written to while it was backed up.",
                    "Make one while less is written: cdcproof backup",
                )
        proven = [_proven(pipeline, one, folder, lock, log) for one in whole.databases]
    return f"{whole.name} was restored beside: {'; '.join(proven)}"


def _proven(pipeline: Pipeline, backup: DatabaseBackup, folder: Path, lock: int, log: Log) -> str:
    database = (pipeline.source if backup.side == "source" else pipeline.target).database
    with connect_to_restore(maintenance(pipeline, backup.side)) as server:
        beside = server.name_with(database, _SUFFIX)
    plan = SidePlan(backup, database, True, beside, "")
    log.waiting(f"{backup.side}: restoring as {beside}")
    try:
        restore_database.make(pipeline, plan, folder, lock)
        return f"{backup.side}, {restore_database.prove(pipeline, plan, beside, log)}"
    finally:
        with suppress(CdcproofError):  # how it ended counts; the next proof drops what is left
            restore_database.drop(pipeline, backup.side, beside)
