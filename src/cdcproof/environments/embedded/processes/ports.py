"""Ports on loopback."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Iterator, Mapping

from cdcproof.core.errors import OperationError

HOST = "127.0.0.1"
# Below what systems hand out to clients: a service that is down must find its port free when it comes back.
_RANGE = range(20_000, 30_000)


def choose(wanted: Mapping[str, int | None], taken: Iterable[int] = ()) -> dict[str, int]:
    """A free port for each name: the wanted one when it is free, else any other. `taken` are never given."""
    chosen: dict[str, int] = {}
    given = set(taken)
    for name, preferred in wanted.items():
        port = next((p for p in _candidates(preferred) if p not in given and is_free(p)), None)
        if port is None:
            raise OperationError(f"No port of {HOST} between {_RANGE.start} and {_RANGE.stop} is free.")
        chosen[name] = port
        given.add(port)
    return chosen


def _candidates(preferred: int | None) -> Iterator[int]:
    if preferred:
        yield preferred
    first = random.randrange(len(_RANGE))  # noqa: S311  no secret
    yield from (*_RANGE[first:], *_RANGE[:first])


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def accepts(port: int, *, timeout_seconds: float = 1.0) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection((HOST, port), timeout_seconds).close()
    except OSError:
        return False
    return True


def ask(port: int, words: bytes, *, timeout_seconds: float = 1.0) -> bytes:
    """Send and read the first answer; empty when there is none."""
    try:
        with socket.create_connection((HOST, port), timeout_seconds) as connection:
            connection.settimeout(timeout_seconds)
            connection.sendall(words)
            return connection.recv(4096)
    except OSError:
        return b""
