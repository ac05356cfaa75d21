"""The certificates that a server shows, whoever signed them: to know when one ends, nobody has to trust it. Nothing is sent through such a session.

PostgreSQL and SQL Server begin in their own protocols: PostgreSQL's manual, "SSL Session Encryption"; MS-TDS 2.2.6.5 (PRELOGIN) and 3.2.5.1,
by which the handshake travels in packets of that kind.
"""

from __future__ import annotations

import _ssl
import shlex
import socket
import ssl
import struct
from pathlib import Path
from typing import Any, Literal

from cdcproof.core import tls
from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError, UnreachableError

Protocol = Literal["tls", "postgresql", "sqlserver"]
_SECONDS = 5.0
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_HEADER = struct.Struct("!BBHHBB")
_PRELOGIN, _END_OF_MESSAGE, _PACKET_BYTES = 0x12, 0x01, 4096
_VERSION, _ENCRYPTION, _TERMINATOR = 0, 1, 0xFF
_ON, _NOT_SUPPORTED = 1, 2
_OPTION = struct.Struct("!BHH")
_ASK = _OPTION.pack(_VERSION, 11, 6) + _OPTION.pack(_ENCRYPTION, 17, 1) + bytes([_TERMINATOR]) + bytes(6) + bytes([_ON])


def shown(host: str, port: int, protocol: Protocol, own: tuple[Path, Path, str] | None = None) -> tuple[bytes, ...]:
    """In DER: the server's own, then those that it sends along; none where it says that it has no TLS.

    `own`: our certificate, its key and that one's password.

    Raises `CouldNotLookError` where it does not answer, or breaks off.
    """
    place, context = f"{host}:{port}", _trusting()
    if own:
        try:
            context.load_cert_chain(*own)
        except (ssl.SSLError, ValueError, OSError) as error:
            raise UnexpectedAnswerError(
                f"our own certificate cannot be shown to {place}: {tls.reason_of(error)}.",
                f"{own[0]} and {own[1]} must hold a certificate and its key in PEM.",
            ) from None
    try:
        with socket.create_connection((host, port), _SECONDS) as plain:
            if protocol == "sqlserver":
                return _of_sql_server(plain, context, host)
            if protocol == "postgresql" and not _has_tls(plain):
                return ()
            with context.wrap_socket(plain, server_hostname=host) as encrypted:
                return _sent(encrypted)
    except ssl.SSLError as error:
        raise UnexpectedAnswerError(
            f"{place} breaks TLS off: {tls.reason_of(error)}.", f"Look by hand: {by_hand(host, port, protocol)}"
        ) from None
    except (OSError, UnicodeError) as error:
        raise UnreachableError(
            f"{place} does not answer: {tls.reason_of(error)}.",
            "Check that it runs, and its address in the pipeline file.",
        ) from None


def by_hand(host: str, port: int, protocol: Protocol) -> str:
    """The command that shows whose certificate it is and when it ends; empty for SQL Server, whose protocol openssl does not speak."""
    if protocol == "sqlserver":
        return ""
    begin = " -starttls postgres" if protocol == "postgresql" else ""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"openssl s_client -connect {shlex.quote(address)}{begin} </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates"


def all_by_hand(host: str, port: int, protocol: Protocol) -> str:
    """The same for those that the server sends along, too."""
    if protocol == "sqlserver":
        return ""
    connect = by_hand(host, port, protocol).partition(" </dev/null")[0]
    return f"{connect} -showcerts </dev/null 2>/dev/null | openssl storeutl -noout -text -certs /dev/stdin | grep -E 'Issuer:|Not After|Subject:'"


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED  # an old server's certificate ends, too
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def _has_tls(plain: socket.socket) -> bool:
    plain.sendall(_SSL_REQUEST)
    answer = plain.recv(1)
    if answer not in (b"S", b"N"):
        raise CouldNotLookError("It does not answer as PostgreSQL does.", "Check host and port in the pipeline file.")
    return answer == b"S"


def _sent(session: ssl.SSLSocket | ssl.SSLObject) -> tuple[bytes, ...]:
    """Python has a public way to them since 3.13, which is made of this one."""
    within: Any = session
    return tuple(one.public_bytes(_ssl.ENCODING_DER) for one in within._sslobj.get_unverified_chain() or ())


def _of_sql_server(plain: socket.socket, context: ssl.SSLContext, host: str) -> tuple[bytes, ...]:
    _send(plain, _ASK)
    if _encryption(_received(plain)) == _NOT_SUPPORTED:
        return ()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=host)
    while True:
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            _send(plain, outgoing.read())
            incoming.write(_received(plain))
        else:
            return _sent(session)


def _send(plain: socket.socket, data: bytes) -> None:
    most = _PACKET_BYTES - _HEADER.size
    for start in range(0, len(data), most):
        part = data[start : start + most]
        status = _END_OF_MESSAGE if start + most >= len(data) else 0
        plain.sendall(_HEADER.pack(_PRELOGIN, status, _HEADER.size + len(part), 0, start // most % 256, 0) + part)


def _received(plain: socket.socket) -> bytes:
    """What one packet holds."""
    length = _HEADER.unpack(_exactly(plain, _HEADER.size))[2]
    return _exactly(plain, length - _HEADER.size)


def _exactly(plain: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = plain.recv(size - len(data))
        if not part:
            raise ConnectionResetError(0, "it has closed the connection")
        data += part
    return data


def _encryption(answer: bytes) -> int:
    """What the server says of encryption."""
    for at in range(0, len(answer) - _OPTION.size, _OPTION.size):
        token, offset, length = _OPTION.unpack_from(answer, at)
        if token == _TERMINATOR:
            break
        if token == _ENCRYPTION and length == 1 and offset < len(answer):
            return int(answer[offset])
    raise CouldNotLookError("It does not answer as SQL Server does.", "Check host and port in the pipeline file.")
