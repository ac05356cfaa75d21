from __future__ import annotations

from cdcproof.operations.baseline import mask
from cdcproof.operations.wanted import _with_services
from tests.pipelines import pipeline_of

NOW = {
    "deployment/connect/image": "debezium/connect:3.3",
    "deployment/connect/environment/PATH": "/usr/bin",
    "deployment/connect/environment/SINK_PASSWORD": mask("00")("environment/SINK_PASSWORD", "old-secret"),
    "versions/connect": "3.9",
}


def wanted(services: dict[str, dict[str, str]], **container: str) -> tuple[dict[str, str], list[str]]:
    services_of = [{"name": "connect", "role": "connect", **({"container": "kafka-connect"} | container)}]
    return _with_services(NOW, services, pipeline_of("orders", services=services_of), mask("00"))


def test_what_the_file_says_is_laid_over_what_runs() -> None:
    found, notes = wanted({"kafka-connect": {"image": "debezium/connect:3.4"}})

    assert found == {**NOW, "deployment/connect/image": "debezium/connect:3.4"}
    assert notes == []


def test_a_secret_in_the_file_is_not_told() -> None:
    found, _ = wanted({"kafka-connect": {"environment/SINK_PASSWORD": "new-secret"}})

    told = found["deployment/connect/environment/SINK_PASSWORD"]
    assert "new-secret" not in told
    assert told != NOW["deployment/connect/environment/SINK_PASSWORD"]


def test_a_service_that_the_file_no_longer_has_is_gone() -> None:
    found, notes = wanted({"other": {"image": "x"}})

    assert found == {"versions/connect": "3.9"}
    assert notes == ["other: no container of the pipeline file"]
