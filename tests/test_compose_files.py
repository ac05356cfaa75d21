"""docker-compose.staging.yml is the stack of docker-compose.yml under other names, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdcproof.operations.connectors import definition
from cdcproof.pipeline import load

ROOT = Path(__file__).parents[1]
PRODUCTION = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
STAGING = yaml.safe_load((ROOT / "docker-compose.staging.yml").read_text())["services"]
MONITORING = {name for name, service in PRODUCTION.items() if "profiles" in service}


def plain(value: Any) -> Any:
    """Without what staging calls by another name."""
    if isinstance(value, dict):
        return {plain(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    text = re.sub(r":\?[^}]*", "", str(value))  # what to say where a variable is not set
    return re.sub(r"_PORT:-\d+", "_PORT", text.replace("staging-", "").replace("STAGING_", ""))


def test_staging_has_every_service_but_monitoring() -> None:
    assert set(STAGING) == {f"staging-{name}" for name in set(PRODUCTION) - MONITORING}


@pytest.mark.parametrize("name", sorted(set(PRODUCTION) - MONITORING))
def test_a_service_differs_in_names_and_ports_alone(name: str) -> None:
    own = {key: value for key, value in STAGING[f"staging-{name}"].items() if key != "networks"}

    assert plain(own) == plain(PRODUCTION[name])


@pytest.mark.parametrize("name", sorted(set(PRODUCTION) - MONITORING - {"sqlserver-init"}))
def test_a_service_has_its_production_name_inside(name: str) -> None:
    assert STAGING[f"staging-{name}"]["networks"] == {"staging": {"aliases": [name]}}


def test_nothing_is_shared_with_production() -> None:
    def used(services: dict[str, Any]) -> set[str]:
        ports = {re.search(r":-(\d+)\}", p)[1] for s in services.values() for p in s.get("ports", ())}  # type: ignore[index]
        volumes = {
            v.partition(":")[0] for s in services.values() for v in s.get("volumes", ()) if not v.startswith(".")
        }
        return ports | volumes | set(services) | {s["container_name"] for s in services.values()}

    assert used(STAGING)
    assert not used(STAGING) & used(PRODUCTION)


def test_every_port_is_published_on_loopback_only() -> None:
    ports = [port for service in STAGING.values() for port in service.get("ports", ())]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_pipeline_file_names_the_stacks_services_and_files() -> None:
    pipeline = load(ROOT / "fixtures/pipelines/staging.toml")

    assert {service.container for service in pipeline.services} <= set(STAGING)
    assert {service.container for service in pipeline.services} == set(STAGING) - {"staging-sqlserver-init"}
    files = definition.read_all(ROOT / str(pipeline.paths.connectors))
    assert {file.name for file in files} == {connector.name for connector in pipeline.connectors}
