"""Read the log of a service: its end, and what is written to it from then on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.waiting import pause

_LONGEST_TAIL_BYTES = 4_000_000
_INTERVAL_SECONDS = 0.5


def last_lines(path: Path, lines: int) -> str:
    """The last lines; none of a file that is not there. Raises `CouldNotLookError` for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return _last(_tail(file), lines)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _unreadable(path, error) from None


def follow(path: Path, lines: int, wait: Callable[[float], None] = pause) -> Iterator[str]:
    """The last lines, then whole lines as they are written, for ever: also when the log is turned over, or made at last."""
    is_first = True
    while True:
        try:
            with path.open("rb") as file:
                yield from _written(file, path, lines if is_first else None, wait)
        except FileNotFoundError:
            wait(_INTERVAL_SECONDS)
        except OSError as error:
            raise _unreadable(path, error) from None
        is_first = False


def _written(file: BinaryIO, path: Path, lines: int | None, wait: Callable[[float], None]) -> Iterator[str]:
    """What is written to this file until another one takes its place."""
    unfinished = b""
    if lines is not None:
        whole, _, unfinished = _tail(file).rpartition(b"\n")
        if whole:
            yield _last(whole, lines)
    while True:
        is_over = _is_another(path, file)  # asked first, so that nothing is written to this one after it was read
        read = unfinished + file.read()
        whole, _, unfinished = read.rpartition(b"\n")
        if whole:
            yield whole.decode("utf-8", errors="replace")
        if is_over:
            if unfinished:
                yield unfinished.decode("utf-8", errors="replace")
            return
        wait(_INTERVAL_SECONDS)


def _is_another(path: Path, file: BinaryIO) -> bool:
    try:
        return not os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return True


def _tail(file: BinaryIO) -> bytes:
    left_out = max(0, os.fstat(file.fileno()).st_size - _LONGEST_TAIL_BYTES)
    file.seek(left_out)
    if left_out:
        file.readline()  # of half a line, and of half a secret in it, nothing is known
    return file.read()


def _last(content: bytes, lines: int) -> str:
    return "\n".join(content.decode("utf-8", errors="replace").splitlines()[-lines:])


def _unreadable(path: Path, error: OSError) -> CouldNotLookError:
    return CouldNotLookError(f"The log {path} cannot be read: {error.strerror}.")
