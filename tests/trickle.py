"""A service whose answers come as no client likes them: byte by byte, without end, cut short."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def sending(parts: Callable[[], Iterator[bytes]], every_seconds: float = 0) -> Iterator[str]:
    """A server that answers each request with these bytes, part by part, until it or its client goes away."""
    gone = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while not gone.is_set():
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    for part in parts():
                        connection.sendall(part)
                        if gone.wait(every_seconds):
                            return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        gone.set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def bytewise(text: bytes) -> Iterator[bytes]:
    return (bytes([byte]) for byte in text)
