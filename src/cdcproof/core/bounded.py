"""Files that are read whole, up to a bound: one that is larger than any that cdcproof writes or needs is refused by its size, unread.

What is refused is an `OSError`: whoever says of a file that it cannot be read says of a larger one why, in the same words.
"""

from __future__ import annotations

import errno
import stat
from pathlib import Path

MOST_BYTES = 64 * 2**20
"""Of a file that cdcproof keeps. A run of 40 checks over 5,000 tables has some 10 MiB, and JSON takes up to twenty times its length in memory."""
MOST_WRITTEN_BY_HAND_BYTES = 8 * 2**20
"""Of a file that people write. 5,000 tables in a pipeline file have some 1 MiB; TOML is read at a MiB a second."""


class NotReadError(OSError):
    """A file that was not read: it is too large, or no file at all."""


def read_bytes(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """The contents of a file. Raises `OSError`, of one that is larger `NotReadError`. A pipe is none: opening one may wait for ever."""
    demand(path, most_bytes)
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)  # it may have grown since, and a file of /proc says that it is empty
    if len(content) > most_bytes:
        raise _too_large(path, len(content), most_bytes)
    return content


def read_text(path: Path, most_bytes: int = MOST_BYTES, *, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The same as text, its lines ended by newlines. Raises `UnicodeDecodeError`, too."""
    return read_bytes(path, most_bytes).decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")


def last_bytes(path: Path, most_bytes: int) -> bytes:
    """The end of a file that only grows. Raises `OSError`."""
    length = _length(path)
    with path.open("rb") as file:
        file.seek(max(0, length - most_bytes))
        return file.read(most_bytes)


def reason(error: Exception) -> str:
    """Why a file was not read, without its path: for whoever catches `UnicodeDecodeError` as well."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def demand(path: Path, most_bytes: int) -> None:
    """Raise `OSError` for what is no file, and for one that is larger: for those whom a library reads."""
    length = _length(path)
    if length > most_bytes:
        raise _too_large(path, length, most_bytes)


def _length(path: Path) -> int:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise _refused(path, "it is no file")
    return found.st_size


def _too_large(path: Path, has_bytes: int, most_bytes: int) -> NotReadError:
    return _refused(path, f"it has {has_bytes:,} bytes, and no such file has more than {most_bytes / 2**20:g} MiB")


def _refused(path: Path, why: str) -> NotReadError:
    return NotReadError(errno.EFBIG, why, str(path))
