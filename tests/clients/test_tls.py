"""TLS of every client that speaks HTTP, against a local service of a private authority: verified by default, and what is wrong is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.http import Http
from cdcproof.clients.notifier import deliver
from cdcproof.clients.object_store.client import ObjectStore
from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.clients.schema_registry import Registry
from cdcproof.core.errors import ConfigError, RefusedError
from cdcproof.core.secrets import Secret
from cdcproof.environments.endpoints import probe
from cdcproof.pipeline.model import ConnectService, HttpService
from cdcproof.reporting.formats.metrics import push_under
from tests.canned import Canned, serving
from tests.certificates import Authority
from tests.tls_proxy import encrypting

LIST = b"""<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>backups</Name><KeyCount>1</KeyCount>
<Contents><Key>a</Key><Size>7</Size><LastModified>2026-11-29T02:00:00.000Z</LastModified></Contents></ListBucketResult>"""
ANSWERS: dict[str, Any] = {
    "GET /": (200, {"version": "3.9.0", "commit": "x", "kafka_cluster_id": "c"}),
    "GET /subjects": (200, ["orders-value"]),
    "GET /-/ready": (200, b"ready"),
    "GET /api/v1/query?query=up": (200, {"status": "success", "data": {"resultType": "vector", "result": []}}),
    "POST /metrics/job/cdcproof": (202, b""),
    "GET /backups?list-type=2&prefix=&encoding-type=url": (200, LIST),
    "POST /hook": (200, b""),
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "checks")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-really-a-secret-key")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def service(authority: Authority) -> Iterator[tuple[Canned, int]]:
    """A service that answers every client, behind TLS for localhost alone; and its port."""
    with serving(ANSWERS) as plain:
        host, _, port = plain.url.removeprefix("http://").partition(":")
        with encrypting((host, int(port)), authority.issue("service", "localhost")) as encrypted:
            yield plain, encrypted


def of_prometheus(service: HttpService) -> object:
    return PrometheusServer(service).query("up")


def of_alertmanager(service: HttpService) -> object:
    return Http.to("Alertmanager", service).get_text("/-/ready")


def of_registry(service: HttpService) -> object:
    return Registry(service).subjects()


def of_connect(service: HttpService) -> object:
    return Connect(ConnectService(url=service.url, ca_file=service.ca_file)).version()


def of_pushgateway(service: HttpService) -> object:
    return push_under({}, CollectorRegistry(), service)


CLIENTS = (of_connect, of_registry, of_prometheus, of_alertmanager, of_pushgateway)


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_private_authority_is_named_by_the_file(
    service: tuple[Canned, int], authority: Authority, ask: Callable[[HttpService], object]
) -> None:
    plain, port = service
    ask(HttpService(url=f"https://localhost:{port}", ca_file=authority.file))
    assert plain.requests


@pytest.mark.parametrize("ask", CLIENTS)
def test_an_unknown_authority_and_another_name_are_refused_before_anything_is_sent(
    service: tuple[Canned, int], authority: Authority, tmp_path: Path, ask: Callable[[HttpService], object]
) -> None:
    plain, port = service
    other = Authority(tmp_path, "other").file
    for ca_file in (None, other):
        with pytest.raises(RefusedError, match="its certificate cannot be verified: unable to get local") as caught:
            ask(HttpService(url=f"https://localhost:{port}", ca_file=ca_file))
        assert "ca_file" in caught.value.remedy
    with pytest.raises(RefusedError, match=r"its certificate is not for the name 127\.0\.0\.1"):
        ask(HttpService(url=f"https://127.0.0.1:{port}", ca_file=authority.file))
    assert plain.requests == []


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_file_that_is_no_authority_is_named(tmp_path: Path, ask: Callable[[HttpService], object]) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for file in (tmp_path / "absent.pem", tmp_path / "empty.pem"):
        with pytest.raises(ConfigError, match="ca_file") as caught:
            ask(HttpService(url="https://localhost:1", ca_file=file))
        assert str(file) in caught.value.message


def test_a_variable_of_the_machine_does_not_stand_in_for_the_file(
    service: tuple[Canned, int], authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests would take REQUESTS_CA_BUNDLE in place of what a session was given."""
    _, port = service
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Authority(tmp_path, "other").file))
    assert of_connect(HttpService(url=f"https://localhost:{port}", ca_file=authority.file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    assert of_connect(HttpService(url=f"https://localhost:{port}"))


def test_an_endpoint_of_a_service(service: tuple[Canned, int], authority: Authority) -> None:
    _, port = service
    assert probe(f"https://localhost:{port}/subjects", ca_file=authority.file).healthy is True
    for url, ca_file, wrong in (
        (f"https://localhost:{port}/", None, "cannot be verified"),
        (f"https://127.0.0.1:{port}/", authority.file, "is not for the name 127.0.0.1"),
    ):
        answer = probe(url, ca_file=ca_file)
        assert answer.healthy is False
        assert wrong in answer.detail


def test_an_object_store(service: tuple[Canned, int], authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, port = service
    for host, bundle, wrong in (
        ("localhost", "", "its certificate cannot be verified"),
        ("127.0.0.1", str(authority.file), "its certificate is not for the name 127.0.0.1"),
    ):
        with monkeypatch.context() as patch:
            if bundle:
                patch.setenv("AWS_CA_BUNDLE", bundle)
            with pytest.raises(RefusedError, match=wrong) as caught:
                ObjectStore("backups", f"https://{host}:{port}").objects()
        assert "AWS_CA_BUNDLE" in caught.value.remedy or "backup.s3_endpoint" in caught.value.remedy
    assert plain.requests == []
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    assert [found.key for found in ObjectStore("backups", f"https://localhost:{port}").objects()] == ["a"]


def test_a_webhook_of_messages(
    service: tuple[Canned, int], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, port = service
    said = deliver(Secret(f"jsons://localhost:{port}/hook"), "title", "body")
    assert said.startswith("JSON did not take the message: its certificate cannot be verified: unable to get local")
    assert "REQUESTS_CA_BUNDLE" in said
    assert plain.requests == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    assert "mismatch" in deliver(Secret(f"jsons://127.0.0.1:{port}/hook"), "title", "body")
    assert deliver(Secret(f"jsons://localhost:{port}/hook"), "title", "body") == ""
    assert plain.requests == ["POST /hook"]
