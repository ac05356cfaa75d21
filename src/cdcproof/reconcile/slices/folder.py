"""The folder in which processes that know nothing of each other leave what they read: a plan for each table, a file for each process.

Whoever comes first to a table writes its plan, the others follow it. Each file appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.reconcile.checksums.checkpoint import ResumePoint, data_of, point_of
from cdcproof.reconcile.slices import store
from cdcproof.reconcile.slices.store import Fingerprint, SliceSums

MOST_HOURS = 24.0
"""A slice that was read longer ago is not merged: the report would speak of another day."""
_CLOCK_SKEW_HOURS = 1 / 12
_ANEW = "Give each run an empty folder of its own."


@dataclass(frozen=True)
class SharedPlan:
    """How a table is read by all: of what it is, by whose program, into how many processes' shares, and the slices.

    `place` is the table's among the tables: shares begin with another slice in each. `mark` is the plan's own hash.
    """

    about: dict[str, str]
    made_by: str
    total: int
    place: int
    begun: ResumePoint
    mark: str = ""

    def share(self, index: int) -> tuple[int, ...]:
        """The numbers of the slices that process `index`, from 1, reads."""
        return tuple(number for number in range(len(self.begun.slices)) if self.reader(number) == index)

    def reader(self, number: int) -> int:
        """Whose slice it is."""
        return (number + self.place) % self.total + 1


@dataclass
class Share:
    """What one process has read: of each table the mark of the plan, the slices by their numbers, and why there are not more."""

    index: int
    total: int
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)

    def slices(self, table: str, mark: str) -> dict[int, SliceSums]:
        """Those that were read by this plan."""
        held = self.tables.get(table)
        return store.slices_of(held["slices"]) if held and held["plan"] == mark else {}


@dataclass(frozen=True)
class SliceFolder:
    """The folder. `of` says which databases everything in it is about."""

    path: Path
    of: Fingerprint

    def plan(self, table: str) -> SharedPlan | None:
        """A table's plan; None while nobody has made one. Raises `UnexpectedAnswerError` for a file that is not ours."""
        path = self._plan_path(table)
        data = _read(path)
        if data is None:
            return None
        try:
            begun = point_of(data["left"])
            return SharedPlan(data["about"], data["made_by"], data["total"], data["place"], begun, _mark(data))
        except (KeyError, TypeError, ValueError):
            raise UnexpectedAnswerError(f"{path} is no plan of this version.", _ANEW) from None

    def agreed(self, table: str, plan: SharedPlan) -> SharedPlan:
        """This plan, or the one that another process has made before. Raises `UnexpectedAnswerError` where they are not of the same."""
        path = self._plan_path(table)
        data = {
            "about": {**plan.about, **self.of},
            "left": data_of(plan.begun),
            "made_by": plan.made_by,
            "total": plan.total,
            "place": plan.place,
        }
        mine = self.path / f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}"
        try:
            store.write(mine, data)
            os.link(mine, path)
        except FileExistsError:
            pass
        except OSError as error:
            raise CouldNotLookError(
                f"{path} cannot be written: {error.strerror}.",
                "Name a folder that all processes share and that has hard links.",
            ) from None
        finally:
            mine.unlink(missing_ok=True)
        found = self.plan(table)
        if found is None:
            raise CouldNotLookError(f"{path} was removed while it was used.", _ANEW)
        self.demand(table, found, plan.about, plan.made_by)
        if found.total != plan.total:
            raise UnexpectedAnswerError(f"{path} is shared by {found.total} processes, not by {plan.total}.", _ANEW)
        return found

    def demand(self, table: str, plan: SharedPlan, about: Fingerprint, made_by: str) -> None:
        """Raise `UnexpectedAnswerError` where a plan is of something else than what is compared now, or too old."""
        now = {**about, **self.of, "the program": made_by}
        if different := store.changed({**plan.about, "the program": plan.made_by}, now):
            raise UnexpectedAnswerError(f"{self._plan_path(table)} is of another comparison: {different}.", _ANEW)
        if why := _too_old(plan.begun.began):
            raise UnexpectedAnswerError(f"{self._plan_path(table)} is {why}.", _ANEW)

    def share(self, index: int, total: int) -> Share:
        """What process `index` has read so far: nothing at first."""
        data = _read(self._share_path(index, total))
        return Share(index, total, data["tables"]) if data else Share(index, total)

    def keep(self, share: Share) -> None:
        """Write what was read. Raises `CouldNotLookError` when that cannot be done: unwritten, it would be lost."""
        data = {"index": share.index, "total": share.total, "tables": share.tables}
        try:
            store.write(self._share_path(share.index, share.total), data)
        except OSError as error:
            raise CouldNotLookError(f"{self.path} cannot be written to: {error.strerror}.") from None

    def shares(self) -> Iterator[tuple[Path, Share]]:
        """Every process's file."""
        for path in sorted(self.path.glob("slice-*.json")):
            data = _read(path)
            if data is None:
                raise UnexpectedAnswerError(f"{path} holds no slices of this version.", _ANEW)
            yield path, Share(data["index"], data["total"], data["tables"])

    def _plan_path(self, table: str) -> Path:
        return self.path / f"plan-{hashlib.sha256(table.encode()).hexdigest()[:16]}.json"

    def _share_path(self, index: int, total: int) -> Path:
        return self.path / f"slice-{index}-of-{total}.json"


def file_of_sums(mark: str, slices: Mapping[int, SliceSums], error: str = "") -> dict[str, Any]:
    """What a share's file holds of a table."""
    return {"plan": mark, "slices": store.data_of(slices), "error": error}


def too_old(sums: SliceSums) -> str:
    """Why a slice is not to be merged by its time; empty where it is."""
    return _too_old(sums.began)


def _too_old(moment: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> str:
    hours = (clock() - datetime.fromisoformat(moment)).total_seconds() / 3600
    if hours > MOST_HOURS:
        return f"of {moment[:16]}, more than {MOST_HOURS:g} hours ago"
    return f"of {moment[:16]}, which is yet to come: a clock is wrong" if not hours >= -_CLOCK_SKEW_HOURS else ""


def _read(path: Path) -> dict[str, Any] | None:
    """None where there is no such file. Raises `UnexpectedAnswerError` for one that is not ours."""
    try:
        return store.read(path)
    except store.OtherVersionError:
        raise UnexpectedAnswerError(f"{path} was {store.OTHER_VERSION}.", _ANEW) from None
    except (OSError, ValueError) as error:
        raise UnexpectedAnswerError(f"{path} cannot be read: {error}", _ANEW) from None


def _mark(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
