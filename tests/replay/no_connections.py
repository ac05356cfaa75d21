"""A plug-in of pytest: the process ends at once when it would connect, look up a name or start a program."""

from __future__ import annotations

import os
import sys

ENDED = 99


def pytest_configure() -> None:
    """Watch from now on."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.system"):
        os.write(2, f"{event} {arguments!r}\n".encode())
        os._exit(ENDED)
