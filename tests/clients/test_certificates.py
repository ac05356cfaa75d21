"""The certificate that a server shows, by each way into TLS, from servers on loopback whose authority nobody here knows."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cdcproof.clients.certificates import Protocol, by_hand, shown
from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError, UnreachableError
from tests.certificates import Authority, Certificate
from tests.tls_proxy import encrypting

NOWHERE = ("127.0.0.1", 9)
_HEADER = struct.Struct("!BBHHBB")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Authority(tmp_path_factory.mktemp("authority"), "private").issue("db", "127.0.0.1")


def der(certificate: Certificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.certificate.read_text())


@contextmanager
def answering(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that talks so with each client."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    talk(client)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def sql_server(encryption: int, certificate: Certificate | None = None) -> Callable[[socket.socket], None]:
    """As MS-TDS has it: the answer to PRELOGIN, and the handshake within packets of that kind, in pieces of 500 bytes."""

    def received(client: socket.socket) -> bytes:
        kind, _, length, *_ = _HEADER.unpack(client.recv(_HEADER.size, socket.MSG_WAITALL))
        assert kind == 0x12
        return client.recv(length - _HEADER.size, socket.MSG_WAITALL)

    def send(client: socket.socket, kind: int, data: bytes) -> None:
        pieces = [data[at : at + 500] for at in range(0, len(data), 500)]
        for piece in pieces:
            client.sendall(_HEADER.pack(kind, piece is pieces[-1], _HEADER.size + len(piece), 0, 0, 0) + piece)

    def talk(client: socket.socket) -> None:
        asked = received(client)
        assert asked[:11] == struct.pack("!BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF)
        assert asked[17] == 1, "encryption is asked for"
        options = struct.pack("!BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF)
        send(client, 0x04, options + bytes([16, 0, 0, 0, 0, 0, encryption]))
        if certificate is None:
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                session.do_handshake()
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    send(client, 0x12, outgoing.read())
                incoming.write(received(client))
            else:
                send(client, 0x12, outgoing.read())
                return

    return talk


def test_of_a_server_that_begins_with_tls(certificate: Certificate) -> None:
    with encrypting(NOWHERE, certificate) as port:
        assert shown("127.0.0.1", port, "tls") == (der(certificate),)


def test_of_postgresql(certificate: Certificate) -> None:
    with encrypting(NOWHERE, certificate, postgresql=True) as port:
        assert shown("127.0.0.1", port, "postgresql") == (der(certificate),)
    with answering(lambda client: client.sendall(b"N" if client.recv(8) else b"")) as port:
        assert shown("127.0.0.1", port, "postgresql") == ()


def test_of_sql_server(certificate: Certificate) -> None:
    with answering(sql_server(1, certificate)) as port:
        assert shown("127.0.0.1", port, "sqlserver") == (der(certificate),)
    with answering(sql_server(2)) as port:
        assert shown("127.0.0.1", port, "sqlserver") == ()


@pytest.mark.parametrize("protocol", ["tls", "postgresql", "sqlserver"])
def test_what_a_server_sends_along_is_seen_by_each_way_into_tls(protocol: Protocol, tmp_path: Path) -> None:
    root = Authority(tmp_path, "root")
    between = Authority(tmp_path, "between", of=root)
    server = between.issue("db", "127.0.0.1")
    own = der(server)
    server.certificate.write_text(server.certificate.read_text() + between.file.read_text() + root.file.read_text())
    along = tuple(ssl.PEM_cert_to_DER_cert(one.file.read_text()) for one in (between, root))

    with (
        answering(sql_server(1, server))
        if protocol == "sqlserver"
        else encrypting(NOWHERE, server, postgresql=protocol == "postgresql") as port
    ):
        assert shown("127.0.0.1", port, protocol) == (own, *along)


def test_ours_is_shown_where_the_server_asks_for_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "private")
    server, ours = authority.issue("server", "127.0.0.1"), authority.issue("client", key_password="s3cret")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # which breaks off before the client has seen anything

    def talk(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True):
            pass

    with answering(talk) as port:
        own = (ours.certificate, ours.key, "s3cret")
        assert shown("127.0.0.1", port, "tls", own)[0] == der(server)
        with pytest.raises(UnexpectedAnswerError, match="breaks TLS off"):
            shown("127.0.0.1", port, "tls")
        for wrong in ((ours.certificate, server.key, ""), (ours.certificate, ours.key, "another")):
            with pytest.raises(UnexpectedAnswerError, match="our own certificate cannot be shown"):
                shown("127.0.0.1", port, "tls", wrong)


@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        ("tls", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        ("postgresql", b"E"),
        ("postgresql", b""),
        ("sqlserver", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        ("sqlserver", _HEADER.pack(4, 1, 14, 0, 0, 0) + b"\xff" * 6),
        ("sqlserver", _HEADER.pack(4, 1, 3, 0, 0, 0)),
        ("sqlserver", b""),
    ],
)
def test_what_is_no_such_server_could_not_be_looked_at(protocol, answer: bytes) -> None:
    def talk(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(answer)

    with answering(talk) as port, pytest.raises(CouldNotLookError):
        shown("127.0.0.1", port, protocol)


def test_who_does_not_listen_and_what_is_no_name_do_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for host in ("127.0.0.1", "a..b"):
        with pytest.raises(UnreachableError):
            shown(host, port, "tls")


def test_the_command_that_shows_it_by_hand() -> None:
    assert by_hand("db", 5432, "postgresql").startswith(
        "openssl s_client -connect db:5432 -starttls postgres </dev/null"
    )
    assert by_hand("::1", 443, "tls").startswith("openssl s_client -connect '[::1]:443' </dev/null")
    assert by_hand("db", 1433, "sqlserver") == ""
