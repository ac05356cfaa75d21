"""docker-compose.staging.yml is the stack of docker-compose.yml under other names, and nothing else."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cdcproof.connectors.deployment import definition
from cdcproof.pipeline.model import load
from tests import yaml_files

ROOT = Path(__file__).parents[1]
PRODUCTION = yaml_files.read(ROOT / "docker-compose.yml")["services"]
STAGING = yaml_files.read(ROOT / "docker-compose.staging.yml")["services"]
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


def _initialised(folder: Path, refused: str) -> tuple[int, list[str]]:
    """What sqlserver-init runs, and how it ends, where sqlcmd refuses a script."""
    ran = folder / "ran"
    tool = folder / "mssql-tools18" / "bin" / "sqlcmd"
    tool.parent.mkdir(parents=True)
    tool.write_text(f'#!/bin/sh\ncase "$*" in *{refused}*) exit 1;; esac\necho "$*" >> {ran}\n')
    tool.chmod(0o755)
    (command,) = PRODUCTION["sqlserver-init"]["command"]
    script = command.replace("$$", "$").replace("/opt/", f"{folder}/")
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
    return done.returncode, re.findall(r"(\w+)\.sql", ran.read_text())


def test_accounts_are_there_whatever_becomes_of_cdc_and_what_failed_is_tried_again(tmp_path: Path) -> None:
    """The Agent, without which no table is captured, starts some seconds after the server."""
    assert _initialised(tmp_path / "good", "nothing") == (0, ["database", "tables", "accounts", "cdc"])
    assert _initialised(tmp_path / "refused", "cdc.sql") == (1, ["database", "tables", "accounts"])
    assert PRODUCTION["sqlserver-init"]["restart"].startswith("on-failure")
    scripts = {path.name: path.read_text() for path in (ROOT / "fixtures/sql/sqlserver").glob("*.sql")}
    assert "CREATE ROLE cdc_reader" in scripts["accounts.sql"]
    waiting, _ = scripts["cdc.sql"].split("EXEC sys.sp_cdc_enable_table")
    assert "sys.dm_server_services" in waiting


def test_a_server_that_is_made_anew_keeps_the_name_that_its_jobs_know() -> None:
    assert PRODUCTION["sqlserver"]["hostname"] == "sqlserver"


def test_monitoring_is_whole_pinned_and_on_loopback() -> None:
    assert {"prometheus", "alertmanager", "grafana", "pushgateway", "exporter"} == MONITORING
    for name in MONITORING:
        service = PRODUCTION[name]
        pinned = "build" in service or re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"])
        assert pinned, f"{name} is neither built of this checkout nor pinned"
        if service.get("network_mode") != "host":
            assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        elif name != "grafana":  # which asks for a password elsewhere
            assert any(part.startswith("--web.listen-address=127.0.0.1:") for part in service["command"])


def test_the_exporter_of_the_stack_knows_it_by_its_inner_names(tmp_path: Path) -> None:
    (command,) = PRODUCTION["exporter"]["command"]
    rewritten = command.partition("&&")[0].replace("/tmp/compose.toml", str(tmp_path / "compose.toml"))

    subprocess.run(["sh", "-c", rewritten], check=True, cwd=ROOT)

    inside = load(tmp_path / "compose.toml")
    listeners = PRODUCTION["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"INTERNAL://{inside.kafka.bootstrap_servers}," in listeners
    assert {inside.source.host, inside.target.host} <= set(PRODUCTION)
    mounted = {volume.split(":")[1] for volume in PRODUCTION["prometheus"]["volumes"]}
    assert "/etc/prometheus/prometheus/rules" in mounted  # where prometheus.yml looks for them
