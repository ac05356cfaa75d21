"""The backups of the last days in an object store, under ``YYYY/MM/DD/``, beside those of the week before. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from cdcproof.clients.object_store.client import StoredObject
from cdcproof.core.durations import in_hours
from cdcproof.findings import Observation
from cdcproof.observations.backups.folders import MANIFEST, is_aside, kind_of, own_name
from cdcproof.observations.disks import size

UPLOADED = "uploaded, whole"
FRESH = "fresh"
_NEWEST = "newest upload"
_SHRUNK = 0.5
_GROWN = 2.0
DAYS = 7


def prefixes(now: float) -> dict[date, str]:
    """Each day that is looked at, today and the last two weeks in UTC, to the prefix of its keys."""
    today = datetime.fromtimestamp(now, UTC).date()
    days = [today - timedelta(days=ago) for ago in range(2 * DAYS + 1)]
    return {day: f"{day:%Y/%m/%d}/" for day in days}


@dataclass(frozen=True)
class Uploads:
    """Day to its objects. Today's are not demanded, but the newest of all must be of last night."""

    place: str
    objects: Mapping[date, tuple[StoredObject, ...]]
    now: float
    age_hours: float
    skew_seconds: float
    """How far a clock may be ahead."""

    def observation(self) -> Observation:
        """Each day has its backup and the newest is fresh; one that differs from others in size or kinds is a concern."""
        return Observation(
            self.found(),
            self.expected(),
            self.details(),
            concerns=self.concerns(),
            no_concern="as the week before",
        )

    def expected(self) -> dict[str, str]:
        """Each of the last 7 days has a backup, and the newest is fresh."""
        return {_NEWEST: FRESH, **dict.fromkeys(map(str, self._days), UPLOADED)}

    def found(self) -> dict[str, str]:
        """That, or what is wrong with a day."""
        return {_NEWEST: self._newest_word(), **{str(day): self._word(day) for day in self._days}}

    def missing_days(self) -> tuple[date, ...]:
        """Days without a whole backup."""
        return tuple(day for day in self._days if self._word(day) != UPLOADED)

    def details(self) -> dict[str, str]:
        """Day to its size and that of the week before."""
        return {str(row["day"]): f"{row['size']}, the week before {row['the week before']}" for row in self.rows()}

    def concerns(self) -> dict[str, str]:
        """Days that are twice as large as the week before, and kinds of backups that a day lacks."""
        grown = {
            str(day): f"{size(ours)}, the week before {size(before)}"
            for day in self._days
            if (ours := self._sizes[day]) > _GROWN * (before := self._sizes[day - timedelta(days=DAYS)]) > 0
        }
        known: set[str] = set()
        lacking: dict[str, str] = {}
        for day in sorted(self.objects):
            kinds = set(self._kinds(day))
            if kinds and day in self._days and known - kinds:
                lacking[str(day)] = f"no {', '.join(sorted(known - kinds))}, which an earlier day has"
            known |= kinds
        return {**grown, **lacking}

    def rows(self) -> list[dict[str, object]]:
        """One row per day, the newest first, for the report."""
        return [
            {
                "day": str(day),
                "objects": len(self.objects.get(day, ())),
                "size": size(self._sizes[day]),
                "the week before": size(before) if (before := self._sizes[day - timedelta(days=DAYS)]) else "none",
            }
            for day in self._days
        ]

    @property
    def _days(self) -> list[date]:
        today = datetime.fromtimestamp(self.now, UTC).date()
        return [today - timedelta(days=ago) for ago in range(1, DAYS + 1)]

    @cached_property
    def _sizes(self) -> dict[date, int]:
        """The size of a day's backup: where there are several of a kind, of the largest."""
        return defaultdict(int, {day: sum(self._kinds(day).values()) for day in self.objects})

    def _kinds(self, day: date) -> dict[str, int]:
        """Kind of backup to the size of its largest: names that differ in numbers only are of one kind."""
        found: dict[str, int] = {}
        for name, objects in _backups(self.objects.get(day, ())).items():
            kind = kind_of(name)
            found[kind] = max(found.get(kind, 0), sum(one.size_bytes for one in objects))
        return found

    def _word(self, day: date) -> str:
        backups = _backups(self.objects.get(day, ()))
        if not backups:
            return "nothing"
        if not self._sizes[day]:
            return "empty objects"
        if part := self._in_part(day):
            return f"in part: {part} has no {MANIFEST}"
        before = self._sizes[day - timedelta(days=DAYS)]
        if self._sizes[day] < _SHRUNK * before:
            return "less than half of the week before"
        return UPLOADED

    def _in_part(self, day: date) -> str:
        """A folder of a kind that comes with a manifest, or of a day of folders alone, where no folder of its kind has one that day."""
        backups = _backups(self.objects.get(day, ()))
        folders = [name for name, objects in backups.items() if _is_folder(name, objects)]
        whole = _kinds_with_manifest(backups)
        demanded = self._kinds_with_manifest | set(
            map(kind_of, folders if len(folders) == len(backups) and not whole else ())
        )
        return next((name for name in folders if kind_of(name) in demanded - whole), "")

    @cached_property
    def _kinds_with_manifest(self) -> set[str]:
        """Kinds of folders of which one has a manifest on any day: another job's have none."""
        return {kind for objects in self.objects.values() for kind in _kinds_with_manifest(_backups(objects))}

    def _newest_word(self) -> str:
        times = [one.changed_at for objects in self.objects.values() for one in objects]
        if not times:
            return "none in two weeks"
        age_seconds = self.now - max(times)
        if age_seconds < -self.skew_seconds:
            return "from the future: a clock is wrong"
        return FRESH if age_seconds <= self.age_hours * 3600 else f"{in_hours(age_seconds)} old"


def _backups(objects: Iterable[StoredObject]) -> dict[str, list[StoredObject]]:
    """By the part of the key after the day: a folder ``NAME_YYYYMMDD_HHMMSS`` is one backup, any other object is one by itself.

    Logs are no backups, nor is what is hidden.
    """
    found: dict[str, list[StoredObject]] = defaultdict(list)
    for one in objects:
        rest = one.key.split("/", 3)[3]
        if rest.endswith("/") or not rest or is_aside(rest):
            continue  # the first two are the mark of a folder
        first, below, _ = rest.partition("/")
        found[first if below and own_name(first) else rest].append(one)
    return found


def _kinds_with_manifest(backups: Mapping[str, Iterable[StoredObject]]) -> set[str]:
    return {
        kind_of(name)
        for name, objects in backups.items()
        if any(o.key.endswith(f"/{name}/{MANIFEST}") for o in objects)
    }


def _is_folder(name: str, objects: Iterable[StoredObject]) -> bool:
    return all(one.key.split("/", 3)[3].startswith(f"{name}/") for one in objects)
