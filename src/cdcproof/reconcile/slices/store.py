"""What is kept of the slices of a table, in whatever file: of what they are, what was read of each, when and by whom.

An interrupted run leaves the slices that it has read, a process its share of them, a scrub those that it has proven. They differ in
which slices are pending, not in what is kept. A file appears whole or not at all, and one of another version is never misread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from cdcproof.core import bounded
from cdcproof.core.files import write_whole
from cdcproof.core.json_text import parsed
from cdcproof.reconcile.checksums.balance import Balance

try:
    import fcntl
except ImportError:  # Windows: nothing keeps two runs apart there
    fcntl = None  # type: ignore[assignment]

VERSION = 8
"""Another one, too, when a row gets another hash."""
_MOST_BYTES = 256 * 2**20
"""Of a file: a hundred slices in which each of 50,000 chunks differs. What is larger is read anew from the databases."""
OTHER_VERSION = "written by another version of cdcproof"

Fingerprint = Mapping[str, str]
"""Of what something is, in parts that have names: it is used only where every part is the same."""


class OtherVersionError(Exception):
    """A file of ours that another version wrote."""


@dataclass(frozen=True)
class SliceSums:
    """What is left of a slice's sums, nothing of chunks that are equal; how many rows each side has; when and by whom it was read.

    `position` is where the source's log ended before it was read; None where the server does not show that.
    """

    left: tuple[tuple[int, ...], ...]
    source_rows: int
    target_rows: int
    began: str
    ended: str
    position: int | None
    worker: str


@dataclass
class Scanned:
    """How far a table is read: what is left of its sums, and the numbers of the parts that are in it.

    Parts that are slices are kept in `slices`, too. Parts of pages are not: their sums say nothing before all of them are there.
    """

    balance: Balance = field(default_factory=Balance)
    done: set[int] = field(default_factory=set)
    slices: dict[int, SliceSums] = field(default_factory=dict)

    def take(self, number: int, sums: SliceSums) -> None:
        """Take in a slice, whole and once."""
        self.balance.merge(sums.left, sums.source_rows, sums.target_rows)
        self.done.add(number)
        self.slices[number] = sums

    @classmethod
    def of(cls, slices: Mapping[int, SliceSums]) -> Scanned:
        """Of slices that were read before."""
        scanned = cls()
        for number, sums in slices.items():
            scanned.take(number, sums)
        return scanned


def data_of(slices: Mapping[int, SliceSums]) -> dict[str, Any]:
    """Slices by their numbers, for JSON."""
    return {str(number): asdict(sums) for number, sums in slices.items()}


def slices_of(data: Mapping[str, Any]) -> dict[int, SliceSums]:
    """What JSON made of them."""
    return {int(number): sums_of(sums) for number, sums in data.items()}


def position_of(slices: Mapping[int, SliceSums]) -> int:
    """The last position at which one of them was read: a log that ends before it was set back; 0 where no server showed one."""
    return max((one.position for one in slices.values() if one.position is not None), default=0)


def sums_of(data: Mapping[str, Any]) -> SliceSums:
    """What JSON made of one."""
    return SliceSums(**{**data, "left": tuple(map(tuple, data["left"]))})


def changed(before: Fingerprint, now: Fingerprint) -> str:
    """The names of the parts that are not the same, empty when all are."""
    return ", ".join(sorted(name for name in {**before, **now} if before.get(name) != now.get(name)))


def read(path: Path) -> dict[str, Any] | None:
    """What is in a file, None where there is none. Raises `OtherVersionError`; `OSError` or `ValueError` for what is not ours."""
    try:
        data = parsed(bounded.read_text(path, _MOST_BYTES))
    except FileNotFoundError:
        return None
    if not isinstance(data, dict) or "version" not in data:
        raise ValueError("it is none of cdcproof's")
    if data["version"] != VERSION:
        raise OtherVersionError
    return data


def write(path: Path, data: Mapping[str, Any], mode: int = 0o644) -> None:
    """Write it whole. Raises `OSError`."""
    write_whole(path, json.dumps({"version": VERSION, **data}, default=vars), mode)


def locked(path: Path) -> TextIO | None:
    """The file, which nobody else has while it is open; None while somebody has it. Raises `OSError` where it cannot be made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
