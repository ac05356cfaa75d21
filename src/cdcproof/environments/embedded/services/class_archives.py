"""Class archives: the classes of a service, ready for use. They halve what a start takes.

Each is written on the machine itself, by the first process of the service that stops when there is none
(Java's AppCDS, -XX:ArchiveClassesAtExit). Java uses one only with the very files that it was made of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from cdcproof.environments.embedded import folders
from cdcproof.environments.embedded.processes import running
from cdcproof.environments.embedded.processes.running import Process
from cdcproof.environments.embedded.services import java

_FINGERPRINT = 16


def path(service: str, made_for: str, jars: Iterable[Path]) -> Path:
    """Where the archive is, or will be: one per service, `made_for` (the parts and the Java) and class path."""
    files = "".join(f"{jar}:{jar.stat().st_size}:{jar.stat().st_mtime_ns}\n" for jar in jars)
    fingerprint = hashlib.sha256(files.encode()).hexdigest()[:_FINGERPRINT]
    return _folder() / made_for / f"{service}-{fingerprint}.jsa"


def unfinished(archive: Path, instance: str) -> Path:
    """Where a process of that instance writes the archive, until it is whole."""
    return archive.with_suffix(f".{instance}.part")


def will_be_written(process: Process) -> bool:
    """Whether the process, when it stops, writes an archive that is not there yet."""
    parts = [a.partition("=")[2] for a in running.arguments(process) if a.startswith(java.WRITE_ARCHIVE)]
    return any(not _finished(Path(part)).exists() for part in parts)


def keep(service: str, instance: str, *, whole: bool) -> None:
    """Take over what the service's process has written, in place of older archives; drop it unless it is `whole`."""
    name = f"{service}-{'?' * _FINGERPRINT}"
    for part in _folder().glob(f"*/{name}.{instance}.part"):
        if not whole or not part.stat().st_size:
            part.unlink()
            continue
        for old in (*part.parent.glob(f"{name}.jsa"), part.with_name(f"{service}.jsa")):
            old.unlink(missing_ok=True)
        part.replace(_finished(part))


def _finished(part: Path) -> Path:
    return part.with_name(f"{part.name.partition('.')[0]}.jsa")


def _folder() -> Path:
    return folders.cache_folder() / "class-archives"
