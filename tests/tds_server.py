"""A server that speaks as much TDS 7.4 as Microsoft's drivers need to log in, ask and read, and that answers as a test says.

It knows no SQL: a function is given each statement with its parameters. Not encrypted, not authenticated; loopback only.
Layouts: Microsoft's open specification MS-TDS.
"""

from __future__ import annotations

import re
import select
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.tsql_values import EXACT, Binary, Int, Text

_PRELOGIN, _LOGIN7, _BATCH, _RPC, _ATTENTION, _TRANSACTION = 0x12, 0x10, 0x01, 0x03, 0x06, 0x0E
_PREPEXEC, _EXECUTE_SQL, _UNPREPARE = 0x0D, 0x0A, 0x0F
_COLLATION = bytes.fromhex("0904d00034")
_NULL = 0xFFFF
_NO_LENGTH = (1 << 64) - 1
_PACKET = 4096

_MOST_PARAMETERS = 2_097  # a request's 2,100, of which sp_prepexec has three itself

Answer = tuple[Sequence[str], Sequence[Any]] | None
"""Names and rows of values (`tests.tsql_values`, bool, Decimal, UUID, None), of which the last may be a `Refusal` instead, or
`STALLED`; None for a statement without rows."""
STALLED = object()
"""In the place of a last row: nothing more comes until the client gives up."""


@dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818
    """An error of the server; the connection goes on unless it is `fatal`."""

    number: int
    text: str
    level: int = 16
    fatal: bool = False


_TOO_MANY_PARAMETERS = Refusal(
    8003, "The incoming request has too many parameters. The server supports a maximum of 2100 parameters."
)


@dataclass
class TdsServer:
    """What was seen, and what the next login is answered."""

    answer: Callable[[str, list[Any]], Answer]
    port: int = 0
    statements: list[str] = field(default_factory=list)
    logins: list[dict[str, str]] = field(default_factory=list)
    login_refusal: Refusal | None = None
    frozen: Callable[[str], bool] = lambda _: False
    """Statements after which the conversation stands still: not even the wish to end them is answered."""
    attention: threading.Event = field(default_factory=threading.Event)
    """A client wants its statement to end; then nobody hears its answer."""


@contextmanager
def tds_server(answer: Callable[[str, list[Any]], Answer]) -> Iterator[TdsServer]:
    """A server on a port of its own while the block runs."""
    state = TdsServer(answer)

    class Conversation(_Conversation):
        server_state = state

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as tcp:
        tcp.daemon_threads = True
        state.port = tcp.server_address[1]
        thread = threading.Thread(target=tcp.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            tcp.shutdown()
            thread.join()


class _Conversation(socketserver.BaseRequestHandler):
    server_state: TdsServer

    def handle(self) -> None:
        try:
            while self._reply(*self._message()):
                pass
        except (ConnectionError, EOFError):
            return

    def _reply(self, kind: int, body: bytes) -> bool:
        state = self.server_state
        if kind == _PRELOGIN:
            self._send(_prelogin())
        elif kind == _LOGIN7:
            state.logins.append(_login(body))
            if state.login_refusal:
                self._send(_error(state.login_refusal) + _done(2))
                return False
            self._send(_login_ack())
        elif kind in (_BATCH, _RPC):
            return self._answer(*(_batch(body) if kind == _BATCH else _call(body)))
        else:  # the transaction manager, or an end to what has ended
            self._send(_done(0x20 if kind == _ATTENTION else 0))
        return True

    def _answer(self, statement: str, parameters: list[Any]) -> bool:
        """Answer, and listen meanwhile whether that is still wanted."""
        state = self.server_state
        state.statements.append(statement)
        if state.frozen(statement):
            with suppress(OSError):
                while self.request.recv(_PACKET):  # the network takes what the client sends
                    pass
            return False
        told: list[tuple[bytes, bool]] = []

        def work() -> None:
            try:
                if len(parameters) > _MOST_PARAMETERS:
                    raise _TOO_MANY_PARAMETERS
                answer = _type_info() if "sp_datatype_info" in statement else state.answer(statement, parameters)
                told.append((_result(answer), not _stalls(answer)))
            except Refusal as refusal:
                told.append((b"" if refusal.fatal else _error(refusal) + _done(2), True))

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        while worker.is_alive():
            if select.select([self.request], [], [], 0.005)[0]:
                assert self._message()[0] == _ATTENTION
                state.attention.set()
                self._send(_done(0x20))
                return True
        ((body, is_whole),) = told
        self._send(body, is_whole=is_whole)
        return bool(body)

    def _message(self) -> tuple[int, bytes]:
        body = b""
        while True:
            kind, status, length = struct.unpack(">BBH4x", self._exactly(8))
            body += self._exactly(length - 8)
            if status & 1:
                return kind, body

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = self.request.recv(size - len(found))
            if not part:
                raise EOFError
            found += part
        return found

    def _send(self, body: bytes, *, is_whole: bool = True) -> None:
        """All packets at once: mssql-python keeps Python's lock while it waits for the rest of a long value."""
        size = _PACKET - 8
        parts = [body[at : at + size] for at in range(0, len(body), size)]
        packets = [
            struct.pack(">BBHHBB", 4, number == len(parts) and is_whole, len(part) + 8, 1, number % 256, 0) + part
            for number, part in enumerate(parts, start=1)
        ]
        self.request.sendall(b"".join(packets))


def _prelogin() -> bytes:
    options = [(0, bytes.fromhex("100010000000")), (1, b"\x02"), (2, b"\x00"), (4, b"\x00")]  # 1: no encryption here
    at, head, data = 5 * len(options) + 1, b"", b""
    for token, value in options:
        head += struct.pack(">BHH", token, at + len(data), len(value))
        data += value
    return head + b"\xff" + data


def _login(body: bytes) -> dict[str, str]:
    """What a LOGIN7 packet says; the password is only disguised."""
    names = ("host", "user", "password", "application", "server", "extension", "library", "language", "database")
    found = {}
    for place, name in enumerate(names):
        at, size = struct.unpack_from("<HH", body, 36 + 4 * place)
        raw = body[at : at + 2 * size]
        if name == "password":
            raw = bytes(((byte ^ 0xA5) >> 4 | (byte ^ 0xA5) << 4) & 0xFF for byte in raw)
        found[name] = raw.decode("utf-16-le")
    found["read only"] = str(bool(body[26] & 0x20))
    return found


def _login_ack() -> bytes:
    ack = b"\x01" + struct.pack(">I", 0x74000004) + _short("Microsoft SQL Server") + bytes([16, 0, 16, 0])
    changes = (
        bytes([1]) + _short("warehouse") + _short("master"),
        bytes([7, 5]) + _COLLATION + b"\x00",
        bytes([4]) + _short(str(_PACKET)) + _short(str(_PACKET)),
    )
    told = b"".join(b"\xe3" + struct.pack("<H", len(change)) + change for change in changes)
    return told + b"\xad" + struct.pack("<H", len(ack)) + ack + _done(0)


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode("utf-16-le")


def _done(status: int, rows: int = 0) -> bytes:
    return b"\xfd" + struct.pack("<HHQ", status, 0, rows)


def _error(refusal: Refusal) -> bytes:
    text = struct.pack("<H", len(refusal.text)) + refusal.text.encode("utf-16-le")
    body = (
        struct.pack("<IBB", refusal.number, 1, refusal.level)
        + text
        + _short("here")
        + _short("")
        + struct.pack("<I", 1)
    )
    return b"\xaa" + struct.pack("<H", len(body)) + body


def _after_headers(body: bytes) -> bytes:
    return body[struct.unpack_from("<I", body)[0] :]


def _batch(body: bytes) -> tuple[str, list[Any]]:
    return _after_headers(body).decode("utf-16-le"), []


def _call(body: bytes) -> tuple[str, list[Any]]:
    """A remote procedure call: of those that carry a statement, the statement with its question marks, and its parameters."""
    reader = _Reader(_after_headers(body))
    size = reader.number(2)
    procedure: Any = reader.number(2) if size == _NULL else reader.take(2 * size).decode("utf-16-le")
    reader.take(2)
    values = []
    while reader.left:
        reader.take(2 * reader.number(1) + 1)
        values.append(reader.value())
    if procedure not in (_PREPEXEC, _EXECUTE_SQL):
        return f"procedure {procedure}", values
    first = 2 if procedure == _PREPEXEC else 0
    statement = values[first].text if procedure == _PREPEXEC else values[0].text
    return re.sub(r"@P\d+", "?", statement), values[first + 1 :] if procedure == _PREPEXEC else values[2:]


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self.left = raw

    def take(self, size: int) -> bytes:
        found, self.left = self.left[:size], self.left[size:]
        return found

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def value(self) -> Any:
        """A parameter's type and value."""
        kind = self.number(1)
        if kind == 0x26:
            self.take(1)
            raw = self.take(self.number(1))
            return Int(int.from_bytes(raw, "little", signed=True), 8 * len(raw)) if raw else None
        if kind not in (0xA5, 0xE7):
            raise NotImplementedError(f"parameter of type {kind:#x}")
        longest = self.number(2)
        if kind == 0xE7:
            self.take(5)
        raw = self._parts() if longest == _NULL else self._counted()
        if raw is None:
            return None
        return Text(raw.decode("utf-16-le")) if kind == 0xE7 else Binary(raw)

    def _counted(self) -> bytes | None:
        size = self.number(2)
        return None if size == _NULL else self.take(size)

    def _parts(self) -> bytes | None:
        if self.number(8) == _NO_LENGTH:
            return None
        found = b""
        while size := self.number(4):
            found += self.take(size)
        return found


def _type_info() -> Answer:
    """For pyodbc, which asks how long a text may be."""
    return ["TYPE_NAME", "DATA_TYPE", "PRECISION"], [[Text("nvarchar"), Int(-9), Int(4000)]]


def _stalls(answer: Answer) -> bool:
    return answer is not None and bool(answer[1]) and answer[1][-1] is STALLED


def _result(answer: Answer) -> bytes:
    if answer is None:
        return _done(0)
    names, rows = answer
    refusal = rows[-1] if rows and isinstance(rows[-1], Refusal) else None
    rows = rows[:-1] if refusal or _stalls(answer) else rows
    columns = [_column([row[place] for row in rows]) for place in range(len(names))]
    head = b"".join(
        struct.pack("<IH", 0, 9) + info + _short(name) for name, (info, _) in zip(names, columns, strict=True)
    )
    told = b"".join(
        b"\xd1" + b"".join(write(value) for value, (_, write) in zip(row, columns, strict=True)) for row in rows
    )
    end = _error(refusal) + _done(2) if refusal else b"" if _stalls(answer) else _done(0x10, len(rows))
    return b"\x81" + struct.pack("<H", len(names)) + head + told + end


def _column(values: list[Any]) -> tuple[bytes, Callable[[Any], bytes]]:
    """The type of a column of these values, and how one of them is written."""
    known = [value for value in values if value is not None]
    first = known[0] if known else Binary(b"")
    if isinstance(first, bool):
        return bytes([0x68, 1]), lambda v: b"\x00" if v is None else bytes([1, v])
    if isinstance(first, Int):
        size = max(value.bits for value in known) // 8
        return bytes(
            [0x26, size]
        ), lambda v: b"\x00" if v is None else bytes([size]) + v.value.to_bytes(size, "little", signed=size > 1)
    if isinstance(first, Decimal):
        scale = max(-min(int(value.as_tuple().exponent) for value in known), 0)
        return bytes([0x6C, 17, 38, scale]), lambda v: b"\x00" if v is None else _decimal(v, scale)
    if isinstance(first, UUID):
        return bytes([0x24, 16]), lambda v: b"\x00" if v is None else b"\x10" + v.bytes_le
    if isinstance(first, Text):
        return b"\xe7" + _sized(
            _COLLATION, is_large := any(len(value.raw) > 8000 for value in known)
        ), lambda v: _variable(None if v is None else v.text.encode("utf-16-le", "surrogatepass"), large=is_large)
    assert isinstance(first, Binary), f"a result of type {type(first).__name__} is not written here"
    is_long = any(len(value.data) > 8000 for value in known)
    return b"\xa5" + _sized(b"", is_long), lambda v: _variable(None if v is None else v.data, large=is_long)


def _sized(collation: bytes, large: bool) -> bytes:
    return struct.pack("<H", _NULL if large else 8000) + collation


def _variable(raw: bytes | None, *, large: bool) -> bytes:
    if not large:
        return struct.pack("<H", _NULL) if raw is None else struct.pack("<H", len(raw)) + raw
    if raw is None:
        return struct.pack("<Q", _NO_LENGTH)
    part = struct.pack("<I", len(raw)) + raw if raw else b""
    return struct.pack("<Q", len(raw)) + part + struct.pack("<I", 0)


def _decimal(value: Decimal, scale: int) -> bytes:
    digits = int(value.scaleb(scale, EXACT))
    return bytes([17, digits >= 0]) + abs(digits).to_bytes(16, "little")
