"""Backups as files, without a pipeline."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdcproof.backup import folders, manifest
from cdcproof.backup.folders import Directory, Kept
from cdcproof.backup.manifest import DatabaseBackup, Manifest
from cdcproof.databases.contracts.backup import DatabaseState, TableSum
from cdcproof.databases.contracts.identity import Identity

NOW = datetime(2026, 11, 29, 2, tzinfo=UTC)
STATE = DatabaseState(
    "warehouse",
    "PostgreSQL 18.6",
    Identity("7713", "warehouse", "16389", "00000001"),
    28472968,
    "0/1B27688",
    "a method",
    (TableSum("public", "customers", 20, "45"),),
    {"encoding": "UTF8", "owner": "postgres"},
)


def committed(directory: Path, pipeline: str, taken: datetime) -> Kept:
    """A whole backup of one database in two files."""
    with (
        Directory(directory, pipeline).locked() as lock,
        Directory(directory, pipeline).begin(taken, lock) as unfinished,
    ):
        stamp = f"{taken:{folders.FORM}}"
        dump = unfinished.folder / "postgresql" / f"warehouse_{stamp}"
        dump.mkdir(parents=True)
        (dump / "toc.dat").write_bytes(b"contents")
        (dump / "2605.dat.gz").write_bytes(b"rows" * 100)
        (unfinished.folder / f"pipeline_{stamp}.toml").write_text('name = "w"\n')
        whole = Manifest(
            unfinished.final.name,
            pipeline,
            stamp,
            taken.isoformat(),
            (taken + timedelta(seconds=5)).isoformat(),
            "0.1.0",
            "cluster",
            (DatabaseBackup("source", "postgresql", f"postgresql/warehouse_{stamp}", STATE),),
            {"pipeline": f"pipeline_{stamp}.toml"},
            manifest.stored_files(unfinished.folder),
        )
        folders.commit(unfinished, whole)
    return Kept(directory / whole.name, taken, whole)


def with_rows(state: DatabaseState, rows: int) -> DatabaseState:
    """The same, where its table has another number of rows."""
    return replace(state, tables=(replace(state.tables[0], rows=rows),))
