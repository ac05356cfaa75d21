from __future__ import annotations

from pathlib import Path

import pytest

from cdcproof.errors import ConfigError
from cdcproof.operations.compose_file import settings

ROOT = Path(__file__).parents[2]


def read(tmp_path: Path, text: str) -> dict[str, dict[str, str]]:
    file = tmp_path / "docker-compose.yml"
    file.write_text(text)
    return settings(file)


def service(tmp_path: Path, *lines: str) -> dict[str, str]:
    return read(tmp_path, "\n".join(["services:", "  one:", *(f"    {line}" for line in lines)]))["one"]


def test_a_service_in_short_forms(tmp_path: Path) -> None:
    assert service(
        tmp_path,
        "image: debezium/connect:3.4",
        "environment: [A=1, B=x=y]",
        "ports: ['127.0.0.1:8083:8083', '9092:9092', '53:53/udp', '9999']",
        "mem_limit: 512m",
        "cpus: 1.5",
        "networks: [front, back]",
    ) == {
        "image": "debezium/connect:3.4",
        "environment/A": "1",
        "environment/B": "x=y",
        "ports": "53/udp at 0.0.0.0:53, 8083 at 127.0.0.1:8083, 9092 at 0.0.0.0:9092",
        "memory": "536870912",
        "cpus": "1.5",
        "networks": "back, front",
    }


def test_a_service_in_long_forms(tmp_path: Path) -> None:
    found = service(
        tmp_path,
        "environment: {A: 1, B: true}",
        "ports: [{target: 8083, published: 18083, host_ip: 127.0.0.1}]",
        "deploy: {resources: {limits: {memory: 2g, cpus: '0.5'}}}",
        "network_mode: host",
    )

    assert found == {
        "environment/A": "1",
        "environment/B": "true",
        "ports": "8083 at 127.0.0.1:18083",
        "memory": "2147483648",
        "cpus": "0.5",
        "networks": "host",
    }


def test_what_is_not_limited_says_so(tmp_path: Path) -> None:
    assert service(tmp_path, "image: x") == {
        "image": "x", "memory": "no limit", "cpus": "no limit", "networks": "default", "ports": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "known", "unknown"),
    [
        ("${NAME}", "value", None),
        ("$NAME", "value", None),
        ("${NAME:-other}", "value", "other"),
        ("${NAME-other}", "value", "other"),
        ("${NAME:?why}", "value", None),
        ("a$$NAME", "a$NAME", "a$NAME"),
        ("${NAME:+set}", "set", ""),
    ],
)
def test_variables_are_filled_as_compose_does_it_and_what_is_not_known_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, known: str, unknown: str | None
) -> None:
    monkeypatch.setenv("NAME", "value")
    assert service(tmp_path, f"environment: {{X: '{written}'}}").get("environment/X") == known
    monkeypatch.delenv("NAME")
    assert service(tmp_path, f"environment: {{X: '{written}'}}").get("environment/X") == unknown


def test_an_empty_variable_counts_only_without_the_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "")

    assert service(tmp_path, "image: '${NAME:-other}'")["image"] == "other"
    assert service(tmp_path, "image: '${NAME-other}'")["image"] == ""


def test_a_service_extends_another_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "base.yml").write_text(
        "x-env: &env {A: 1, B: 1}\nservices:\n  base: {image: 'x:1', environment: *env, ports: ['1:1']}\n"
    )
    found = service(
        tmp_path, "extends: {file: base.yml, service: base}", "image: x:2", "environment: [B=2]", "ports: ['2:2']"
    )

    assert found["image"] == "x:2"
    assert (found["environment/A"], found["environment/B"]) == ("1", "2")
    assert found["ports"] == "1 at 0.0.0.0:1, 2 at 0.0.0.0:2"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("services: [", ":1: Not valid YAML"),
        ("- a\n", "This is not a compose file."),
        ("services: {}", "services: a compose file lists at least one."),
        ("services: {a: 5}", "services.a: must be a mapping."),
        ("services: {a: {extends: b}}", "services.a.extends: "),
        ("services: {a: {mem_limit: plenty}}", "'plenty' is no amount of memory."),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)

    assert told in raised.value.message


def test_the_projects_own_compose_file_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(ROOT / "docker-compose.yml")

    assert found["kafka-connect"]["image"].startswith("quay.io/debezium/connect:")
    assert found["kafka-connect"]["ports"] == "8083 at 127.0.0.1:8083"
    assert "environment/CDCPROOF_PASSWORD" not in found["kafka-connect"]
