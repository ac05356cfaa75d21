"""Replication slots of a PostgreSQL source's server."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from cdcproof.databases.contracts.log import Slot
from cdcproof.findings import Observation, at_most
from cdcproof.pipeline.model import Database

_MEBIBYTE = 1024 * 1024
_KEPT = "WAL reserved"
_READ = f"active, {_KEPT}"


@dataclass(frozen=True)
class Slots:
    """The slots seen on the server. `readers`: the connector of each slot that Connect knows; None where Connect did not say."""

    seen: tuple[Slot, ...]
    source: Database
    readers: dict[str, str] | None = None
    unread: frozenset[str] = frozenset()
    """Slots of the pipeline's connectors that do not run. That is another check's finding; what they hold back is this one's."""

    def observation(self, retained_limit_mebibytes: float) -> Observation:
        """Every slot is read and keeps its log, and holds back no more of it than it may."""
        retained = Observation(self.retained_mebibytes(), at_most(retained_limit_mebibytes, "MiB of WAL"))
        return Observation(self.found(), self.expected(), self.details(), then=(retained,))

    def expected(self) -> dict[str, str]:
        """Every slot must be read and keep its log: a forgotten one fills the disk as surely as a dead one.

        A slot that others look after, our own for a scrub, and one of a connector that does not run need not be read at this
        moment.
        """
        own = self.source.slot
        names = [s.name for s in self.seen] + ([own] if own else [])
        return {n: _KEPT if self._may_rest(n) else _READ for n in names or ["a slot of the source connector"]}

    def found(self) -> dict[str, str]:
        """Slot to ``active, WAL reserved`` or what else it is."""
        return {s.name: self._word(s) for s in self.seen}

    def details(self) -> dict[str, str]:
        """Slot to whose changes it has, and the log it holds back."""
        return {s.name: f"{_place(s)}, holds back {s.retained_bytes / _MEBIBYTE:,.1f} MiB of WAL" for s in self.seen}

    def failing(self) -> tuple[Slot, ...]:
        """Slots that are not as they must be."""
        expected = self.expected()
        return tuple(slot for slot in self.seen if self._word(slot) != expected[slot.name])

    def reader(self, slot: Slot) -> str | None:
        """The connector that reads a slot; empty for one that no connector reads, None where that is not known."""
        if slot.name == self.source.slot:
            return (self.readers or {}).get(slot.name) or "the pipeline's source connector"
        return None if self.readers is None else self.readers.get(slot.name, "")

    @property
    def is_on_the_way(self) -> bool:
        """Whether a slot is not as it must be that a connector reads: one that restarts has left it for a moment."""
        return any(map(self.reader, self.failing()))

    def retained_mebibytes(self) -> dict[str, float]:
        """Slot to the log it holds back, in MiB."""
        return {s.name: s.retained_bytes / _MEBIBYTE for s in self.seen}

    def rows(self) -> list[dict[str, object]]:
        """One row per slot, for the report."""
        return [
            {
                "slot": s.name,
                "of": _place(s),
                "active": "yes" if s.active else "no",
                "WAL": s.wal_status,
                "held back": f"{s.retained_bytes / _MEBIBYTE:,.1f} MiB",
            }
            for s in self.seen
        ] or [{"slot": "none", "active": None, "WAL": None, "held back": None}]

    def _may_rest(self, name: str) -> bool:
        if name in self.unread:
            return True
        if name == self.source.slot:
            return False
        return name == self.source.scrub_slot or any(fnmatchcase(name, one) for one in self.source.other_slots)

    def _word(self, slot: Slot) -> str:
        elsewhere = slot.name == self.source.slot and slot.database != self.source.database
        kept = f"WAL {slot.wal_status}{f', {_place(slot)}' if elsewhere else ''}"
        if self._may_rest(slot.name):
            return kept
        return f"{'active' if slot.active else 'inactive'}, {kept}"


def _place(slot: Slot) -> str:
    return f"of database {slot.database}" if slot.database else "physical"
