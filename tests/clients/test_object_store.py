"""The door to an object store: against moto's S3 in this process, and servers that are none."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cdcproof.clients.object_store import ObjectStore
from cdcproof.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError

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


def test_all_pages_of_a_list_are_read(bucket: Any) -> None:
    keys = [f"2026/11/29/part-{number:04}" for number in range(1_003)]
    for key in keys:
        bucket.put_object(Bucket="cdc-backups", Key=key, Body=b"rows")
    bucket.put_object(Bucket="cdc-backups", Key="2026/11/28/other", Body=b"")

    found = ObjectStore("cdc-backups").objects("2026/11/29/")

    assert [one.key for one in found] == keys
    assert {one.size_bytes for one in found} == {4}
    assert all(one.changed_at > 1_700_000_000 for one in found)


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
    monkeypatch.setattr("cdcproof.clients.object_store._ATTEMPTS", 1)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        with pytest.raises(error) as raised:
            ObjectStore("cdc-backups", f"http://127.0.0.1:{server.server_address[1]}").objects()
    finally:
        server.shutdown()
        server.server_close()
    assert words in str(raised.value)
    assert SECRET not in str(raised.value)


def test_without_boto3_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)

    with pytest.raises(CouldNotLookError, match=r"pip install 'cdcproof\[s3\]'"):
        ObjectStore("cdc-backups").objects()
