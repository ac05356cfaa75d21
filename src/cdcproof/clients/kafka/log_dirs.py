"""How much each topic takes on the brokers' disks: Kafka's request DescribeLogDirs (key 35, version 1), which `confluent-kafka` does not offer.

The Kafka protocol guide has its fields. Version 1 is served by every broker from 2.0 to 4.x.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from cdcproof.clients.kafka.login import Answer, Login
from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.patience import stretched
from cdcproof.core.waiting import Deadline

_DESCRIBE_LOG_DIRS, _VERSION, _CORRELATION = 35, 1, 7
_CLIENT = b"cdcproof"
_ANSWER_SECONDS = 10.0
_MOST_BYTES = 64 << 20
_CLUSTER_AUTHORIZATION_FAILED, _STORAGE_ERROR = 31, 56


@dataclass(frozen=True)
class Replica:
    """A partition's log on one broker. One that is being moved to another folder of the broker is there twice."""

    broker: str
    folder: str
    topic: str
    partition: int
    size_bytes: int


def log_dirs(host: str, port: int, login: Login) -> tuple[Replica, ...]:
    """Every partition's log of one broker. Raises `UnreachableError`, `RefusedError` or `UnexpectedAnswerError`."""
    broker = f"{host}:{port}"
    deadline = Deadline(stretched(_ANSWER_SECONDS))
    try:
        with login.connected(host, port, deadline) as connection:
            connection.sendall(_request())
            size = struct.unpack(">i", _received(connection, 4, deadline))[0]
            if not 0 < size <= _MOST_BYTES:
                raise UnexpectedAnswerError(f"Kafka at {broker} does not answer as a broker does.")
            answer = _received(connection, size, deadline)
    except OSError as error:  # a time that is over, too
        raise UnreachableError(
            f"Kafka at {broker} does not say how much its topics take: {error.strerror or error}.",
            "Each broker is asked by itself, at the address that it advertises (advertised.listeners).",
        ) from None
    try:
        return tuple(_replicas(Answer(answer), broker))
    except (struct.error, UnicodeDecodeError):
        raise UnexpectedAnswerError(f"Kafka at {broker} answers DescribeLogDirs in a form that is not known.") from None


def _request() -> bytes:
    """Of all topics: a null array of them."""
    header = struct.pack(">hhih", _DESCRIBE_LOG_DIRS, _VERSION, _CORRELATION, len(_CLIENT)) + _CLIENT
    body = header + struct.pack(">i", -1)
    return struct.pack(">i", len(body)) + body


def _received(connection: socket.socket, size: int, deadline: Deadline) -> bytes:
    parts: list[bytes] = []
    while size:
        connection.settimeout(max(0.01, deadline.remaining_seconds))
        part = connection.recv(min(size, 65_536))
        if not part or deadline.passed:
            raise OSError("the connection was closed" if not part else "the answer was not complete in time")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _replicas(answer: Answer, broker: str) -> Iterator[Replica]:
    if answer.number("i") != _CORRELATION:
        raise struct.error("another answer")
    answer.number("i")  # how long it was throttled
    folders = 0
    for _ in answer.array():
        fault, folder = answer.number("h"), answer.text()
        if fault == _CLUSTER_AUTHORIZATION_FAILED:
            raise _refused(broker)
        if fault == _STORAGE_ERROR:
            raise UnexpectedAnswerError(f"Kafka at {broker}: its folder {folder} is offline.", "See the broker's log.")
        if fault:
            raise UnexpectedAnswerError(f"Kafka at {broker}: its folder {folder} cannot be described (error {fault}).")
        folders += 1
        for _ in answer.array():
            topic = answer.text()
            for _ in answer.array():
                partition, size = answer.number("i"), answer.number("q")
                answer.number("q")  # how far it lags
                answer.number("b")  # whether it is on the way to this folder
                yield Replica(broker, folder, topic, partition, size)
    if not folders:  # so brokers answer an account without the permission: KIP-113 has no error of its own in version 1
        raise _refused(broker)


def _refused(broker: str) -> CouldNotLookError:
    return RefusedError(
        f"Kafka at {broker} does not show its log folders to this account.", "Grant it Describe on the cluster."
    )
