"""Which backups are to be deleted. The judgement alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Candidate:
    """A backup, here or in the object store.

    `good`: it has a manifest, and every file that the manifest names. A `remnant` has no manifest at all: what an ended deletion left.
    """

    name: str
    taken_at: datetime
    good: bool
    remnant: bool = False


def to_delete(backups: Iterable[Candidate], now: datetime, keep_days: float, keep_count: int) -> tuple[str, ...]:
    """The names, oldest first: those older than `keep_days`, but for the newest `keep_count` good ones.

    A remnant that is older than the newest good one goes at once. One that is not good for another reason, a later format perhaps, goes by its
    age. Where there is no good one, nothing is deleted: a part may be all there is.
    """
    found = sorted(backups, key=lambda one: (one.taken_at, one.name))
    good = [one for one in found if one.good]
    if not good:
        return ()
    kept = {one.name for one in good[-max(1, keep_count) :]}
    limit = now - timedelta(days=keep_days)
    return tuple(
        one.name
        for one in found
        if one.name not in kept and (one.taken_at < limit or (one.remnant and one.taken_at < good[-1].taken_at))
    )
