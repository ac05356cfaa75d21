import re
from pathlib import Path

import pytest
import yaml

from cdcproof.core.errors import UnreachableError
from cdcproof.environments.compose import Compose
from cdcproof.pipeline.model import load
from tests.engine import container, engine_with

ROOT = Path(__file__).parents[2]
SIX = ["sqlserver", "postgres", "zookeeper", "kafka", "schema-registry", "kafka-connect"]
DATABASES = [("sqlserver", 1433), ("postgres", 5432)]


@pytest.fixture(scope="module")
def services() -> dict[str, dict]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.fixture
def stack(monkeypatch):
    """An engine that has made containers from the compose files."""
    containers = []
    for name, port, published in (
        ("sqlserver", 1433, 21433),
        ("postgres", 5432, 25432),
        ("kafka", 29092, 29093),
        ("schema-registry", 8081, 28081),
        ("kafka-connect", 8083, 28083),
    ):
        made = container(name)
        made["HostConfig"]["PortBindings"] = {f"{port}/tcp": [{"HostPort": str(published)}]}
        containers.append(made)
    with engine_with(*containers) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        yield


@pytest.mark.usefixtures("stack")
def test_addresses_are_where_the_containers_ports_are_published():
    pipeline = load(ROOT / "fixtures/pipelines/stand-in.toml")

    found = Compose(project_folder=ROOT).locate(pipeline)

    assert (found.source.host, found.source.port) == ("127.0.0.1", 21433)
    assert (found.target.host, found.target.port) == ("127.0.0.1", 25432)
    assert found.connect.url == "http://127.0.0.1:28083"
    assert found.registry.url == "http://127.0.0.1:28081/apis/ccompat/v7"
    assert found.kafka.bootstrap_servers == "127.0.0.1:29093"
    assert found.exporters == pipeline.exporters


@pytest.mark.usefixtures("stack")
def test_a_service_without_a_container_stays_expected():
    found = Compose(project_folder=ROOT).locate(load(ROOT / "fixtures/pipelines/stand-in.toml"))

    assert [service.container for service in found.services] == SIX


@pytest.mark.usefixtures("stack")
def test_a_stack_that_is_up_is_left_alone(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")  # starting or stopping would need the command docker

    with Compose(project_folder=ROOT).running():
        pass


def test_nothing_up_is_told_with_the_command_that_starts_it(monkeypatch):
    with engine_with() as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with pytest.raises(UnreachableError, match=r"Nothing of docker-compose\.yml") as caught:
            Compose(project_folder=ROOT).locate(load(ROOT / "fixtures/pipelines/compose.toml"))

    assert caught.value.remedy == "Start it: docker compose up -d"


def test_a_missing_docker_command_is_told(monkeypatch):
    with engine_with() as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(UnreachableError, match="docker is not installed"):
            Compose(project_folder=ROOT).start()


def test_the_files_are_those_that_docker_compose_would_take(monkeypatch):
    monkeypatch.setenv("COMPOSE_FILE", "docker-compose.yml:docker-compose.stand-in.yml")

    assert Compose().restart_command("kafka") == (
        "docker logs kafka --tail 50",
        "docker compose -f docker-compose.yml -f docker-compose.stand-in.yml restart kafka",
    )


def test_the_runbooks_six_services_have_its_names_and_a_health_check(services):
    for name in SIX:
        assert services[name]["container_name"] == name
        assert services[name]["healthcheck"]["test"]


def test_every_image_is_pinned(services):
    for name, service in services.items():
        if service.get("build") == ".":  # of this checkout, not from a registry
            continue
        assert re.search(r":v?\d+[.\d]*[\w.-]*$", service["image"]), name


def test_every_port_is_published_on_loopback_only(services):
    for service in services.values():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))


def test_no_password_is_written_into_the_file(services):
    for service in services.values():
        for key, value in service.get("environment", {}).items():
            if "PASSWORD" in key and "PATTERN" not in key:
                assert str(value).startswith("${"), key


@pytest.mark.parametrize("name", ["sqlserver-source", "postgres-sink", "stand-in-source"])
def test_connectors_name_their_passwords_and_do_not_hold_them(name):
    text = (ROOT / f"fixtures/connectors/{name}-connector.json").read_text()

    assert re.findall(r'password": "(.*)"', text) == ["${env:CDCPROOF_PASSWORD}"]


@pytest.mark.parametrize("name", ["compose", "stand-in"])
def test_the_pipeline_files_name_services_of_the_compose_file(name, services):
    pipeline = load(ROOT / f"fixtures/pipelines/{name}.toml")

    assert [service.name for service in pipeline.services] == SIX
    for (service, port), database in zip(DATABASES, (pipeline.source, pipeline.target), strict=True):
        assert (database.host, database.port) == (service, port)
        assert any(str(published).endswith(f":{port}") for published in services[service]["ports"])
