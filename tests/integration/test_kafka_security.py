"""Kafka behind TLS and logins: a real broker with a private authority. What is wrong is not checked, and the message names the key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdcproof.clients.kafka import session as kafka_session
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.dead_letters import Record
from cdcproof.clients.kafka.log_dirs import log_dirs
from cdcproof.clients.kafka.writes import KafkaWriter
from cdcproof.core.errors import CdcproofError, ConfigError, CouldNotLookError, RefusedError, UsageError
from cdcproof.pipeline.model import Kafka as Cluster
from tests.certificates import Authority
from tests.kafka_broker import PLAIN_PASSWORD, SCRAM_PASSWORD, Broker, broker

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest.fixture(autouse=True)
def _passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READER_PASSWORD", PLAIN_PASSWORD)
    monkeypatch.setenv("AUDITOR_PASSWORD", SCRAM_PASSWORD)
    monkeypatch.setenv("WRONG_PASSWORD", "not-the-password")


def by_password(running: Broker, **other: Any) -> Cluster:
    told = {
        "bootstrap_servers": f"localhost:{running.encrypted}",
        "security_protocol": "SASL_SSL",
        "ca_file": running.authority.file,
        "sasl_mechanism": "SCRAM-SHA-512",
        "user": "auditor",
        "password_env": "AUDITOR_PASSWORD",
    }
    return Cluster.model_validate({**told, **other})


def by_certificate(running: Broker, **other: Any) -> Cluster:
    told = {
        "bootstrap_servers": f"localhost:{running.mutual}",
        "security_protocol": "SSL",
        "ca_file": running.authority.file,
    }
    return Cluster.model_validate({**told, **other})


def use(cluster: Cluster, topic: str) -> None:
    """Everything of ours that talks to a broker: admin client, consumers, producer, and the protocol by hand."""
    writer, kafka = KafkaWriter(cluster), Kafka(cluster)
    writer.create_topic(topic, {"retention.ms": "-1"})
    records = (Record((topic, 0), 0, b"k", b"v", {}), Record((topic, 0), 1, b"l", None, {}))
    assert writer.append(records) == 2
    assert kafka.every_record(topic) == records
    assert [lag.lag_records for lag in kafka.lag("nobody", [topic])] == [2]
    assert kafka.unread({(topic, 0): 1}, {(topic, 0): 2}) == {(topic, 0)}
    assert kafka.group("nobody").exists is False
    sizes = [
        replica.size_bytes
        for host, port in kafka.addresses().values()
        for replica in log_dirs(host, port, kafka.login)
        if replica.topic == topic
    ]
    assert len(sizes) == 1
    assert sizes[0] > 0


def test_scram_within_tls(running: Broker) -> None:
    use(by_password(running), "by-scram")


def test_plain_within_tls(running: Broker) -> None:
    login = {"sasl_mechanism": "PLAIN", "user": "reader", "password_env": "READER_PASSWORD"}
    use(by_password(running, **login), "by-plain")


def test_a_login_without_tls(running: Broker) -> None:
    address = f"localhost:{running.clear}"
    use(
        by_password(running, bootstrap_servers=address, security_protocol="SASL_PLAINTEXT", ca_file=None),
        "by-scram-in-clear",
    )


def test_mutual_tls_with_an_encrypted_key(running: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_PASSWORD", "of-the-key-1")
    ours = running.authority.issue("ours", key_password="of-the-key-1")
    files = {"certificate_file": ours.certificate, "key_file": ours.key}
    use(by_certificate(running, **files, key_password_env="KEY_PASSWORD"), "by-certificate")

    monkeypatch.setenv("KEY_PASSWORD", "another")
    for cluster in (
        by_certificate(running, **files),
        by_certificate(running, **files, key_password_env="KEY_PASSWORD"),
    ):
        error = refused(cluster, ConfigError)
        assert "kafka.key_password_env" in error.remedy
        assert str(ours.key) in error.message


def refused(cluster: Cluster, kind: type[CdcproofError] = RefusedError) -> CdcproofError:
    with pytest.raises(kind) as caught:
        Kafka(cluster).topics()
    return caught.value


def test_an_unknown_authority_names_its_key(running: Broker, tmp_path: Path) -> None:
    for file in (Authority(tmp_path, "other").file, None):
        error = refused(by_password(running, ca_file=file))
        assert "its certificate cannot be verified: unable to get local issuer certificate" in error.message
        assert "kafka.ca_file" in error.remedy


def test_another_host_name_is_named(running: Broker) -> None:
    error = refused(by_password(running, bootstrap_servers=f"127.0.0.1:{running.encrypted}"))
    assert "its certificate is not for the name 127.0.0.1" in error.message
    assert "kafka.bootstrap_servers" in error.remedy


def test_no_certificate_and_one_of_a_stranger(running: Broker, tmp_path: Path) -> None:
    error = refused(by_certificate(running))
    assert "It was sent no certificate" in error.message
    assert "kafka.certificate_file" in error.remedy

    stranger = Authority(tmp_path, "other").issue("stranger")
    files = {"certificate_file": stranger.certificate, "key_file": stranger.key}
    error = refused(by_certificate(running, **files))
    assert "It was sent the certificate of kafka.certificate_file" in error.message


@pytest.mark.parametrize(("mechanism", "user"), [("PLAIN", "reader"), ("SCRAM-SHA-512", "auditor")])
def test_a_wrong_password_names_the_variable(running: Broker, mechanism: str, user: str) -> None:
    error = refused(by_password(running, sasl_mechanism=mechanism, user=user, password_env="WRONG_PASSWORD"))
    assert f"refuses the login of {user}" in error.message
    assert "WRONG_PASSWORD (kafka.password_env)" in error.remedy
    assert "not-the-password" not in str(error)


def test_a_mechanism_that_the_broker_does_not_take(running: Broker) -> None:
    error = refused(by_password(running, sasl_mechanism="SCRAM-SHA-256"))
    assert "takes no login by SCRAM-SHA-256; it takes" in error.message
    assert "kafka.sasl_mechanism" in error.remedy


def test_another_protocol_than_the_listeners(running: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_session, "DEADLINE_SECONDS", 0.5)
    clear_to_tls = Cluster(bootstrap_servers=f"localhost:{running.encrypted}")
    tls_to_clear = by_certificate(running, bootstrap_servers=f"localhost:{running.clear}")
    no_login = by_certificate(running, bootstrap_servers=f"localhost:{running.encrypted}")
    for cluster in (clear_to_tls, tls_to_clear, no_login):
        assert "kafka.security_protocol" in refused(cluster, CouldNotLookError).remedy


def test_what_is_missing_on_this_machine(running: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused(by_password(running, ca_file=tmp_path / "absent.pem"), ConfigError)
    assert "kafka.ca_file: the file cannot be read: No such file or directory" in error.message
    (tmp_path / "empty.pem").write_text("no certificate")
    assert "kafka.ca_file" in refused(by_password(running, ca_file=tmp_path / "empty.pem"), ConfigError).message
    monkeypatch.delenv("AUDITOR_PASSWORD")
    assert "AUDITOR_PASSWORD" in refused(by_password(running), UsageError).message
