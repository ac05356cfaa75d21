"""TLS in front of the tests' TDS server, as SQL Server has it: the handshake travels in TDS packets, what follows does not (MS-TDS, 2.2.6.5)."""

from __future__ import annotations

import select
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.certificates import Certificate

_PRELOGIN, _ENCRYPTION, _ON = 0x12, 1, 1
_SIZE = 16_384


@contextmanager
def encrypting_tds(server_port: int, certificate: Certificate) -> Iterator[int]:
    """The port at which the server can be reached by TLS alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # TDS 7.4 knows no later one

    class Conversation(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError, EOFError), socket.create_connection(("127.0.0.1", server_port)) as behind:
                behind.sendall(_packet(self.request))
                self.request.sendall(_with_encryption(_packet(behind)))
                _relay(self.request, behind, context)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as tcp:
        tcp.daemon_threads = True
        thread = threading.Thread(target=tcp.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield tcp.server_address[1]
        finally:
            tcp.shutdown()
            thread.join()


def _packet(link: socket.socket) -> bytes:
    head = _exactly(link, 8)
    return head + _exactly(link, struct.unpack(">H", head[2:4])[0] - 8)


def _exactly(link: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = link.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def _with_encryption(packet: bytes) -> bytes:
    """The server's answer to a prelogin, but that it encrypts."""
    body, at = bytearray(packet[8:]), 0
    while body[at] != _ENCRYPTION:
        at += 5
    body[struct.unpack(">H", body[at + 1 : at + 3])[0]] = _ON
    return packet[:8] + bytes(body)


def _relay(client: socket.socket, behind: socket.socket, context: ssl.SSLContext) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    within = context.wrap_bio(incoming, outgoing, server_side=True)
    is_shaken = False
    while not is_shaken:
        try:
            within.do_handshake()
            is_shaken = True
        except ssl.SSLWantReadError:
            pass
        if found := outgoing.read():
            client.sendall(struct.pack(">BBHHBB", _PRELOGIN, 1, len(found) + 8, 0, 0, 0) + found)
        if not is_shaken:
            incoming.write(_packet(client)[8:])
    while True:
        ready, _, _ = select.select([client, behind], [], [])
        for link in ready:
            found = link.recv(_SIZE)
            if not found:
                return
            if link is behind:
                within.write(found)
                client.sendall(outgoing.read())
                continue
            incoming.write(found)
            with suppress(ssl.SSLWantReadError):
                while plain := within.read(_SIZE):
                    behind.sendall(plain)
