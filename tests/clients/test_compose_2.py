"""Changes to compose files as Compose 2 itself reads them, against what runs: the inputs that once got a wrong class."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli.main import main
from tests.engine import engine_with, made_by_compose

pytestmark = pytest.mark.docker

RUNNING = {
    "sqlserver": "mcr.microsoft.com/mssql/server:2019-latest",
    "postgres": "postgres:15-alpine",
    "kafka": "confluentinc/cp-kafka:7.5.3",
    "kafka-connect": "confluentinc/cp-kafka-connect:7.5.3",
}
ROLES = {"sqlserver": "source", "postgres": "target", "kafka": "kafka", "kafka-connect": "connect"}
DATABASES = """  sqlserver: {image: "mcr.microsoft.com/mssql/server:2019-latest", networks: [cdc-network]}
  postgres: {image: "postgres:15-alpine", networks: [cdc-network]}
"""
BROKER = '  kafka: {image: "confluentinc/cp-kafka:${CP_TAG:-7.5.3}", networks: [cdc-network]}\n'
CONNECT = """  kafka-connect:
    image: confluentinc/cp-kafka-connect:${CP_TAG:-7.5.3}
    ports: ["8083:8083", "9102:9102"]
    networks: [cdc-network]
    deploy: {resources: {limits: {cpus: '2.0', memory: 4G}}}
    environment: {CONNECT_BOOTSTRAP_SERVERS: "kafka:9092", ENABLED: yes}
"""
NOTHING = "Nothing differs between the files and what runs. derived: low risk, with 0 min of downtime"
NETWORKS = "networks: {cdc-network: {name: cdc-network}}\n"
WHOLE = f"services:\n{DATABASES}{BROKER}{CONNECT}{NETWORKS}"
PIPELINE = """name = "case"
connect = {url = "http://127.0.0.1:1"}
kafka = {bootstrap_servers = "127.0.0.1:1"}
source = {type = "postgresql", host = "127.0.0.1", port = 1, database = "d", user = "u", schema = "s", password_env = "PW"}
target = {type = "postgresql", host = "127.0.0.1", port = 1, database = "d", user = "u", schema = "s", password_env = "PW"}
"""


def running(service: str, image: str) -> dict[str, Any]:
    """A container of the stack: kafka-connect with the settings of its compose file."""
    made = made_by_compose(service, "docker")
    made["Config"] |= {"Image": image, "Env": []}
    made["HostConfig"] = {"PortBindings": {}, "Memory": 0, "NanoCpus": 0}
    made |= {"Mounts": [], "NetworkSettings": {"Networks": {"cdc-network": {}}, "Ports": {}}}
    if service == "kafka-connect":
        made["Config"]["Env"] = ["CONNECT_BOOTSTRAP_SERVERS=kafka:9092", "ENABLED=yes"]
        ports = {f"{port}/tcp": [{"HostIp": "", "HostPort": str(port)}] for port in (8083, 9102)}
        made["HostConfig"] = {"PortBindings": ports, "Memory": 4 << 30, "NanoCpus": 2_000_000_000}
    return made


@pytest.fixture
def classify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Iterator[Callable[..., tuple[int, str]]]:
    """`cdcproof change classify` of compose files, by their names and texts; its exit status and what it prints."""
    asked = shutil.which("docker") and subprocess.run(
        ["docker", "compose", "version"], capture_output=True, check=False, timeout=20
    )
    if not asked or asked.returncode:
        pytest.skip("docker compose (Compose 2) is not installed: scripts/ci/docker-engine.sh takes it from Debian")
    monkeypatch.delenv("CP_TAG", raising=False)
    services = "".join(
        f'[[services]]\nname = "{s}"\nrole = "{ROLES[s]}"\ncontainer = "docker-{s}-1"\n' for s in RUNNING
    )
    tables = '[[tables]]\nname = "t"\nsource = "s.t"\ntarget = "s.t"\ntopic = "t"\nkey = ["id"]\n'
    paths = f'[paths]\nreconciliation_reports = "{tmp_path / "reports"}"\n[[connectors]]\nname = "c"\nkind = "sink"\n'
    (tmp_path / "case.toml").write_text(f"{PIPELINE}{paths}{services}{tables}")

    def run(*flags: str, **files: str) -> tuple[int, str]:
        for name, text in files.items():
            (tmp_path / f"{name}.yml").write_text(text)
        named = [f"--compose={tmp_path / name}.yml" for name in flags]
        status = main(["change", "classify", f"--pipeline={tmp_path / 'case.toml'}", *named])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return status, " ".join((said.out + said.err).split())

    with engine_with(*(running(service, image) for service, image in RUNNING.items())) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        yield run


def test_a_variable_of_the_env_file_beside_it_is_what_would_start(
    classify: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("CP_TAG=8.0.0\n")
    status, said = classify("base", base=WHOLE)
    assert status == 0
    assert "major version upgrade" in said
    assert "cp-kafka:7.5.3 → confluentinc/cp-kafka:8.0.0" in said
    assert "cp-kafka-connect:7.5.3 → confluentinc/cp-kafka-connect:8.0.0" in said
    assert "derived: high" in said


def test_processors_are_numbers_and_a_plain_yes_is_a_text(classify: Callable[..., tuple[int, str]]) -> None:
    assert classify("base", base=WHOLE) == (
        0,
        NOTHING,
    )


def test_included_files_count_and_each_file_is_laid_over_those_before_it(
    classify: Callable[..., tuple[int, str]],
) -> None:
    base = f"include: [db.yml]\nservices:\n{BROKER}{CONNECT}{NETWORKS}"
    db = f"services:\n{DATABASES}{NETWORKS}"
    status, said = classify("base", base=base, db=db)
    assert (status, said) == (0, NOTHING)
    override = 'services: {kafka-connect: {environment: {CONNECT_OFFSET_FLUSH_INTERVAL_MS: "1000"}}}'
    status, said = classify("base", "override", base=base, db=db, override=override)
    assert status == 0
    assert "FLUSH_INTERVAL_MS absent → 1000" in said
    assert "derived: medium" in said
    assert "goes" not in said


def test_a_network_is_its_name_and_a_range_of_ports_is_each_of_them(classify: Callable[..., tuple[int, str]]) -> None:
    text = WHOLE.replace("[cdc-network]", "[pipeline]").replace("{cdc-network: {", "{pipeline: {")
    status, said = classify("base", base=text.replace('"9102:9102"', '"9102-9103:9102-9103"'))
    assert status == 0
    assert "high network change: deployment/kafka-connect/ports" in said
    assert "9103" in said
    assert "/networks" not in said


def test_services_that_extend_each_other_are_refused_in_composes_words(
    classify: Callable[..., tuple[int, str]],
) -> None:
    status, said = classify("loop", loop="services: {a: {extends: b}, b: {extends: a}}")
    assert status == 2
    assert "loop.yml" in said
    assert "extends" in said


def test_tags_of_compose_and_amounts_of_memory_are_read(classify: Callable[..., tuple[int, str]]) -> None:
    reset = CONNECT.replace('["8083:8083", "9102:9102"]', '!override ["8083:8083"]').replace(
        "ENABLED: yes", "ENABLED: yes, OLD: !reset null"
    )
    status, said = classify("reset", reset=f"services:\n{DATABASES}{BROKER}{reset}{NETWORKS}")
    assert status == 0
    assert "9102" in said
    assert "high network change: deployment/kafka-connect/ports" in said
    memory = CONNECT.replace("memory: 4G", "memory: 4096MiB")
    assert classify("mib", mib=f"services:\n{DATABASES}{BROKER}{memory}{NETWORKS}") == (
        0,
        NOTHING,
    )
