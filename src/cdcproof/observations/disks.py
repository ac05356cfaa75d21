"""File systems of the data volumes and the backup directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cdcproof.environments.base import FileSystem
from cdcproof.findings import Observation, below


@dataclass(frozen=True)
class OldFiles:
    """Files below `directory` older than `days`: how many, and the bytes that deleting them would free.

    Where there was no time to look at every file, `complete` is False and there may be more.
    """

    directory: Path
    days: float
    count: int
    size_bytes: int
    complete: bool = True
    kept: tuple[str, ...] = ()
    """Files as old, by their paths below `directory`, that are the newest of their kind: they are not counted, nor to be deleted."""
    kept_folders: tuple[str, ...] = ()
    """The same of backups of our own, each a folder that stays whole."""


@dataclass(frozen=True)
class Disks:
    """What was measured. `old_files` is None where the pipeline has no backup directory."""

    file_systems: tuple[FileSystem, ...]
    old_files: OldFiles | None

    def observation(self, fail_percent: float, warn_percent: float) -> Observation:
        """Every file system is below the limit; one that has reached the lower limit is a concern."""
        warning = below(warn_percent, "% used")
        return Observation(
            self.used_percent(),
            below(fail_percent, "% used"),
            concerns=warning.broken_by(self.used_percent()),
            no_concern=str(warning),
        )

    def used_percent(self) -> dict[str, float]:
        """Path, and ``path inodes`` where it has them, to percent used."""
        inodes = {f"{f.path} inodes": f.inodes_used_percent for f in self.file_systems}
        return {f.path: f.used_percent for f in self.file_systems} | {p: u for p, u in inodes.items() if u is not None}

    def rows(self) -> list[dict[str, object]]:
        """One row per path, for the report."""
        return [
            {
                "path": f.path,
                "used": f"{f.used_percent:.0f}%",
                "inodes": None if f.inodes_used_percent is None else f"{f.inodes_used_percent:.0f}%",
                "free": size(f.free_bytes),
                "of": size(f.total_bytes),
            }
            for f in self.file_systems
        ]

    def biggest(self) -> list[dict[str, object]]:
        """What takes the space, largest first."""
        rows: list[dict[str, object]] = [
            {"below": f.path, "entry": one.entry, "size": _counted(size(one.size_bytes), complete=not one.at_least)}
            for f in self.file_systems
            for one in f.biggest
        ]
        return rows or [{"below": "-", "entry": "nothing", "size": "-"}]

    def clean_up(self) -> str:
        """What the runbook's clean-up of old backups would free, in words."""
        old = self.old_files
        if not old:
            return "this pipeline has no backup directory here"
        count, freed = (
            _counted(text, complete=old.complete) for text in (f"{old.count:,} files", size(old.size_bytes))
        )
        return f"{count} in {old.directory} are older than {old.days:g} days: {freed}"


def _counted(text: str, *, complete: bool) -> str:
    return text if complete else f"at least {text}"


def size(size_bytes: float) -> str:
    """Bytes as a person reads them, in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"
