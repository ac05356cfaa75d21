"""The archive: every text scrubbed, its size bounded, written whole or not at all, readable by its owner only."""

from __future__ import annotations

import io
import os
import secrets as random
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cdcproof.core.errors import OperationError
from cdcproof.core.secrets import scrub
from cdcproof.diagnostics.parts import File, Missing

MOST_FILE_BYTES = 2 << 20
MOST_BYTES = 32 << 20
"""Of all texts together, before they are compressed."""


@dataclass(frozen=True)
class Archive:
    """What was written: where, the files in it, what could not be collected, and what stands out."""

    path: Path
    folder: str
    """The one folder in it."""
    files: tuple[str, ...]
    missing: tuple[Missing, ...]
    remarks: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all was collected."""
        return not self.missing

    @property
    def size_bytes(self) -> int:
        """As it lies on disk."""
        return self.path.stat().st_size


def bounded(file: File, most_bytes: int = MOST_FILE_BYTES) -> File:
    """The file without what is too much, cut between two lines: half a secret would be known to nobody."""
    data = file.text.encode(errors="replace")
    if len(data) <= most_bytes:
        return replace(file, text=data.decode())
    if file.keep == "end":
        kept = data[-most_bytes:].partition(b"\n")[2]
    else:
        kept = data[:most_bytes].rpartition(b"\n")[0] + b"\n"
    note = f"[left out here: {len(data) - len(kept):,} of {len(data):,} bytes]\n"
    text = kept.decode()
    return replace(file, text=note + text if file.keep == "end" else text + note)


def scrubbed(files: Iterable[File]) -> list[File]:
    """Without secrets, in names and in texts; each name once."""
    found: dict[str, File] = {}
    for file in files:
        path = scrub(file.path)
        number = 2
        while path in found:
            path = f"{scrub(file.path)}-{number}"
            number += 1
        found[path] = replace(file, path=path, text=scrub(file.text))
    return list(found.values())


def within_limit(files: Iterable[File], most_bytes: int = MOST_BYTES) -> tuple[list[File], list[Missing]]:
    """The files that fit, the first ones first, and those that do not."""
    kept, left_out, used = [], [], 0
    for file in files:
        size = len(file.text.encode())
        if used + size > most_bytes:
            left_out.append(Missing(file.path, f"The archive is limited to {most_bytes >> 20} MiB."))
        else:
            used += size
            kept.append(file)
    return kept, left_out


def write(files: Iterable[File], name: str, directory: Path | None) -> Path:
    """Write them into a new archive in the directory, else in the one for temporary files. Raises `OperationError`.

    Nobody can lay a link where it will be: part of its name is drawn by lot.
    """
    folder = directory or Path(tempfile.gettempdir())
    unfinished: Path | None = None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, made = tempfile.mkstemp(dir=folder, prefix=f".{name}-", suffix=".part")  # 0600, and new
        unfinished = Path(made)
        with os.fdopen(handle, "wb") as raw:
            with tarfile.open(fileobj=raw, mode="w:gz") as archive:
                for entry, data in _entries(files, name):
                    archive.addfile(entry, io.BytesIO(data))
            raw.flush()
            os.fsync(raw.fileno())
        path = folder / f"{name}-{random.token_hex(4)}.tar.gz"
        unfinished.rename(path)
    except OSError as error:
        raise OperationError(
            f"The archive cannot be written to {folder}: {error.strerror or error}.",
            "Make room there, or name another directory: --output-dir DIR",
        ) from None
    finally:
        if unfinished:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
    return path.absolute()


def _entries(files: Iterable[File], folder: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    now = int(time.time())
    for file in files:
        data = file.text.encode()
        entry = tarfile.TarInfo(f"{folder}/{file.path}")
        entry.size, entry.mtime, entry.mode = len(data), now, 0o600
        yield entry, data
