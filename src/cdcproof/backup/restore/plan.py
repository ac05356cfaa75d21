"""What a restore would do: which databases it replaces, what becomes of the connectors, and why. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdcproof.backup.manifest import DatabaseBackup, Manifest
from cdcproof.backup.parts import connectors, offsets
from cdcproof.backup.parts.offsets import SavedParts
from cdcproof.backup.parts.part import MOST_PART_BYTES
from cdcproof.backup.parts.positions import Decision
from cdcproof.core import bounded
from cdcproof.core.errors import ConfigError, UsageError
from cdcproof.pipeline.model import Pipeline

READS_TABLES = ("initial", "initial_only", "always", "when_needed")
"""Values of ``snapshot.mode`` by which a connector without a position reads the tables' rows."""


@dataclass(frozen=True)
class SidePlan:
    """A database that is restored: beside `database`, which is then called `aside` if it is there."""

    backup: DatabaseBackup
    database: str
    exists: bool
    beside: str
    aside: str

    @property
    def side(self) -> str:
        """Source or target."""
        return self.backup.side


@dataclass(frozen=True)
class Plan:
    """A restore. `decision` is None where the connectors are left alone. `lost` are connectors that Connect has no more, `running` those that are not STOPPED."""

    folder: Path
    manifest: Manifest
    sides: tuple[SidePlan, ...]
    parts: SavedParts
    running: Mapping[str, str]
    lost: tuple[str, ...]
    decision: Decision | None
    others: Mapping[str, str] = field(default_factory=dict)
    """Connectors of others that use these databases, with their states: nobody sets their positions here."""

    def lines(self) -> list[str]:
        """As an operator reads it."""
        found = [f"backup {self.manifest.name} of {self.manifest.started_at}, verified"]
        for one in self.sides:
            rows = f"{len(one.backup.state.tables)} tables, {one.backup.rows:,} rows"
            there = f"the one that is there stays as {one.aside}" if one.exists else "there is none now"
            found.append(f"{one.side}: database {one.database} is replaced ({rows}); {there}")
        if self.lost:
            found.append(f"connectors that Connect has lost are made again: {', '.join(self.lost)}")
        if self.others:
            found.append(
                f"{', '.join(self.others)} of another pipeline use these databases too: a position there is not changed, "
                "and is of the old history. Reset it before it is started, where its database is restored."
            )
        if self.decision:
            found += [
                self.decision.why,
                f"source connector: {self.decision.source}",
                f"sink connector: {self.decision.sink}",
            ]
            found += [self.decision.lost] if self.decision.lost else []
        return found


def chosen(manifest: Manifest, database: str, engine: str) -> tuple[DatabaseBackup, ...]:
    """The databases meant by these options, the source first, both where there is none. Raises `UsageError` naming those of the backup."""
    sides = sorted(manifest.databases, key=lambda one: one.side)
    found = tuple(
        one
        for one in sides
        if (not database or one.state.database == database) and (not engine or one.engine == engine)
    )
    if not found:
        there = ", ".join(f"{one.state.database} ({one.engine})" for one in sides)
        raise UsageError(f"The backup {manifest.name} has no such database.", f"It has: {there}")
    return found


def saved_parts(folder: Path, manifest: Manifest) -> SavedParts:
    """Connectors and offsets of a backup. Raises `ConfigError` for one that cannot be read."""
    try:
        known = connectors.read(_text(folder, manifest, "connectors"))
        return SavedParts(known, offsets.read(_text(folder, manifest, "offsets")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"The connectors of this backup cannot be read: {bounded.reason(error)}.", path=folder
        ) from None


def reads_no_tables(config: Mapping[str, str]) -> bool:
    """Whether a source without a position would begin with the log alone, so that what is in the tables is never sent."""
    return config.get("snapshot.mode", "initial").lower() not in READS_TABLES


def unlike(pipeline: Pipeline, sides: Iterable[DatabaseBackup]) -> str:
    """Why these databases are not those of the pipeline file; empty where they are."""
    for one in sides:
        ours = pipeline.source if one.side == "source" else pipeline.target
        if ours.type != one.engine:
            return f"The backup's {one.side} is {one.engine}, and that of the pipeline file is {ours.type}."
    return ""


def _text(folder: Path, manifest: Manifest, part: str) -> str:
    return bounded.read_text(folder / manifest.parts[part], MOST_PART_BYTES)
