from __future__ import annotations

import socket
from base64 import b64encode

import pytest

from cdcproof.clients import http
from cdcproof.clients.http import (
    ConflictError,
    Http,
    NotFoundError,
    NotServedError,
    ServiceFailedError,
    despite_rebalance,
    shown,
)
from cdcproof.core.errors import DeadlineError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.secrets import Secret
from cdcproof.pipeline.model import HttpService
from tests.canned import serving


def test_a_closed_port_is_unreachable_and_names_service_and_address() -> None:
    with pytest.raises(
        UnreachableError, match=r"Kafka Connect at http://127.0.0.1:1/x does not answer: connection refused"
    ):
        Http("Kafka Connect", "http://127.0.0.1:1").get_json("/x")


def test_a_host_that_does_not_resolve_is_told_as_such() -> None:
    with pytest.raises(UnreachableError, match="the host name cannot be resolved"):
        Http("Registry", "http://no-such-host.invalid").get_json("/")


def test_a_service_that_accepts_and_stays_silent_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Http("Registry", f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=(1, 0.2))
        with pytest.raises(UnreachableError, match=r"no answer within 0\.2 s"):
            client.get_json("/")


def test_a_connection_closed_without_an_answer_is_unreachable() -> None:
    with serving({"GET /x": None}) as server, pytest.raises(UnreachableError, match="without an answer"):
        Http("Registry", server.url).get_json("/x")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, RefusedError),
        (403, RefusedError),
        (404, NotFoundError),
        (409, ConflictError),
        (400, UnexpectedAnswerError),
        (500, ServiceFailedError),
        (503, ServiceFailedError),
    ],
)
def test_each_status_is_an_error_that_quotes_what_was_said(status: int, error: type[Exception]) -> None:
    with serving({"GET /x": (status, {"message": "first\nsecond"})}) as server:
        with pytest.raises(error, match=rf"answered {status} to GET: first second") as raised:
            Http("Registry", server.url).get_json("/x")
        assert type(raised.value) is error


def test_a_body_that_is_not_json_is_quoted_by_its_first_line() -> None:
    with serving({"GET /x": (200, b"\n<html>\nsecond")}) as server:
        with pytest.raises(UnexpectedAnswerError, match="did not answer with JSON: <html>") as raised:
            Http("Registry", server.url).get_json("/x")
        assert "second" not in str(raised.value)


def test_a_long_body_is_cut() -> None:
    with serving({"GET /x": (500, b"x" * 5000)}) as server, pytest.raises(UnexpectedAnswerError) as raised:
        Http("Registry", server.url).get_json("/x")
    assert len(str(raised.value)) < 500


def test_a_secret_in_the_answer_or_in_the_address_is_never_told() -> None:
    Secret("hunter2-battery")
    with serving({"GET /x": (500, b"login with hunter2-battery, password=other-one")}) as server:
        url = server.url.replace("http://", "http://user:url-secret@")
        with pytest.raises(UnexpectedAnswerError) as raised:
            Http("Registry", url).get_json("/x")
    assert "hunter2" not in str(raised.value)
    assert "other-one" not in str(raised.value)
    assert "url-secret" not in str(raised.value)


def test_the_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "pw-of-registry")
    with serving({"GET /x": (200, {})}) as server:
        service = HttpService(url=server.url, user="me", password_env="REGISTRY_PASSWORD")
        Http.to("Registry", service).get_json("/x")
        assert server.authorizations == ["Basic bWU6cHctb2YtcmVnaXN0cnk="]


def test_a_password_may_hold_any_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "пароль")
    with serving({"GET /x": (200, {})}) as server:
        Http.to("Registry", HttpService(url=server.url, user="me", password_env="REGISTRY_PASSWORD")).get_json("/x")
        assert server.authorizations == [f"Basic {b64encode('me:пароль'.encode()).decode()}"]


def test_an_answer_without_a_body_is_none() -> None:
    with serving({"PUT /x": (202, b""), "POST /x?a=1": (204, b"")}) as server:
        assert Http("Registry", server.url).put_json("/x", {"k": 1}) is None
        assert Http("Registry", server.url).post("/x", params={"a": 1}) is None
        assert server.bodies == [{"k": 1}, None]


@pytest.mark.parametrize(
    ("age", "is_copy"), [("0", False), ("5", False), ("6", True), ("86400", True), ("soon", False)]
)
def test_a_copy_that_a_cache_kept_is_no_answer_of_the_service(age: str, is_copy: bool) -> None:
    """It would say RUNNING of a Connect that is gone. Every cache says by Age how old its copy is."""
    with serving({"GET /connectors": (200, {})}) as server:
        server.headers["Age"] = age
        if not is_copy:
            assert Http("Kafka Connect", server.url).get_json("/connectors") == {}
        else:
            with pytest.raises(UnexpectedAnswerError) as raised:
                Http("Kafka Connect", server.url).get_json("/connectors")
            assert raised.value.message == (
                f"Kafka Connect at {server.url}/connectors was not asked: a cache before it sent a copy that is {age} s old."
            )
            assert "url" in raised.value.remedy
        assert server.received[-1]["Cache-Control"] == "no-cache"


def test_of_what_may_be_cached_a_copy_is_as_good() -> None:
    """Image tags, and ranges of metrics that are over."""
    with serving({"GET /v2": (200, {})}) as server:
        server.headers["Age"] = "86400"
        assert Http("Registry", server.url, may_be_cached=True).get_json("/v2") == {}
        assert "Cache-Control" not in server.received[-1]


@pytest.mark.parametrize("body", [b"<html>404", b""])
def test_a_404_that_is_not_json_is_not_the_services_own(body: bytes) -> None:
    with serving({"PATCH /x": (404, body)}) as server, pytest.raises(NotServedError):
        Http("Kafka Connect", server.url).patch_json("/x", {})


def test_what_an_address_knows_is_asked_by_options() -> None:
    with serving({"GET /x": (200, {}), "PATCH /x": (200, {})}) as server:
        client = Http("Kafka Connect", server.url)
        assert client.methods("/x") == {"GET", "PATCH", "OPTIONS"}
        assert client.methods("/y") == frozenset()


def test_what_is_printed_of_an_address_has_no_user_and_no_query() -> None:
    assert shown("http://me:secret@host:81/path?token=x") == "http://host:81/path"


def test_a_rebalance_is_waited_for() -> None:
    busy = (409, {"message": "rebalance in progress"})
    with serving({"PUT /x": [busy, busy, (202, {"done": True})]}) as server:
        client = Http("Kafka Connect", server.url)
        assert despite_rebalance(lambda: client.put_json("/x"), deadline_seconds=10) == {"done": True}
        assert len(server.requests) == 3


def test_a_rebalance_that_does_not_end_is_told() -> None:
    with serving({"PUT /x": (409, {"message": "rebalance in progress"})}) as server:
        client = Http("Kafka Connect", server.url)
        with pytest.raises(DeadlineError, match=r"still rebalancing.*rebalance in progress"):
            despite_rebalance(lambda: client.put_json("/x"), deadline_seconds=0.3)


def test_another_error_during_a_rebalance_is_told_at_once() -> None:
    with serving({"PUT /x": (500, {"message": "no"})}) as server:
        client = Http("Kafka Connect", server.url)
        with pytest.raises(UnexpectedAnswerError, match="answered 500"):
            despite_rebalance(lambda: client.put_json("/x"), deadline_seconds=60)
        assert len(server.requests) == 1


def test_the_errors_survive_pickling() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(http.NotFoundError("a", "b")))
    assert (type(error), error.message, error.remedy) == (http.NotFoundError, "a", "b")
