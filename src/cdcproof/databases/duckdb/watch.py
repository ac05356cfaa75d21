"""A watch over what DuckDB waits for at a PostgreSQL server: its libpq waits for one that was stopped for ever.

A stopped server's machine still keeps the connections, so nothing but the silence shows it. `postgresql.connection` has the same
rule for the sessions that are ours.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.postgresql import connection as limits
from cdcproof.databases.postgresql.database import PostgreSQL

_LAST_DATA_RECEIVED = struct.Struct("=52xI")
"""Where Linux's tcp_info has the milliseconds since data came."""


@contextmanager
def watched(database: PostgreSQL) -> Iterator[None]:
    """Cut this program's connections to the server that say nothing, once they never will, or it has no time left.

    Raises `UnreachableError` then. `database` is an open session with the same server.
    """
    done, why = threading.Event(), list[str]()
    threading.Thread(target=_follow, args=(database, done, why), daemon=True).start()
    try:
        yield
    except CouldNotLookError:
        if why:
            raise database.stopped_answering(why[0]) from None
        raise
    finally:
        done.set()


def _follow(database: PostgreSQL, done: threading.Event, why: list[str]) -> None:
    deadline, failed = Deadline(database.statement_timeout_seconds + limits.GRACE_SECONDS), 0
    while not done.wait(min(limits.SILENCE_SECONDS, deadline.remaining_seconds)):
        silent = list(_silent(database.peer))
        try:
            trouble = database.trouble([link.getsockname()[1] for link in silent]) if silent else ""
            failed = failed + 1 if trouble else 0
            if (deadline.passed or failed == limits.TRIES) and not done.is_set():
                why.append(
                    f"no answer within {deadline.seconds:g} s"
                    if deadline.passed
                    else f"no answer, and {trouble}, {failed} times in a row"
                )
                for link in silent:
                    with suppress(OSError):  # it has ended meanwhile
                        link.shutdown(socket.SHUT_RDWR)
                return
        finally:
            for link in silent:
                link.close()


def _silent(peer: tuple[str, int]) -> Iterator[socket.socket]:
    """Connections of this program to the address on which nothing came for a while, by descriptors of our own."""
    for descriptor in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        with suppress(OSError):  # of another kind, or closed meanwhile
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            link = socket.socket(fileno=os.dup(descriptor))
            if link.getpeername()[:2] == peer and _silence_seconds(link) >= limits.SILENCE_SECONDS:
                yield link
            else:
                link.close()


def _silence_seconds(link: socket.socket) -> float:
    if not hasattr(
        socket, "TCP_INFO"
    ):  # not every system says it: what is asked then is only whether the server takes a session
        return limits.SILENCE_SECONDS
    answer = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_RECEIVED.size)
    return float(_LAST_DATA_RECEIVED.unpack(answer)[0]) / 1000
