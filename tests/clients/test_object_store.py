"""The client of an object store: against moto's S3 in this process, and servers that are none."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from moto import mock_aws

from cdcproof.clients.object_store.client import ObjectStore
from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError

SECRET = "not-really-a-secret-key"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "checks")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def bucket() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="cdc-backups")
        yield client


@contextmanager
def serving(answer: Callable[[str], tuple[int, str]]) -> Iterator[str]:
    """An HTTP server that answers a path with a status and a body; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def page(*keys: str, more: str = "") -> str:
    """A page of a list as S3 writes it; `more` is the token of the next one."""
    entries = "".join(
        f"<Contents><Key>{key}</Key><Size>4</Size><LastModified>2026-11-29T02:00:00.000Z</LastModified></Contents>"
        for key in keys
    )
    truncated = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{more}</NextContinuationToken>"
    rest = truncated if more else "<IsTruncated>false</IsTruncated>"
    return (
        f"<ListBucketResult><Name>cdc-backups</Name><KeyCount>{len(keys)}</KeyCount>{rest}{entries}</ListBucketResult>"
    )


def test_all_pages_of_a_list_are_read() -> None:
    asked: list[str] = []
    pages = {
        "": page("2026/11/29/a", "2026/11/29/b", more="two"),
        "two": page("2026/11/29/c", more="three"),
        "three": page("2026/11/29/d"),
    }

    def answer(path: str) -> tuple[int, str]:
        query = parse_qs(urlsplit(path).query)
        asked.append(query["prefix"][0])
        return 200, pages[query.get("continuation-token", [""])[0]]

    with serving(answer) as endpoint:
        found = ObjectStore("cdc-backups", endpoint).objects("2026/11/29/")

    assert [one.key for one in found] == [f"2026/11/29/{name}" for name in "abcd"]
    assert asked == ["2026/11/29/"] * 3
    assert {(one.size_bytes, one.changed_at) for one in found} == {(4, 1_795_917_600.0)}


def test_an_empty_list_is_empty_and_a_missing_object_is_none(bucket: Any) -> None:
    store = ObjectStore("cdc-backups")
    bucket.put_object(Bucket="cdc-backups", Key="a", Body=b"12345")

    assert store.objects("2026/") == ()
    assert store.head("b") is None
    assert (head := store.head("a")) is not None
    assert head.size_bytes == 5


def test_a_bucket_that_is_not_there_is_no_empty_one(bucket: Any) -> None:
    with pytest.raises(UnexpectedAnswerError, match="s3://other: there is no such bucket"):
        ObjectStore("other").objects()
    with pytest.raises(UnexpectedAnswerError, match="s3://other: there is no such bucket"):
        ObjectStore("other").head("a")


def test_without_credentials_the_environment_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")

    with pytest.raises(RefusedError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        ObjectStore("cdc-backups", "http://127.0.0.1:9").objects()


def test_nobody_at_the_address_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(UnreachableError, match=f"s3://cdc-backups at {endpoint} does not answer"):
            ObjectStore("cdc-backups", endpoint, timeout_seconds=(0.5, 0.5)).objects()


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (200, "<html>a portal</html>", UnexpectedAnswerError, "does not answer as S3 does"),
        (200, "hello", UnreachableError, "answered HTTP 500"),  # as botocore has it
        (
            403,
            f"<Error><Code>AccessDenied</Code><Message>key {SECRET}</Message></Error>",
            RefusedError,
            "s3:ListBucket",
        ),
        (403, "<Error><Code>SignatureDoesNotMatch</Code></Error>", RefusedError, "refuses"),
        (503, "<Error><Code>SlowDown</Code><Message>later</Message></Error>", UnreachableError, "HTTP 503: later"),
    ],
)
def test_what_is_not_a_list_is_an_error_of_ours_and_shows_no_secret(
    status: int, body: str, error: type[CouldNotLookError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdcproof.clients.object_store.client._ATTEMPTS", 1)

    with serving(lambda _: (status, body)) as endpoint, pytest.raises(error) as raised:
        ObjectStore("cdc-backups", endpoint).objects()
    assert words in str(raised.value)
    assert SECRET not in str(raised.value)


def test_without_boto3_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)

    with pytest.raises(CouldNotLookError, match=r"pip install 'cdcproof\[s3\]'"):
        ObjectStore("cdc-backups").objects()
