"""Plain TCP: whether an address accepts, and whom a server on this machine talks to."""

from __future__ import annotations

import socket

import psutil

from cdcproof.core.patience import stretched

_ACCEPT_SECONDS = 1.5


def accepts(host: str, port: int) -> bool:
    """Whether something at this address accepts a connection within 1.5 s, or longer where this machine is busy."""
    try:
        socket.create_connection((host, port), stretched(_ACCEPT_SECONDS)).close()
    except (OSError, OverflowError, UnicodeError):  # the latter two: a port or a host that no address can have
        return False
    return True


def peers_of_listener(port: int) -> tuple[tuple[str, int], ...]:
    """The addresses that the process listening at `port` of this machine is connected to; sorted.

    Empty where there is no such process, or where this account may not see its connections.
    """
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return ()
    listeners = {c.pid for c in connections if c.pid and c.status == psutil.CONN_LISTEN and _port(c.laddr) == port}
    return tuple(
        sorted(
            {
                (str(c.raddr.ip).removeprefix("::ffff:"), int(c.raddr.port))
                for c in connections
                if c.pid in listeners and c.status == psutil.CONN_ESTABLISHED and c.raddr and _port(c.laddr) != port
            }
        )
    )


def _port(address: object) -> int | None:
    """The port of an address of psutil's, which is an empty tuple where there is none."""
    return getattr(address, "port", None)
