"""A file of lines of JSON, each of which carries the hash of the line before: what was changed afterwards shows.

Whoever makes the whole chain anew leaves no trace in the file. The hash of its last line, written down elsewhere, shows that too:
every run prints it, and its reports hold it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from cdcproof.core import bounded
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.json_text import parsed

_FIRST = "0" * 64
_END = "end"
MOST_BYTES = 128 * 2**20
"""Of a file: a recorded morning over 5,000 tables has some 20 MiB."""
_END_BYTES = 1_000
"""Kept for the last line."""


class FullError(OSError):
    """A line for which the file has no room, and which is not in it."""


class Chain:
    """Appends lines to a new file. Not for two processes at once. Errors are `OSError`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.last_hash = _FIRST
        self._lines = 0
        self._bytes = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)

    def add(self, kind: str, content: Mapping[str, Any], most_bytes: int = MOST_BYTES - _END_BYTES) -> None:
        """Append a line: it is in the file, whole, when this returns. Raises `FullError` where the file would have more bytes then."""
        line = _as_line({"line": self._lines + 1, "before": self.last_hash, "kind": kind, **content})
        left = line + b"\n"
        if self._bytes + len(left) > most_bytes:
            raise FullError(errno.EFBIG, f"a line of {len(left):,} bytes goes beyond {most_bytes / 2**20:g} MiB")
        self._bytes += len(left)
        while left:
            left = left[os.write(self._file, left) :]
        self._lines += 1
        self.last_hash = _hash(line)

    def end(self) -> None:
        """Append the last line, and have all of it on the disk."""
        self.add(_END, {"lines": self._lines + 1}, MOST_BYTES)
        os.fsync(self._file)
        self.close()

    def close(self) -> None:
        """Let go of the file as it is."""
        os.close(self._file)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines, without the last one. Raises `UnexpectedAnswerError` naming the first line that is not as it was written."""
    try:
        text = bounded.read_bytes(path, MOST_BYTES)
    except OSError as error:
        raise UnexpectedAnswerError(f"{path} cannot be read: {error.strerror}.") from None
    count = text.count(b"\n")
    if not text.endswith(b"\n"):
        raise _broken(path, count + 1, "is cut: it has no end")
    lines = (
        line.removesuffix(b"\n") for line in io.BytesIO(text)
    )  # one at a time: a file of newlines alone has millions
    contents = chain(((line, _content(line)) for line in lines), [(b"", None)])
    before = _FIRST
    for number, ((line, content), (_, following)) in enumerate(pairwise(contents), 1):
        if content is None:
            raise _broken(path, number, "is not JSON as it is written here")
        if content.get("line") != number:
            raise _broken(path, number, f"was line {content.get('line')}: lines were dropped, added or reordered")
        if content.get("before") != before:
            this_is_intact = number > 1 and (following is None or following.get("before") == _hash(line))
            raise _broken(path, number - 1 if this_is_intact else number, "was changed")
        before = _hash(line)
        if content.get("kind") == _END:
            if number != count:
                raise _broken(path, number + 1, "follows the end")
            if line != _as_line(_ending(number) | {"before": content["before"]}):
                raise _broken(path, number, "was changed")
            return
        yield content
    raise _broken(path, count + 1, "is missing: the end was cut off, or the run did not come to it")


def last_hash(path: Path) -> str:
    """The hash of the last line of a file that `read` takes."""
    return _hash(bounded.read_bytes(path, MOST_BYTES).rstrip(b"\n").rpartition(b"\n")[2])


def _ending(number: int) -> dict[str, Any]:
    return {"line": number, "before": "", "kind": _END, "lines": number}


def _as_line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _content(line: bytes) -> dict[str, Any] | None:
    try:
        content = parsed(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _broken(path: Path, number: int, what: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"{path}: line {number} {what}.", "Take the file from where it was recorded: this one is not as it was written."
    )
