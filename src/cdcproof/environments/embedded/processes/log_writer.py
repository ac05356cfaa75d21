"""Keep what a process prints in a file that cannot fill the disk. Run as a program, with that output as its input.

It lives as long as the process that prints, so it imports next to nothing; it ends when nobody can print any more.
PostgreSQL's own rotation is bound in time but not in size: it only ever overwrites a file when an hour is over.
"""

from __future__ import annotations

import os
import sys

LIMIT_BYTES = 10 * 1024 * 1024
"""The file is turned over at this size; one older file is kept."""
_CHUNK_BYTES = 65_536


def copy(source: int, log: str, limit_bytes: int = LIMIT_BYTES) -> None:
    """Append what comes from the file descriptor `source` to `log`, until it ends."""
    while chunk := os.read(source, _CHUNK_BYTES):
        try:
            _turn_over(log, limit_bytes - len(chunk))
            with open(log, "ab") as file:  # noqa: PTH123  pathlib would double what this process takes
                file.write(chunk)
        except OSError:
            continue  # a full disk must not stop the one who prints


def _turn_over(log: str, most_bytes: int) -> None:
    try:
        full = os.stat(log).st_size > most_bytes  # noqa: PTH116
    except FileNotFoundError:
        return
    if full:
        os.replace(log, f"{log}.1")  # noqa: PTH105


if __name__ == "__main__":
    copy(sys.stdin.fileno(), sys.argv[1])
