"""Which old reports and backups may be deleted: never one that is still needed to answer a question. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cdcproof.observations.backups.folders import MANIFEST, Backup, backups_of, kind_of
from cdcproof.reconcile.report.history import Seen, finished, history, proven_since
from cdcproof.reconcile.report.result import Report, TableStatus

_DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class OldFile:
    """A regular file, by its path below the directory. `inode` and `changed_ns` say that it is still the one that was judged."""

    path: str
    inode: int
    changed_ns: int
    size_bytes: int
    disk_bytes: int

    @property
    def changed_at(self) -> float:
        """When it was last written, in Unix time."""
        return self.changed_ns / 1e9


@dataclass(frozen=True)
class Sorted:
    """What may be deleted, and what is as old and stays: path to the reason."""

    removable: tuple[OldFile, ...]
    kept: dict[str, str]

    @property
    def freed_bytes(self) -> int:
        """What deleting would free on disk."""
        return sum(file.disk_bytes for file in self.removable)


def old_reports(files: Iterable[OldFile], reports: dict[str, Report], now: float, days: float) -> Sorted:
    """Of the reports and their pages (`NAME.json`, `NAME.html`), those older than `days`; `reports` are the whole ones, by path.

    A report that a table still needs stays, with its page: its newest one, its newest comparison of contents, and a difference that
    stands. Those that prove nothing, since they are not whole, go by their age alone.
    """
    needed = _needed(reports)
    removable, kept = [], {}
    for file in sorted(files, key=lambda one: one.path):
        name = file.path.rpartition(".")[0] + ".json"
        made_at = finished(reports[name]).timestamp() if name in reports else file.changed_at
        if now - max(made_at, file.changed_at) <= days * _DAY_SECONDS:
            continue
        if name in needed:
            kept[file.path] = needed[name]
        else:
            removable.append(file)
    return Sorted(tuple(removable), kept)


def _needed(reports: dict[str, Report]) -> dict[str, str]:
    """Report to why it is needed. Reports of other databases, or of another name of the pipeline, speak for themselves."""
    results: dict[tuple[str, ...], list[_Named]] = defaultdict(list)
    for path, report in sorted(reports.items(), key=lambda pair: finished(pair[1])):
        for result in report.tables:
            about = (report.pipeline, report.source, report.target, result.table)
            results[about].append(_Named(result, finished(report), path))
    needed: dict[str, str] = {}
    for (*_, table), seen in results.items():
        past = history(seen)
        for one, why in (
            (past and past.newest, "the newest report"),
            (past and past.contents, "the newest comparison of contents"),
            (past and past.mismatch, "the difference that stands"),
        ):
            if isinstance(one, _Named):
                needed.setdefault(one.path, f"{why} of {table}")
    while more := dict(_resolving(results, needed)):
        needed |= more
    return needed


@dataclass(frozen=True)
class _Named(Seen):
    path: str


def _resolving(
    results: Mapping[tuple[str, ...], Sequence[_Named]], needed: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """What resolved a difference that stays, because its report is needed for another table: without it, it would stand again."""
    for (*_, table), seen in results.items():
        for number, one in enumerate(seen):
            if one.path in needed and one.result.status is TableStatus.MISMATCH:
                later = (other for other in seen[number + 1 :] if proven_since(other) >= one.at)
                first = next(later, None)
                if first and first.path not in needed:
                    yield first.path, f"resolved a difference of {table}"


def old_backups(
    files: Sequence[OldFile], is_good: Callable[[str], bool], now: float, days: float, keep_count: int
) -> Sorted:
    """Of the files of a backup directory those older than `days`, but for the newest `keep_count` good ones of each kind.

    A backup is deleted as a whole. `is_good` is asked of each by its name; an empty one never is. One that was copied lately stays, but
    takes the place of none that is newer.
    """
    by_kind: dict[str, list[Backup[OldFile]]] = defaultdict(list)
    for one in reversed(backups_of(files)):
        by_kind[kind_of(one.name)].append(one)
    kept: dict[str, str] = {}
    for backups in by_kind.values():
        kept[backups[0].name] = "the newest of its kind"
        good = [one.name for one in backups if is_good(one.name) and any(file.size_bytes for file in one.files)]
        kept |= dict.fromkeys(good[:keep_count], "one of the newest good ones of its kind")
    old = {
        one.name: one for backups in by_kind.values() for one in backups if now - one.written_at > days * _DAY_SECONDS
    }
    removable = [file for name in sorted(old.keys() - kept.keys()) for file in _manifest_first(old[name].files)]
    return Sorted(tuple(removable), {name: why for name, why in sorted(kept.items()) if name in old})


def _manifest_first(parts: Iterable[OldFile]) -> list[OldFile]:
    """Without its manifest it is no backup any more, should the rest not be reached."""
    return sorted(parts, key=lambda file: (not file.path.endswith(f"/{MANIFEST}"), file.path))
