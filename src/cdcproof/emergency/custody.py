"""The chain of custody: a hash of every file that was preserved, and a record of every hand that they went through.

`SHA256SUMS` has the form of `sha256sum`, so that any machine checks it: ``sha256sum -c SHA256SUMS``. `custody.jsonl` is only ever
added to; each record holds the hash of the one before it, so that none can be taken out or changed unseen.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdcproof import __version__
from cdcproof.core import bounded
from cdcproof.core.errors import OperationError
from cdcproof.core.files import sha256_of
from cdcproof.core.json_text import parsed
from cdcproof.maintenance.journal import Actor

SUMS, RECORDS = "SHA256SUMS", "custody.jsonl"
_FIRST = "0" * 64
_MOST_RECORD_BYTES = 1 << 20


@dataclass(frozen=True)
class Custody:
    """The chain of one folder of evidence."""

    folder: Path
    actor: Actor

    def record(self, what: str, **facts: str) -> str:
        """Add a record, and return its hash. Raises `OperationError`."""
        path = self.folder / RECORDS
        try:
            last = bounded.last_bytes(path, _MOST_RECORD_BYTES).splitlines()[-1:] if path.exists() else []
            entry: dict[str, Any] = {
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "who": self.actor.who,
                "host": self.actor.host,
                "pid": self.actor.pid,
                "tool": f"cdcproof {__version__}",
                "what": what,
                **facts,
                "previous": _sha256_of_bytes(last[0]) if last else _FIRST,
            }
            line = json.dumps(entry, ensure_ascii=False)
            with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:  # noqa: PTH123  pathlib takes no mode
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OperationError(f"{path} cannot be written: {error.strerror}.") from None
        return _sha256_of_bytes(line.encode())

    def hash_all(self) -> str:
        """Write `SHA256SUMS` over every file that is preserved, and record its own hash, which is returned. Raises `OperationError`."""
        try:
            lines = [f"{sha256_of(path)}  {path.relative_to(self.folder)}\n" for path in preserved(self.folder)]
            (self.folder / SUMS).write_text("".join(lines), encoding="utf-8")
        except OSError as error:
            raise OperationError(
                f"The files in {self.folder} cannot be hashed: {error.strerror}: {error.filename}."
            ) from None
        digest = sha256_of(self.folder / SUMS)
        self.record(f"hashed {len(lines)} files", sha256sums=digest)
        return digest

    def seal(self) -> tuple[Path, str]:
        """Make all of it read-only, and put it into one tar beside it; that file, and its hash. Raises `OperationError`."""
        archive = self.folder.with_name(f"{self.folder.name}.tar")
        try:
            for path in sorted(self.folder.rglob("*"), reverse=True):
                path.chmod(0o500 if path.is_dir() else 0o400)
            self.folder.chmod(0o500)
            with tarfile.open(archive, "w") as tar:
                tar.add(self.folder, self.folder.name)
            archive.chmod(0o400)
            return archive, sha256_of(archive)
        except OSError as error:
            raise OperationError(f"The evidence cannot be sealed: {error.strerror}: {error.filename}.") from None


def preserved(folder: Path) -> Iterator[Path]:
    """The files of the evidence itself, sorted."""
    own = {folder / SUMS, folder / RECORDS, folder / "journal.jsonl"}
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path not in own)


def broken_records(folder: Path) -> tuple[int, ...]:
    """The numbers, from 1, of records whose hash of the one before is wrong."""
    lines = bounded.read_text(folder / RECORDS).splitlines()
    before = [_FIRST, *(_sha256_of_bytes(line.encode()) for line in lines)]
    return tuple(n + 1 for n, line in enumerate(lines) if parsed(line)["previous"] != before[n])


def _sha256_of_bytes(data: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(data).hexdigest()
