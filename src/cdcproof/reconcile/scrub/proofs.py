"""What a scrub remembers of a table: its slices, when each was last proven, and up to where its changes were. One small JSON file a table.

A proof is a slice's result of which nothing is left. It speaks for what it was made of, and for nothing else: the file says what
that was, and where the logs of both servers were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from cdcproof.core.errors import CouldNotLookError
from cdcproof.databases.table_read import Segment, Slice
from cdcproof.reconcile.checksums.parts import Part, gap
from cdcproof.reconcile.slices import store
from cdcproof.reconcile.slices.division import WHOLE_TABLE, divided, holds
from cdcproof.reconcile.slices.store import SliceSums

SLICE_ROWS = 250_000
"""A slice takes about half a second, so that a short budget is kept."""
_MOST_SLICES = 1_000
OVERLAP = timedelta(hours=1)
"""A transaction may be open for so long after the update column's value was passed by others."""
_UNREADABLE = OSError, ValueError, KeyError, TypeError, AttributeError
SOURCE = "the source's database"
"""The part of `Proofs.about` that says whose log a position is in."""


@dataclass(frozen=True)
class Proven:
    """A slice, and its last result when that was a proof."""

    slice: Slice
    result: SliceSums | None = None

    @property
    def at(self) -> str | None:
        """When it was last proven equal (ISO 8601); None: not."""
        return self.result.began if self.result and not self.result.left else None

    @property
    def turn(self) -> tuple[bool, float]:
        """Orders slices by whose turn it is: not proven first, then the oldest proof."""
        return (self.at is not None, datetime.fromisoformat(self.at).timestamp() if self.at else 0)


class Latest(NamedTuple):
    """The update column's greatest value (None: the table was empty) at a time (ISO 8601)."""

    at: str
    value: str | None


@dataclass(frozen=True)
class Logs:
    """Where the logs of both servers ended; None where the server does not show it."""

    source: int | None = None
    target: int | None = None

    def set_back(self, now: Logs) -> str:
        """Which server's log ends earlier now; empty when none does."""
        pairs = (("source", self.source, now.source), ("target", self.target, now.target))
        return " and ".join(
            f"the {side}" for side, before, here in pairs if before is not None and here is not None and here < before
        )


@dataclass(frozen=True)
class Proofs:
    """A table's slices in the order of the key; together they hold every row there can be.

    `about` is what the proofs are of: when that changes, nothing is proven. Where a feed shows what changed, `position` is up to
    where the table's changes were proven, at `followed_at`, and `dropped` up to where the feed was then known to keep nothing.
    Where the update column shows it, `latest` are its greatest values at the last proofs.
    """

    about: Mapping[str, str] = field(default_factory=dict)
    slices: tuple[Proven, ...] = (Proven(WHOLE_TABLE),)
    latest: tuple[Latest, ...] = ()
    position: int | None = None
    followed_at: str | None = None
    dropped: int | None = None
    logs: Logs = Logs()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The slices, as both sides read them."""
        return tuple(Part(Segment(*one.slice), Segment(*one.slice)) for one in self.slices)

    @property
    def oldest_at(self) -> str | None:
        """When the row that was proven longest ago was proven; None when there are rows that are not."""
        return self.next.at

    @property
    def next(self) -> Proven:
        """The slice whose turn it is."""
        return min(self.slices, key=lambda one: one.turn)

    @property
    def any_proven(self) -> bool:
        """Whether there is anything to lose."""
        return any(one.at for one in self.slices)

    def proven(self, which: Slice, result: SliceSums | None) -> Proofs:
        """The same, with this result of the slice; None: it is not proven any more."""
        return replace(self, slices=tuple(Proven(which, result) if one.slice == which else one for one in self.slices))

    def without(self, values: Iterable[int]) -> Proofs:
        """The same, with the slices that hold these values of the key not proven any more."""
        lost = {one.slice for value in values for one in self.slices if holds(one.slice, value)}
        return replace(self, slices=tuple(Proven(one.slice) if one.slice in lost else one for one in self.slices))

    def unproven(self) -> Proofs:
        """The same slices, none of them proven."""
        return replace(self, slices=tuple(Proven(one.slice) for one in self.slices))

    def since(self, now: datetime) -> Latest | None:
        """From which value of the update column on rows may have changed: the greatest one `OVERLAP` ago; None at first."""
        old = [one for one in self.latest if now - datetime.fromisoformat(one.at) >= OVERLAP]
        return (old[-1:] or self.latest[:1] or (None,))[0]

    def with_latest(self, now: datetime, value: str | None) -> Proofs:
        """The same, with the column's greatest value now; what no later run needs is forgotten."""
        since = self.since(now)
        kept = self.latest[self.latest.index(since) :] if since else ()
        return replace(self, latest=(*kept, Latest(now.isoformat(timespec="seconds"), value)))

    def divided(self, low: int, high: int, rows: int) -> Proofs:
        """Slices of about `SLICE_ROWS` for values from `low` to `high`; what was proven stays so when a slice is divided."""
        wanted = min(_MOST_SLICES, max(1, rows // SLICE_ROWS))
        step = max(1, -(-(high - low + 1) // wanted))
        return replace(self, slices=tuple(part for one in self.slices for part in _parts(one, low, high, step)))


def _parts(one: Proven, low: int, high: int, step: int) -> Iterable[Proven]:
    """Parts of at most a step where there are values: what is not much too large is left as it is."""
    first = low if one.slice.low is None else max(low, one.slice.low)
    last = high if one.slice.high is None else min(high, one.slice.high - 1)
    if last - first + 1 <= 2 * step:
        return [one]
    number = -(-(last - first + 1) // step)
    return [replace(one, slice=part) for part in divided(first, last, number, whole=one.slice)]


def folder_of(folder: Path, pipeline: str, places: Iterable[str]) -> Path:
    """The pipeline's own folder; that of a run without a pipeline file is known by the addresses of both sides."""
    return folder / quote(pipeline or " ".join(places), safe="")


def path_of(folder: Path, table: str) -> Path:
    """Where a table's proofs are kept."""
    return folder / f"{quote(table, safe='')}.json"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder. Raises `CouldNotLookError` while another scrub does: each would undo what the other one finds out."""
    try:
        lock = store.locked(folder / "lock")
    except OSError as error:
        raise CouldNotLookError(f"Proofs cannot be kept in {folder}: {error.strerror}", "Make room there.") from None
    if lock is None:
        raise CouldNotLookError(
            f"Another scrub of this pipeline is at work: it holds {folder / 'lock'}.", "Run again when it has ended."
        )
    with lock:
        yield


def read(path: Path, about: Mapping[str, str]) -> tuple[Proofs, str]:
    """The proofs of a file, and why they are not used; nothing proven when there are none, or they are of something else.

    Raises `CouldNotLookError` naming a file that cannot be read.
    """
    fresh = Proofs(about)
    try:
        found = _read(path)
    except store.OtherVersionError:
        return fresh, f"they were {store.OTHER_VERSION}"
    except _UNREADABLE as error:
        raise CouldNotLookError(
            f"The proofs in {path} cannot be read: {type(error).__name__} {error}",
            f"rm '{path}'   (every row of the table is then proven anew)",
        ) from None
    if found is None:
        return fresh, ""
    different = store.changed(found.about, about)
    return (fresh, f"{different} changed since") if different else (found, "")


def needed(folder: Path, but: Iterable[Path], source: str, now: datetime, most_hours: float) -> list[int]:
    """Positions that other tables' proofs go on from, of those that are of this source and followed no longer ago than that."""
    positions = []
    for path in set(folder.glob("*.json")) - set(but):
        try:
            found = _read(path)
        except (store.OtherVersionError, *_UNREADABLE):
            continue  # it is named when the table has its turn
        if found and found.about.get(SOURCE) == source and is_waited_for(found, now, most_hours):
            positions.append(found.position or 0)
    return positions


def is_waited_for(proofs: Proofs, now: datetime, most_hours: float) -> bool:
    """Whether the feed has to keep what is behind the position: there are proofs that go on from there, and not too old ones."""
    if proofs.position is None or proofs.followed_at is None or not proofs.any_proven:
        return False
    return now - datetime.fromisoformat(proofs.followed_at) <= timedelta(hours=most_hours)


def write(proofs: Proofs, path: Path) -> None:
    """Keep them; the file appears whole or not at all. Raises `CouldNotLookError` naming the file."""
    slices = [[*one.slice, one.result] for one in proofs.slices]
    data = {**vars(proofs), "slices": slices}
    try:
        store.write(path, data)
    except OSError as error:
        raise CouldNotLookError(f"The proofs cannot be kept in {path}: {error.strerror}", "Make room there.") from None


def _read(path: Path) -> Proofs | None:
    """What is in a file; None where there is none. Raises what it may."""
    data = store.read(path)
    if data is None:
        return None
    found = Proofs(
        data["about"],
        tuple(Proven(Slice(low, high), store.sums_of(one) if one else None) for low, high, one in data["slices"]),
        tuple(Latest(*one) for one in data["latest"]),
        data["position"],
        data["followed_at"],
        data["dropped"],
        Logs(**data["logs"]),
    )
    _ = found.oldest_at, dict(found.about)  # its times are times
    if why := gap(found.parts):
        raise ValueError(why)
    return found
