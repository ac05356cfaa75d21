"""Diagnostics of the running pipeline: whole, with its worst half down, and without any secret of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cdcproof.environments.embedded import connectors, passwords
from tests.diagnostics.worlds import read, whole
from tests.integration.conftest import PASSWORDS, ROOT, Pipelines, eventually

pytestmark = pytest.mark.integration

CANARY = "Connector&canary=1"


def collect(pipelines: Pipelines, folder: Path, *options: str) -> tuple[int, str, Path]:
    """The runbook's script, as an operator starts it."""
    done = subprocess.run(
        [ROOT / "scripts/bash/collect-diagnostics.sh", "--output-dir", folder, *options],
        cwd=folder,
        env={**pipelines.environment, "PATH": f"{Path(sys.executable).parent}:{pipelines.environment['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    [archive] = folder.glob("*.tar.gz")
    assert str(archive) in done.stdout, done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr, archive


def test_everything_of_a_healthy_pipeline_is_collected_and_none_of_its_secrets(
    pipelines: Pipelines, tmp_path: Path
) -> None:
    config = {
        **connectors.config(pipelines.instance, connectors.SINK),
        "topics": "unused",
        "connection.password": CANARY,
    }
    config.pop("topics.regex", None)
    pipelines.connect.create("with-a-secret", config, "STOPPED")
    try:
        status, output, archive = collect(pipelines, tmp_path)
    finally:
        pipelines.connect.delete("with-a-secret")

    assert status == 0, output
    files = read(archive)
    services = ("postgres-source", "postgres", "zookeeper", "kafka", "schema-registry", "kafka-connect")
    assert {
        *(f"logs/{service}.log.txt" for service in services),
        *(f"threads/{service}.txt" for service in services[2:]),
        *(f"connect/{kind}/postgres-sink-connector.json" for kind in ("configurations", "positions")),
        *("source/sessions.txt", "target/sessions.txt", "source/slots.txt", "source/columns/orders.txt"),
        *("kafka/groups.txt", "kafka/lag-of-postgres-sink-connector.txt", "registry/subjects.txt"),
        *("metrics/reconciliation.txt", "metrics/connectors.txt", "system/disks.txt", "index.html"),
    } <= files.keys()
    assert b"DistributedHerder" in files["threads/kafka-connect.txt"]
    assert b"connect-postgres-sink-connector" in files["kafka/groups.txt"]
    assert b"customer_id" in files["target/columns/orders.txt"]
    assert b"connector_state" in files["metrics/connectors.txt"]
    assert b'"connection.password": "[redacted]"' in files["connect/configurations/with-a-secret.json"]
    data = whole(archive)
    superusers = passwords.of(pipelines.instance).superuser.reveal()
    assert [secret for secret in (CANARY, *PASSWORDS.values(), superusers) if secret.encode() in data] == []


def test_with_half_of_it_down_the_rest_is_collected_and_the_worst_stands_first(
    healthy: Pipelines, tmp_path: Path
) -> None:
    worker, registry = (healthy.instance.processes[name].pid for name in ("kafka-connect", "schema-registry"))
    for process in (worker, registry):
        os.kill(process, signal.SIGSTOP)
    try:
        status, output, archive = collect(healthy, tmp_path, "--deadline", "4s")
    finally:
        for process in (worker, registry):
            os.kill(process, signal.SIGCONT)

    assert status == 3, output
    assert "Not collected:" in output
    assert "connect/connectors: It had not ended after 4 s." in output
    assert f"threads/kafka-connect: kafka-connect (process {worker}) is stopped" in output
    files = read(archive)
    assert {
        "source/sessions.txt",
        "kafka/groups.txt",
        "logs/kafka-connect.log.txt",
        "threads/kafka.txt",
    } <= files.keys()
    assert b"Service kafka-connect is up, unhealthy" in files["index.html"]
    eventually(lambda: not healthy.connect.states().halted("postgres-sink-connector"), what="the sink to go on")
