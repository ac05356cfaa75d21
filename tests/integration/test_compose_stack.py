"""The compose files on a real container engine: started by testcontainers, checked, broken, healed, removed.

scripts/ci/docker-engine.sh provides an engine and the stand-in image where there is none.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from cdcproof.clients.containers.engine import Engine
from cdcproof.core.errors import CouldNotLookError, UnreachableError
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import wait_until
from cdcproof.databases.connections import connect
from cdcproof.databases.names import TableName
from cdcproof.environments.compose import Compose
from cdcproof.environments.disk import measure
from cdcproof.environments.embedded import artifacts, folders
from cdcproof.findings import Verdict
from cdcproof.pipeline.model import load
from cdcproof.reporting.record import Run
from tests.integration.conftest import free_ports

pytestmark = [pytest.mark.docker, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
FILES = (Path("docker-compose.yml"), Path("docker-compose.stand-in.yml"))
IMAGE = "cdcproof-stand-in:bookworm"
PORTS = ("SQLSERVER", "POSTGRES", "ZOOKEEPER", "KAFKA", "SCHEMA_REGISTRY", "CONNECT")
PASSWORDS = ("SQLSERVER_PASSWORD", "POSTGRES_PASSWORD", "CDCPROOF_PASSWORD")
CONNECTORS = ("stand-in-source-connector", "postgres-sink-connector")
SNAPSHOT_SECONDS = 120


@dataclass(frozen=True)
class Stack:
    """The stack that runs, and what the checks are run with."""

    compose: Compose
    pipeline_file: Path
    folder: Path

    def morning(self) -> Run:
        """Run the morning checks in a process of their own, as an operator does."""
        return self.checks("morning", self.pipeline_file)

    def checks(self, suite: str, pipeline_file: Path, *options: str) -> Run:
        """Run a suite."""
        reports = self.folder / "reports"
        reports.joinpath("latest.json").unlink(missing_ok=True)
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-m", suite, "-p", "no:cacheprovider", *options),
                # with "=": pytest takes a path that stands alone for a place to look for its own configuration
                *("--env=compose", f"--pipeline={pipeline_file}", f"--reports-dir={reports}"),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        with self.folder.joinpath("output.txt").open("a") as output:
            output.write(ended.stdout + ended.stderr)
        assert ended.returncode in (0, 1), ended.stdout + ended.stderr
        run = Run.from_dict(json.loads(reports.joinpath("latest.json").read_text()))
        assert (ended.returncode == 0) == run.is_green, ended.stdout + ended.stderr
        return run


@pytest.fixture(scope="module")
def engine() -> None:
    """A container engine that has the stand-in image, or a skip that says why there is none."""
    try:
        with Engine():
            pass
    except CouldNotLookError as error:
        pytest.skip(f"no container engine: {error.message}")
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode:
        pytest.skip(f"the container engine has no image {IMAGE}: scripts/ci/docker-engine.sh makes it")


@pytest.fixture(scope="module")
def stack(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    with ExitStack() as cleanup:
        monkeypatch = cleanup.enter_context(pytest.MonkeyPatch.context())
        monkeypatch.chdir(ROOT)
        monkeypatch.setenv("COMPOSE_FILE", os.pathsep.join(str(file) for file in FILES))
        monkeypatch.setenv("COMPOSE_PROJECT_NAME", f"cdcproof-{secrets.token_hex(4)}")
        for name in PASSWORDS:
            monkeypatch.setenv(name, f"Secret-{secrets.token_hex(12)}")
        *service_ports, reconciliation_port, connect_port = free_ports(len(PORTS) + 2)
        for name, port in zip(PORTS, service_ports, strict=True):
            monkeypatch.setenv(f"{name}_PORT", str(port))
        for name, path in parts(folder).items():
            monkeypatch.setenv(name, str(path))
        file = pipeline_file(folder, reconciliation_port, connect_port)

        compose = Compose()
        if compose.containers():
            pytest.fail(f"containers of the compose files in {ROOT} exist already: docker compose down --volumes")
        cleanup.callback(remove, compose)
        cleanup.enter_context(compose.running())
        located = compose.locate(load(file))
        for name in CONNECTORS:
            deploy(f"{located.connect.url}/connectors", (ROOT / f"fixtures/connectors/{name}.json").read_bytes())
        with connect(located.source) as source, connect(located.target) as target:
            tables = [(TableName.parse(t.source), TableName.parse(t.target)) for t in located.tables]
            wanted = [source.catalogue.count_rows(s) for s, _ in tables]
            assert all(wanted)
            wait_until(
                lambda: [target.catalogue.count_rows(t) for _, t in tables],
                lambda found: found == wanted,
                what=f"the snapshot, {wanted} rows, in the target",
                deadline_seconds=SNAPSHOT_SECONDS,
            )
            beat = TableName.parse(located.freshness.target)
            wait_until(lambda: target.catalogue.count_rows(beat), bool, what="the first heartbeat", deadline_seconds=30)
        given = ["--pipeline", str(file), "--env", "compose"]
        cdcproof = [sys.executable, "-m", "cdcproof"]
        subprocess.run([*cdcproof, "reconcile", *given, "--validate-checksums"], check=True, timeout=60)
        exporter = subprocess.Popen([*cdcproof, "exporter", *given, "--state", str(folder / "exporter.json")])
        cleanup.callback(exporter.wait, 10)
        cleanup.callback(exporter.terminate)
        for port in (reconciliation_port, connect_port):
            wait_until(lambda port=port: accepts(port), bool, what=f"the exporter at port {port}", deadline_seconds=20)
        yield Stack(compose, file, folder)


def test_the_morning_checks_are_green_on_containers(stack):
    run = stack.morning()

    assert run.environment == "compose"
    assert {step.step: step.verdict for step in run.steps if step.verdict is not Verdict.PASSED} == {}


def test_a_stopped_container_fails_exactly_its_check(stack):
    before = verdicts(stack.morning())
    docker("stop", "--time", "3", "schema-registry")
    try:
        stopped = stack.morning()
    finally:
        docker("start", "schema-registry")

    changed = {step: verdict for step, verdict in verdicts(stopped).items() if verdict is not before[step]}
    blocked = dict.fromkeys(("morning.6-registry-answers", "morning.9-registry"), Verdict.BLOCKED)
    assert changed == {"morning.1-services": Verdict.FAILED, **blocked}
    (services,) = (step for step in stopped.steps if step.step == "morning.1-services")
    (difference,) = services.differences
    assert "schema-registry" in difference.subject
    assert difference.found == "down"
    assert "docker logs schema-registry --tail 50" in services.action

    wait_until(
        lambda: stack.compose.containers()["schema-registry"],
        lambda container: container.healthy is True,
        what="the registry to be healthy again",
        deadline_seconds=60,
    )
    assert verdicts(stack.morning()) == before


@pytest.fixture(scope="module")
def change(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline file that names the connectors' files."""
    folder = tmp_path_factory.mktemp("change")
    for name in CONNECTORS:
        shutil.copy(ROOT / f"fixtures/connectors/{name}.json", folder)
    file = folder / "stand-in.toml"
    text = stack.pipeline_file.read_text()
    assert "[paths]\n" in text
    file.write_text(text.replace("[paths]\n", f'[paths]\nconnectors = "{folder}"\n'))
    return file


def test_a_change_passes_the_staging_gate_on_containers(stack, change):
    run = stack.checks("staging", change, "--soak=3s")

    assert len(run.steps) == 7
    assert {step.step: step.verdict for step in run.steps if step.verdict is not Verdict.PASSED} == {}


def test_a_baseline_knows_the_containers_and_no_password(stack, change):
    command = [sys.executable, "-m", "cdcproof", "baseline"]
    given = [f"--pipeline={change}", "--env=compose", f"--file={stack.folder / 'baseline.json'}"]
    subprocess.run([*command, "save", *given], cwd=ROOT, check=True, timeout=120)
    compared = subprocess.run([*command, "compare", *given], cwd=ROOT, check=False, timeout=120)

    facts = json.loads((stack.folder / "baseline.json").read_text())["facts"]
    assert compared.returncode == 0
    assert facts["deployment/kafka-connect/image"] == IMAGE
    assert facts["deployment/kafka-connect/environment/CDCPROOF_PASSWORD"].startswith("[redacted] (fingerprint")


def test_other_images_in_a_compose_file_are_a_high_risk(stack, change):
    command = [sys.executable, "-m", "cdcproof", "change", "classify", "--json", "--declared=low"]
    done = subprocess.run(
        [*command, f"--pipeline={change}", "--env=compose", "--compose=docker-compose.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    told = json.loads(done.stdout)
    images = {one["subject"]: one["risk"] for one in told["changes"] if one["subject"].endswith("/image")}
    assert done.returncode == 1
    assert told["risk"] == "high"
    assert images["deployment/kafka-connect/image"] == "high"
    assert not [one for one in told["changes"] if one["subject"].startswith("connectors/")]
    assert not [name for name in PASSWORDS if os.environ[name] in done.stdout]


def test_df_in_a_container_sees_the_file_system_that_the_host_sees(stack):
    kafka = stack.compose.containers()["kafka"]

    with Engine() as engine:
        (inside,) = engine.use_of(kafka)

    outside = measure(kafka.mounts[0].host_directory)
    assert inside.path == "/var/lib/kafka/data"
    assert inside.total_bytes == outside.total_bytes
    assert inside.used_percent == pytest.approx(outside.used_percent, abs=1)
    assert inside.inodes_used_percent == pytest.approx(outside.inodes_used_percent, abs=1)


def test_the_log_of_a_container_can_be_read(stack):
    log = stack.compose.logs(stack.compose.locate(load(stack.pipeline_file)), "kafka-connect", lines=5)

    assert 1 <= len(log.splitlines()) <= 5


def test_no_password_is_in_anything_that_was_written(stack):
    stack.morning()
    written = [path for path in stack.folder.rglob("*") if path.is_file() and path.parent.name != "jars"]
    assert any(path.name == "latest.json" for path in written)

    for path in written:
        content = path.read_bytes()
        assert not [name for name in PASSWORDS if os.environ[name].encode() in content], path


def parts(folder: Path) -> dict[str, Path]:
    """What the stand-ins mount: Kafka, the connectors and the registry of the embedded pipeline."""
    with Progress() as progress:
        found = artifacts.ready(folders.cache_folder(), progress)
    jars = folder / "jars"
    jars.mkdir()
    for jar in found.kafka_jars:  # the cache also holds jars that are not Kafka's
        shutil.copy(jar, jars)
    return {"CDCPROOF_JARS": jars, "CDCPROOF_PLUGINS": found.plugins, "CDCPROOF_REGISTRY": found.registry}


def pipeline_file(folder: Path, reconciliation_port: int, connect_port: int) -> Path:
    """The stand-in pipeline with exporters, reports and backups of this test's own."""
    backups = folder / "backups"
    backups.mkdir()
    (backups / "warehouse.dump").write_text("of last night")
    text = (ROOT / "fixtures/pipelines/stand-in.toml").read_text()
    for old, new in (
        (":9103/", f":{reconciliation_port}/"),
        (":9104/", f":{connect_port}/"),
        ('"reconciliation_reports"', f'"{folder / "reconciliation_reports"}"\nbackups = "{backups}"'),
    ):
        assert old in text
        text = text.replace(old, new)
    file = folder / "stand-in.toml"
    file.write_text(text)
    return file


def remove(compose: Compose) -> None:
    compose.stop(remove_data=True)
    assert compose.containers() == {}


def deploy(url: str, configuration: bytes) -> None:
    request = urllib.request.Request(url, configuration, {"Content-Type": "application/json"})

    def post() -> int:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            if error.code == 409:  # a rebalance: the first connector is still being placed
                raise UnreachableError("Connect is rebalancing") from None
            raise AssertionError(error.read().decode()) from None

    wait_until(post, lambda status: status == 201, what="Connect to take the connector", deadline_seconds=60)


def verdicts(run: Run) -> dict[str, Verdict]:
    return {step.step: step.verdict for step in run.steps}


def docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], check=True, capture_output=True, timeout=60)


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
