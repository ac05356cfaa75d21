"""What a run that is killed leaves for the next one: the tables that are through, and how far the others are.

Below the folder of the reports, one small file a run and one a table at work, each written whole. A run that comes to its end
takes them away. They are used by a run that asks the same of the same databases, within `MOST_HOURS`, and not while the run
that writes them is alive.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TextIO

from cdcproof.core.stored import matched
from cdcproof.databases.table_read import Chunking, Segment, Slice
from cdcproof.reconcile.checksums.balance import Balance
from cdcproof.reconcile.checksums.parts import Part
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.report.result import TableResult
from cdcproof.reconcile.slices import store
from cdcproof.reconcile.slices.store import Fingerprint, Scanned

FOLDER = ".unfinished"
MOST_HOURS = 4.0
"""What is older is not built upon: the report would speak of another day."""
SAVE_SECONDS = 5.0
_NOT_USED = "what an interrupted run had read is not used"
_OTHER_VERSION = f"{_NOT_USED}: it was {store.OTHER_VERSION}"


@dataclass(frozen=True)
class ResumePoint:
    """A table that is being scanned: since when, which way, in which chunks and parts, by which marks, and how far.

    `by_key`: the parts are slices of the key, which a row does not leave, each of a moment of its own; the marks are the tables' identities.
    """

    began: str
    strategy: Strategy
    chunking: Chunking
    source_mark: str
    target_mark: str
    parts: tuple[Part, ...]
    scanned: Scanned = field(default_factory=Scanned)
    by_key: bool = False
    reason: str = ""
    """Why by this strategy, where that is kept."""
    read_by: str = ""
    """Who has read it, where that was not an interrupted run."""
    position: int = 0
    """Where the source's log ended when its slices were read."""

    @property
    def slices(self) -> tuple[Slice, ...]:
        """The parts, where they are slices."""
        return tuple(Slice(part.source.low, part.source.high) for part in self.parts if part.source)


def _clock() -> datetime:
    return datetime.now().astimezone()


def data_of(point: ResumePoint) -> dict[str, Any]:
    """For JSON: all but how far it is, and who has read it."""
    return {
        "began": point.began,
        "strategy": point.strategy,
        "chunking": asdict(point.chunking),
        "source_mark": point.source_mark,
        "target_mark": point.target_mark,
        "parts": [[side and (side.low, side.high) for side in (part.source, part.target)] for part in point.parts],
        "by_key": point.by_key,
        "reason": point.reason,
    }


def point_of(data: Mapping[str, Any]) -> ResumePoint:
    """A point from what JSON made of it."""
    return ResumePoint(
        data["began"],
        Strategy(data["strategy"]),
        Chunking(**data["chunking"]),
        data["source_mark"],
        data["target_mark"],
        tuple(Part(_segment(ours), _segment(theirs)) for ours, theirs in data["parts"]),
        by_key=data["by_key"],
        reason=data["reason"],
    )


class Kept(Protocol):
    """What is kept of a table that is being scanned. `refused` says why something is not used, empty where it is."""

    refused: str

    def now(self) -> str:
        """The time, as the report writes it."""
        ...

    def left(self, about: Fingerprint) -> ResumePoint | None:
        """What to go on from; None when there is nothing. Raises `CouldNotLookError` where there has to be something."""
        ...

    def refuse(self, reason: str) -> None:
        """It is not used for this reason. Raises `CouldNotLookError` where there has to be something."""
        ...

    def keep(self, about: Fingerprint, left: ResumePoint) -> None:
        """Keep how far it is."""
        ...


class Checkpoint:
    """One table's file; without a path nothing is kept. `refused` says why an earlier one is not used, empty when there is none.

    `of` is part of every `about`: the databases.
    """

    def __init__(
        self,
        path: Path | None = None,
        clock: Callable[[], datetime] = _clock,
        save_seconds: float = SAVE_SECONDS,
        of: Fingerprint = MappingProxyType({}),
    ) -> None:
        self._path = path
        self._of = of
        self._clock = clock
        self._save_seconds = save_seconds
        self._saved = time.monotonic()
        self.refused = ""

    def now(self) -> str:
        """The time, as the report writes it."""
        return self._clock().isoformat(timespec="seconds")

    def left(self, about: Fingerprint) -> ResumePoint | None:
        """Where an earlier run stopped; None when there is nothing to go on from."""
        data, self.refused = _read(self._path) if self._path else (None, "")
        if data is None:
            return None
        self.refused = _refusal(data, {**about, **self._of}, self._clock())
        if self.refused:
            return None
        slices, pages = store.slices_of(data["slices"]), data["pages"]
        scanned = Scanned.of(slices)
        if pages:
            scanned = Scanned(Balance.restored(pages["balance"], *pages["rows"]), set(pages["done"]))
        return replace(point_of(data["left"]), scanned=scanned, position=store.position_of(slices))

    def refuse(self, reason: str) -> None:
        """Say why it is not used."""
        self.refused = f"{_NOT_USED}: {reason}"

    def keep(self, about: Fingerprint, left: ResumePoint) -> None:
        """Write how far a scan is, at most every few seconds. A disk that is full does not end a run."""
        if self._path is None or time.monotonic() - self._saved < self._save_seconds:
            return
        scanned, balance = left.scanned, left.scanned.balance
        pages = {
            "balance": balance.left(),
            "rows": [balance.source_rows, balance.target_rows],
            "done": sorted(scanned.done),
        }
        data = {
            "saved": self.now(),
            "about": {**about, **self._of},
            "left": data_of(left),
            "slices": store.data_of(scanned.slices),
            "pages": None if left.by_key else pages,
        }
        with suppress(OSError):
            store.write(self._path, data, mode=0o600)
        self._saved = time.monotonic()

    def remove(self) -> None:
        """The scan is through, or does not count."""
        if self._path:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Finished:
    about: Fingerprint
    result: TableResult


class Unfinished:
    """A run's files. Use as a context manager.

    `run` names the run: the pipeline and the addresses of both sides. `about` is what these lead to; what was read of other
    databases is not used. With `fresh` what an earlier run has left is thrown away. Where another run of the same name is alive, or
    the folder cannot be written to, nothing is read and nothing kept.
    """

    def __init__(
        self,
        reports: Path,
        run: Fingerprint,
        about: Fingerprint,
        *,
        fresh: bool = False,
        clock: Callable[[], datetime] = _clock,
    ) -> None:
        self._folder = reports / FOLDER
        self._name = _short(json.dumps(dict(run), sort_keys=True))
        self._about = dict(about)
        self._clock = clock
        self._fresh = fresh
        self._lock: TextIO | None = None
        self._tables: dict[str, _Finished] = {}
        self._began = clock().isoformat(timespec="seconds")
        self.resumed = ""
        """When the run began that this one goes on from; empty when none."""
        self._refused = ""

    def __enter__(self) -> Unfinished:
        with suppress(OSError):
            self._lock = store.locked(self._folder / f"{self._name}.lock")
        if self._lock and self._fresh:
            self._remove()
        elif self._lock:
            self._go_on()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    def result(self, table: str, about: Fingerprint) -> TableResult | None:
        """A table's result by the run that this one goes on from; None when it has to be compared."""
        known = self._tables.get(table)
        return known.result if known and not self.refused(table, about) else None

    def refused(self, table: str, about: Fingerprint) -> str:
        """Why a table's result by an earlier run is not used; empty when there is none, or it is."""
        known = self._tables.get(table)
        return _changed(known.about, {**about, **self._about}) if known else self._refused

    def finished(self, result: TableResult, about: Fingerprint) -> None:
        """Keep a result until the run is through."""
        self._tables[result.table] = _Finished({**about, **self._about}, result)
        if self._lock:
            data = {
                "began": self.resumed or self._began,
                "saved": self._clock().isoformat(),
                "tables": self._tables,
            }
            with suppress(OSError):
                store.write(self._path, data, mode=0o600)
        self.of(result.table).remove()

    def of(self, table: str) -> Checkpoint:
        """A table's own file."""
        path = self._table_path(table) if self._lock else None
        return Checkpoint(path, self._clock, of=self._about)

    def complete(self, but: Collection[str] = ()) -> None:
        """The run is through: nothing is left to go on from but what was read of these tables, which were not finished."""
        if self._lock:
            self._remove(but)

    def _table_path(self, table: str) -> Path:
        return self._folder / f"{self._name}-{_short(table)}.json"

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._name}.json"

    def _go_on(self) -> None:
        data, self._refused = _read(self._path)
        try:
            if data and not _refusal({**data, "about": {}}, {}, self._clock()):
                finished = {
                    name: _Finished(known["about"], matched(TableResult, known["result"]))
                    for name, known in data["tables"].items()
                }
                self._tables, self.resumed = finished, str(data["began"])
        except (ValueError, KeyError, TypeError, AttributeError):  # it was damaged: all is compared anew
            return

    def _remove(self, but: Collection[str] = ()) -> None:
        left = {self._table_path(table) for table in but}
        with suppress(OSError):
            for path in set(self._folder.glob(f"{self._name}*.json")) - left:
                path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Any] | None, str]:
    """What is in a file, None when there is none, or one that is not ours; and why it is not used, where another version wrote it."""
    try:
        return store.read(path), ""
    except store.OtherVersionError:
        return None, _OTHER_VERSION
    except (OSError, ValueError):
        return None, ""


def _segment(bounds: list[int | None] | None) -> Segment | None:
    return Segment(*bounds) if bounds else None


def _refusal(data: Mapping[str, Any], about: Fingerprint, now: datetime) -> str:
    different = _changed(data["about"], about)
    if different:
        return different
    hours = (now - datetime.fromisoformat(data["saved"])).total_seconds() / 3600
    if not 0 <= hours <= MOST_HOURS:
        return f"{_NOT_USED}: it is of {data['saved'][:16]}, more than {MOST_HOURS:g} hours ago"
    return ""


def _changed(before: Fingerprint, now: Fingerprint) -> str:
    different = store.changed(before, now)
    return f"{_NOT_USED}: {different} changed since" if different else ""


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
