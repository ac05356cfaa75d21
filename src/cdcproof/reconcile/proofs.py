"""What a scrub remembers of a table: its slices, and when each was last proven. One small JSON file a table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from cdcproof.errors import CouldNotLookError
from cdcproof.reporting.files import write_whole

SLICE_ROWS = 250_000
"""A slice takes about half a second, so that a short budget is kept."""
_MOST_SLICES = 1_000
_FORMAT_VERSION = 1


@dataclass(frozen=True)
class Proven:
    """A slice of the key, from `low` up to but without `high`, and when it was last proven equal (ISO 8601; None: not)."""

    low: int | None
    high: int | None
    at: str | None = None

    @property
    def turn(self) -> tuple[bool, float]:
        """Orders slices by whose turn it is: not proven first, then the oldest proof."""
        return (self.at is not None, datetime.fromisoformat(self.at).timestamp() if self.at else 0)

    def holds(self, value: int) -> bool:
        """Whether rows with this value of the key are in it."""
        return (self.low is None or value >= self.low) and (self.high is None or value < self.high)


@dataclass(frozen=True)
class Proofs:
    """A table's slices in the order of the key; together they hold every row there can be.

    `plan` tells what was compared: when it changes, nothing is proven. `latest` is the update column's greatest value
    at the last proof, where changes are found by it.
    """

    plan: str
    slices: tuple[Proven, ...] = (Proven(None, None),)
    latest: str | None = None

    @property
    def oldest_at(self) -> str | None:
        """When the row that was proven longest ago was proven; None when there are rows that are not."""
        return self.next.at

    @property
    def next(self) -> Proven:
        """The slice whose turn it is."""
        return min(self.slices, key=lambda one: one.turn)

    def proven(self, which: Proven, at: str | None) -> Proofs:
        """The same, with this slice proven at that time (None: not any more)."""
        return replace(self, slices=tuple(replace(one, at=at) if one == which else one for one in self.slices))

    def without(self, values: Iterable[int]) -> Proofs:
        """The same, with the slices that hold these values of the key not proven any more."""
        lost = {one for value in values for one in self.slices if one.holds(value)}
        return replace(self, slices=tuple(replace(one, at=None) if one in lost else one for one in self.slices))

    def unproven(self) -> Proofs:
        """The same slices, none of them proven."""
        return replace(self, slices=tuple(replace(one, at=None) for one in self.slices), latest=None)

    def divided(self, low: int, high: int, rows: int) -> Proofs:
        """Slices of about `SLICE_ROWS` for values from `low` to `high`; what was proven stays so when a slice is divided."""
        wanted = min(_MOST_SLICES, max(1, rows // SLICE_ROWS))
        step = max(1, -(-(high - low + 1) // wanted))
        return replace(self, slices=tuple(part for one in self.slices for part in _parts(one, low, high, step)))


def _parts(one: Proven, low: int, high: int, step: int) -> Iterable[Proven]:
    """Parts of at most two steps where there are values: what is not much too large is left as it is."""
    first = low if one.low is None else max(low, one.low)
    last = high + 1 if one.high is None else min(high + 1, one.high)
    if last - first <= 2 * step:
        return [one]
    inner = range(first + step, last - step // 2, step)
    return [Proven(begin, end, one.at) for begin, end in pairwise([one.low, *inner, one.high])]


def path_of(folder: Path, table: str) -> Path:
    """Where a table's proofs are kept."""
    return folder / f"{table}.json"


def read(path: Path, plan: str) -> Proofs:
    """The proofs of a file; nothing proven when there is none, or when it is of another plan.

    Raises `CouldNotLookError` naming a file that cannot be read.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != _FORMAT_VERSION or data["plan"] != plan:
            return Proofs(plan)
        slices = tuple(Proven(one["low"], one["high"], one["at"]) for one in data["slices"])
        found = Proofs(plan, slices, data["latest"])
        _ = found.oldest_at  # its times are times
    except FileNotFoundError:
        return Proofs(plan)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CouldNotLookError(
            f"The proofs in {path} cannot be read: {type(error).__name__} {error}",
            f"rm '{path}'   (every row of the table is then proven anew)",
        ) from None
    return found


def write(proofs: Proofs, path: Path) -> None:
    """Keep them; the file appears whole or not at all. Raises `CouldNotLookError` naming the file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({"version": _FORMAT_VERSION, **asdict(proofs)}, indent=1) + "\n")
    except OSError as error:
        raise CouldNotLookError(f"The proofs cannot be kept in {path}: {error.strerror}", "Make room there.") from None
