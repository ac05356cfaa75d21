"""DescribeLogDirs against sockets that answer as brokers do, and as others do. The embedded broker's answer: tests/integration."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cdcproof.clients.kafka.log_dirs import Replica, log_dirs
from cdcproof.clients.kafka.login import Login
from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.pipeline.model import Kafka

NO_LOGIN = Login.of(Kafka(bootstrap_servers="127.0.0.1:9092"))


def text(value: str) -> bytes:
    return struct.pack(">h", len(value.encode())) + value.encode()


def folder(path: str, topics: dict[str, dict[int, int]], fault: int = 0) -> bytes:
    """A folder of a broker as version 1 of the answer has it: topic to the size of each partition."""
    body = struct.pack(">h", fault) + text(path) + struct.pack(">i", len(topics))
    for topic, sizes in topics.items():
        body += text(topic) + struct.pack(">i", len(sizes))
        for partition, size in sizes.items():
            body += struct.pack(">iqq?", partition, size, 0, False)
    return body


def answer(*folders: bytes, correlation: int = 7) -> bytes:
    body = struct.pack(">iii", correlation, 0, len(folders)) + b"".join(folders)
    return struct.pack(">i", len(body)) + body


@contextmanager
def broker(reply: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Reads a request, answers, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked: list[bytes] = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                size = struct.unpack(">i", connection.recv(4))[0]
                asked.append(connection.recv(size))
                connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], asked
        thread.join()


def test_every_partition_of_every_folder_is_read() -> None:
    reply = answer(
        folder("/data/a", {"orders": {0: 1_000, 1: 5}, "ünicode": {0: 2**40}}),
        folder("/data/b", {}),
        folder("/data/c", {"orders": {0: 7}}),
    )
    with broker(reply) as (port, asked):
        found = log_dirs("127.0.0.1", port, NO_LOGIN)

    at = f"127.0.0.1:{port}"
    assert found == (
        Replica(at, "/data/a", "orders", 0, 1_000),
        Replica(at, "/data/a", "orders", 1, 5),
        Replica(at, "/data/a", "ünicode", 0, 2**40),
        Replica(at, "/data/c", "orders", 0, 7),
    )
    assert asked == [struct.pack(">hhih", 35, 1, 7, 8) + b"cdcproof" + struct.pack(">i", -1)]


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (answer(), RefusedError, "Grant it Describe on the cluster"),
        (answer(folder("/data", {}, fault=31)), RefusedError, "Grant it Describe on the cluster"),
        (answer(folder("/data", {}, fault=56)), UnexpectedAnswerError, "/data is offline"),
        (answer(folder("/data", {}, fault=5)), UnexpectedAnswerError, "error 5"),
        (answer(folder("/data", {}), correlation=8), UnexpectedAnswerError, "form that is not known"),
        (answer(folder("/data", {"orders": {0: 1}}))[:-9] + b"", UnreachableError, "the connection was closed"),
        (
            struct.pack(">i", 14) + struct.pack(">iii", 7, 0, 1) + b"\0\0",
            UnexpectedAnswerError,
            "form that is not known",
        ),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", UnexpectedAnswerError, "as a broker does"),
        (b"", UnreachableError, "the connection was closed"),
    ],
)
def test_what_is_no_answer_is_our_error_and_never_no_topics(
    reply: bytes, error: type[CouldNotLookError], words: str
) -> None:
    with broker(reply) as (port, _), pytest.raises(error, match=words):
        log_dirs("127.0.0.1", port, NO_LOGIN)


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UnreachableError, match="advertised"):
            log_dirs("127.0.0.1", taken.getsockname()[1], NO_LOGIN)


def test_a_broker_that_says_nothing_is_waited_for_no_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdcproof.clients.kafka.log_dirs._ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(UnreachableError):
        log_dirs("127.0.0.1", silent.getsockname()[1], NO_LOGIN)
