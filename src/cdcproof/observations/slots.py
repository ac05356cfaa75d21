"""Replication slots of a PostgreSQL source."""

from __future__ import annotations

from dataclasses import dataclass

from cdcproof.databases.base import Slot

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Slots:
    """The slots seen, and the name of the one the source connector reads (None when the pipeline does not say)."""

    seen: tuple[Slot, ...]
    connector_slot: str | None

    def expected(self) -> dict[str, str]:
        """Every slot must be read and keep its log: a forgotten one fills the disk as surely as a dead one."""
        names = [s.name for s in self.seen] + ([self.connector_slot] if self.connector_slot else [])
        return dict.fromkeys(names or ["a slot of the source connector"], "active, WAL reserved")

    def found(self) -> dict[str, str]:
        """Slot to ``active, WAL reserved`` or what else it is."""
        return {s.name: f"{'active' if s.active else 'inactive'}, WAL {s.wal_status}" for s in self.seen}

    def details(self) -> dict[str, str]:
        """Slot to the log it holds back."""
        return {s.name: f"holds back {s.retained_bytes / _MEBIBYTE:,.1f} MiB of WAL" for s in self.seen}

    def failing(self) -> tuple[str, ...]:
        """Names of slots that are not as they must be."""
        return tuple(name for name, word in self.found().items() if word != "active, WAL reserved")

    def retained_mebibytes(self) -> dict[str, float]:
        """Slot to the log it holds back, in MiB."""
        return {s.name: s.retained_bytes / _MEBIBYTE for s in self.seen}

    def rows(self) -> list[dict[str, object]]:
        """One row per slot, for the report."""
        return [
            {
                "slot": s.name,
                "active": "yes" if s.active else "no",
                "WAL": s.wal_status,
                "held back": f"{s.retained_bytes / _MEBIBYTE:,.1f} MiB",
            }
            for s in self.seen
        ] or [{"slot": "none", "active": None, "WAL": None, "held back": None}]
