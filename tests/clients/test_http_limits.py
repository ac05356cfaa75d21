"""An answer that never ends, by any way of not ending, is an error in time."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest

from cdcproof.clients.http import Http
from cdcproof.core.errors import UnexpectedAnswerError, UnreachableError
from cdcproof.core.waiting import wait_until
from tests.trickle import bytewise, sending

_HEAD = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(lambda: bytewise(_HEAD * 1000), id="a status line and headers, byte by byte"),
        pytest.param(
            lambda: bytewise(_HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000), id="a body, byte by byte"
        ),
        pytest.param(lambda: chain([_CHUNKED], repeat(b"1\r\nx\r\n")), id="chunks without end"),
        pytest.param(lambda: bytewise(_CHUNKED + b"1\r\nx\r\n" * 1000), id="chunks, byte by byte"),
    ],
)
def test_an_answer_that_does_not_end_counts_as_none(parts: Callable[[], Iterator[bytes]]) -> None:
    with sending(parts, every_seconds=0.02) as url:
        service = Http("Kafka Connect", url, timeout_seconds=(0.1, 0.2))
        before = set(threading.enumerate())
        with pytest.raises(UnreachableError, match=r"Kafka Connect at .* the answer was not complete after 0\.5 s"):
            service.get_text("/")
        wait_until(  # a program that asks for days must not keep a thread for each answer that never came
            lambda: set(threading.enumerate()) - before,
            lambda left: not left,
            what="the end of the thread that asked",
            deadline_seconds=5,
        )


def test_a_service_that_was_too_late_is_not_asked_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def never() -> Iterator[bytes]:
        asked.append(1)
        return bytewise(_HEAD * 1000)

    with sending(never, every_seconds=0.02) as url:
        service = Http("Kafka Connect", url, timeout_seconds=(0.1, 0.2), silence_seconds=60)
        for path in ("/connectors", "/connector-plugins", "/"):
            with pytest.raises(UnreachableError, match=r"/connectors does not answer: the answer was not complete"):
                service.get_text(path)
        assert len(asked) == 1
        monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + 60)
        with pytest.raises(UnreachableError, match=r"/connector-plugins does not answer"):
            service.get_text("/connector-plugins")


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(lambda: chain([_CHUNKED], repeat(b"10000\r\n" + b"x" * 65_536 + b"\r\n")), id="without end"),
        pytest.param(
            lambda: chain([_HEAD + b"Content-Length: 600000000\r\n\r\n"], repeat(b"x" * 65_536, 9000)), id="of a length"
        ),
        pytest.param(
            lambda: iter([_HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(64 * 2**20))]), id="packed"
        ),
    ],
)
def test_an_answer_that_is_too_long_is_refused(parts: Callable[[], Iterator[bytes]]) -> None:
    with sending(parts) as url, pytest.raises(UnexpectedAnswerError, match="answered with more than 16 MiB"):
        Http("Metrics", url).get_text("/")


def test_of_an_answer_that_names_another_address_the_body_is_not_read() -> None:
    with sending(lambda: iter([_HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\nok"])) as there:
        head = b"HTTP/1.1 302 Found\r\nLocation: %s/\r\n\r\n" % there.encode()
        sent = []

        def parts() -> Iterator[bytes]:
            for part in chain([head], repeat(b"x" * 65_536)):
                sent.append(len(part))
                yield part

        with sending(parts) as url:
            assert Http("Metrics", url).get_text("/") == "ok"
    assert sum(sent) < 16 * 2**20


def test_an_answer_packed_many_times_is_refused() -> None:
    packed = bytes(64 * 2**20)
    for _ in range(3):
        packed = gzip.compress(packed)
    head = _HEAD + b"Content-Encoding: gzip, gzip, gzip\r\n\r\n"
    with sending(lambda: iter([head + packed])) as url, pytest.raises(UnexpectedAnswerError, match="more than 16 MiB"):
        Http("Metrics", url).get_text("/")


def test_an_answer_in_chunks_or_packed_is_read_whole() -> None:
    text = "ünïcode " * 50_000
    packed = gzip.compress(text.encode())
    headers = _HEAD + b"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (text.encode()[:7], text.encode()[7:], b"")]
    for answer in (
        headers + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks),
        headers + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
        headers + b"\r\n" + text.encode(),
    ):
        with sending(lambda answer=answer: iter([answer])) as url:  # type: ignore[misc]
            assert Http("Metrics", url).get_text("/") == text


def test_an_answer_that_is_cut_short_is_no_answer() -> None:
    cut = _HEAD + b"Content-Length: 100\r\nConnection: close\r\n\r\nx"
    with sending(lambda: iter([cut])) as url, pytest.raises(UnreachableError):
        Http("Metrics", url).get_text("/")
