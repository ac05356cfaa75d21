"""TLS in front of a server that has none: PostgreSQL's own way into it, and a plain one for everything else.

The embedded PostgreSQL is built without TLS.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.certificates import Certificate

_SSL_REQUEST_BYTES = 8


@contextmanager
def encrypting(server: tuple[str, int], certificate: Certificate, *, postgresql: bool = False) -> Iterator[int]:
    """The port at which the server can be reached by TLS. `postgresql`: the client asks for TLS first, and is told that there is some."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    listener = socket.create_server(("127.0.0.1", 0), backlog=50)

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            if postgresql:
                client.recv(_SSL_REQUEST_BYTES)
                client.sendall(b"S")
            with context.wrap_socket(client, server_side=True) as within, socket.create_connection(server) as behind:
                _join(within, behind)

    def accept() -> None:
        with suppress(OSError):  # closed below
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _join(client: ssl.SSLSocket, server: socket.socket) -> None:
    """Both directions until one end closes. Only this thread writes to `server`, only the other to `client`."""

    def answers() -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=answers, daemon=True).start()
    while data := client.recv(65_536):
        server.sendall(data)
