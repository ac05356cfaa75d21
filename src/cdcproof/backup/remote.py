"""Backups in an object store: ``YYYY/MM/DD/NAME_YYYYMMDD_HHMMSS/``, the manifest last, so that one without it is not whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cdcproof.backup.folders import taken_at
from cdcproof.backup.manifest import Manifest, StoredFile, parse
from cdcproof.backup.retention import Candidate
from cdcproof.clients.object_store.client import StoredObject
from cdcproof.clients.object_store.uploads import TakenError, Uploads
from cdcproof.core import bounded
from cdcproof.core.errors import CdcproofError, UsageError
from cdcproof.core.files import sha256_of
from cdcproof.observations.backups.folders import MANIFEST, SUMS

_CENTURY = "20"
_ABANDONED_SECONDS = 86_400.0
"""What another machine uploads may be unfinished for so long."""


@dataclass(frozen=True)
class RemoteBackup:
    """A backup in the store, by its keys. `complete`: its manifest is there, which is uploaded last."""

    name: str
    taken_at: datetime
    prefix: str
    keys: tuple[str, ...]
    changed_at: float
    """When its newest object was written, in Unix seconds."""

    @property
    def complete(self) -> bool:
        """Whether nothing is missing of it."""
        return f"{self.prefix}{MANIFEST}" in self.keys


@dataclass(frozen=True)
class Remote:
    """The backups of one pipeline in one bucket."""

    uploads: Uploads
    pipeline: str

    @property
    def place(self) -> str:
        """For messages."""
        return self.uploads.store.place

    def backups(self) -> tuple[RemoteBackup, ...]:
        """Oldest first."""
        return found_in(self.uploads.store.objects(_CENTURY), self.pipeline)

    def candidates(self) -> tuple[Candidate, ...]:
        """Those that are whole, as `retention` takes them."""
        return tuple(Candidate(one.name, one.taken_at, good=True) for one in self.backups() if one.complete)

    def upload(self, folder: Path, manifest: Manifest, taken: datetime, report: Callable[[str], None]) -> str:
        """Upload a whole backup; its prefix. What arrived of one that fails is deleted again."""
        prefix = prefix_of(manifest.name, taken)
        files = [*manifest.files, *(StoredFile(name, 0, sha256_of(folder / name)) for name in (SUMS, MANIFEST))]
        sent: list[str] = []
        try:
            for number, file in enumerate(files, 1):
                report(f"uploading {number} of {len(files)}: {file.path}")
                sent.append(f"{prefix}{file.path}")
                self.uploads.put(folder / file.path, sent[-1], file.sha256)
        except BaseException as error:
            with suppress(CdcproofError):  # the next run deletes it
                self.uploads.delete(sent[:-1] if isinstance(error, TakenError) else sent)
            raise
        return prefix

    def remove_unfinished(self, own: Collection[str], now: float) -> tuple[str, ...]:
        """Delete what uploads left that were ended: those of `own` names, which this machine made, and others after a day."""
        removed = []
        for one in self.backups():
            if not one.complete and (one.name in own or now - one.changed_at > _ABANDONED_SECONDS):
                self.uploads.delete(one.keys)
                removed.append(one.name)
        for upload in self.uploads.abandoned(_CENTURY):
            name = _name_in(upload.key, self.pipeline)
            if name and (name in own or now - upload.begun_at > _ABANDONED_SECONDS):
                self.uploads.abort(upload)
                removed.append(name)
        return tuple(dict.fromkeys(removed))

    def delete(self, names: Collection[str]) -> None:
        """Delete these backups, the manifest of each first."""
        for one in self.backups():
            if one.name in names:
                own = f"{one.prefix}{MANIFEST}"
                if one.complete:
                    self.uploads.delete([own])
                self.uploads.delete([key for key in one.keys if key != own])

    def download(self, timestamp: str, folder: Path, report: Callable[[str], None]) -> Manifest:
        """Download a whole backup into a new folder. Raises `UsageError` where there is none, `OSError` where it cannot be written."""
        found = {f"{one.taken_at:%Y%m%d_%H%M%S}": one for one in self.backups() if one.complete}
        if timestamp not in found:
            raise UsageError(
                f"{self.place} has no backup of {self.pipeline} of {timestamp!r}.",
                f"It has: {', '.join(found) or 'none'}",
            )
        one = found[timestamp]
        manifest = parse(self.uploads.read(f"{one.prefix}{MANIFEST}"), Path(f"{one.prefix}{MANIFEST}"))
        sizes = {file.path: file.size_bytes for file in manifest.files} | dict.fromkeys(
            (SUMS, MANIFEST), bounded.MOST_BYTES
        )
        for number, (name, size) in enumerate(sizes.items(), 1):
            report(f"downloading {number} of {len(sizes)}: {name}")
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            self.uploads.get(f"{one.prefix}{name}", path, size)
        return manifest


def prefix_of(name: str, taken: datetime) -> str:
    """``2026/11/29/warehouse_20261129_020000/``."""
    return f"{taken:%Y/%m/%d}/{name}/"


def found_in(objects: Iterable[StoredObject], pipeline: str) -> tuple[RemoteBackup, ...]:
    """The backups that these objects are, oldest first."""
    keys: dict[str, list[StoredObject]] = {}
    for one in objects:
        if name := _name_in(one.key, pipeline):
            keys.setdefault(name, []).append(one)
    found = []
    for name, some in keys.items():
        taken = taken_at(name, pipeline)
        if taken:
            newest = max(one.changed_at for one in some)
            found.append(
                RemoteBackup(name, taken, prefix_of(name, taken), tuple(sorted(one.key for one in some)), newest)
            )
    return tuple(sorted(found, key=lambda one: one.taken_at))


def _name_in(key: str, pipeline: str) -> str:
    """The backup that a key is of; empty for what is none of this pipeline's, or stands under another day."""
    parts = key.split("/", 4)
    if len(parts) != 5:
        return ""
    taken = taken_at(parts[3], pipeline)
    return parts[3] if taken and key.startswith(prefix_of(parts[3], taken)) else ""
