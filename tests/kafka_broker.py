"""A Kafka broker of its own that wants TLS, certificates and logins: the embedded pipeline's jars, as its own controller (KRaft)."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cdcproof.core.progress import Progress
from cdcproof.core.waiting import wait_until
from cdcproof.environments.embedded import artifacts, folders
from cdcproof.environments.embedded.services import java
from tests.certificates import Authority

PLAIN_PASSWORD, SCRAM_PASSWORD = "plain-secret-1", "scram-secret-2"
_SERVER = "org.apache.kafka.common.security"
_PLAIN_LOGIN = f'{_SERVER}.plain.PlainLoginModule required user_reader="{PLAIN_PASSWORD}"'
_SCRAM_LOGIN = f"{_SERVER}.scram.ScramLoginModule required;"
_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx192m")


@dataclass(frozen=True)
class Broker:
    """A running broker: `authority` has signed its certificate, which is for localhost alone."""

    authority: Authority
    encrypted: int
    """Asks for a login by SASL within TLS: reader by PLAIN, auditor by SCRAM-SHA-512."""
    mutual: int
    """Asks for a certificate of `authority` within TLS."""
    clear: int
    """Asks for a login, without TLS."""


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """Start it, and end it."""
    jars = artifacts.ready(folders.cache_folder(), Progress()).kafka_jars
    program = [str(java.find().program), *_FLAGS, "-cp", ":".join(map(str, jars))]
    authority = Authority(folder, "authority")
    encrypted, mutual, clear, controller = _free_ports(4)
    running = Broker(authority, encrypted, mutual, clear)
    settings = folder / "server.properties"
    settings.write_text(_settings(running, controller, folder))
    scram = f"SCRAM-SHA-512=[name=auditor,password={SCRAM_PASSWORD}]"
    formatted = [*program, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(settings)]
    subprocess.run([*formatted, "--add-scram", scram], check=True, capture_output=True, timeout=60)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*program, "kafka.Kafka", str(settings)], stdout=log, stderr=log, cwd=folder)
    try:
        wait_until(lambda: _listens(process, encrypted, folder), bool, what="the broker", deadline_seconds=60)
        yield running
    finally:
        process.kill()
        process.wait(timeout=30)


def _settings(running: Broker, controller: int, folder: Path) -> str:
    listeners = {"ENCRYPTED": running.encrypted, "MUTUAL": running.mutual, "CLEAR": running.clear}
    logins = {
        f"listener.name.{name}.{mechanism}.sasl.jaas.config": login
        for name in ("encrypted", "clear")
        for mechanism, login in {"plain": f"{_PLAIN_LOGIN};", "scram-sha-512": _SCRAM_LOGIN}.items()
    }
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join(f"{n}://127.0.0.1:{p}" for n, p in {**listeners, "CONTROLLER": controller}.items()),
        "advertised.listeners": ",".join(f"{name}://localhost:{port}" for name, port in listeners.items()),
        "listener.security.protocol.map": "ENCRYPTED:SASL_SSL,MUTUAL:SSL,CLEAR:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLEAR",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        **logins,
        # the broker's own login, at a start only
        "listener.name.clear.plain.sasl.jaas.config": f'{_PLAIN_LOGIN} username="reader" password="{PLAIN_PASSWORD}";',
        "listener.name.mutual.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": running.authority.issue("broker", "localhost").both,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": running.authority.file,
        "log.dirs": folder / "data",
        "log.cleaner.dedupe.buffer.size": 2_097_152,
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": 1,
        "group.initial.rebalance.delay.ms": 0,
        "num.network.threads": 1,
        "num.io.threads": 2,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _listens(process: subprocess.Popen[bytes], port: int, folder: Path) -> bool:
    if process.poll() is not None:
        pytest.fail(f"The broker has ended:\n{(folder / 'log').read_text()[-4000:]}")
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _free_ports(number: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    try:
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()
