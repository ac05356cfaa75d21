from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli.main import main
from cdcproof.clients.containers.compose_config import Rendered
from cdcproof.clients.containers.compose_file import Said
from cdcproof.core.errors import UnreachableError
from cdcproof.environments.live import Live
from cdcproof.onboarding.pipeline_file import text_of
from cdcproof.validation.baseline import recording as baseline
from cdcproof.validation.baseline.comparison import Facts
from cdcproof.validation.baseline.recording import mask
from cdcproof.validation.change import wanted
from cdcproof.validation.change.wanted import _Containers, _Laid, _with_services
from tests.pipelines import pipeline_of

NOW = {
    "deployment/connect/image": "debezium/connect:3.3",
    "deployment/connect/environment/PATH": "/usr/bin",
    "deployment/connect/environment/SINK_PASSWORD": mask("00")("environment/SINK_PASSWORD", "old-secret"),
    "versions/connect": "3.9",
}
SERVICE = {"name": "connect", "role": "connect", "container": "cdc-kafka-connect"}


def laid(services: Mapping[str, Said], made_by: Mapping[str, str] | None = None, **service: Any) -> _Laid:
    pipeline = pipeline_of("orders", services=[{**SERVICE, **service}])
    return _with_services(NOW, services, _Containers(pipeline, made_by or {}), mask("00"))


@pytest.mark.parametrize(
    ("services", "made_by"),
    [
        ({"connect": Said({"image": "debezium/connect:3.4"})}, {}),
        ({"cdc-kafka-connect": Said({"image": "debezium/connect:3.4"})}, {}),
        ({"kafka-connect": Said({"image": "debezium/connect:3.4"}, "cdc-kafka-connect")}, {}),
        ({"kafka-connect": Said({"image": "debezium/connect:3.4"}), "connect": Said({})}, {"connect": "kafka-connect"}),
    ],
)
def test_what_the_file_says_is_laid_over_what_runs(services: dict[str, Said], made_by: dict[str, str]) -> None:
    found = laid(services, made_by)
    assert found.facts == {**NOW, "deployment/connect/image": "debezium/connect:3.4"}
    assert found.not_compared == ()


def test_a_secret_in_the_file_is_not_told() -> None:
    found = laid({"connect": Said({"environment/SINK_PASSWORD": "new-secret"})}).facts
    reported = found["deployment/connect/environment/SINK_PASSWORD"]
    assert "new-secret" not in reported
    assert reported != NOW["deployment/connect/environment/SINK_PASSWORD"]


def test_a_service_that_the_files_no_longer_have_is_gone() -> None:
    kafka = {"name": "kafka", "role": "kafka", "container": "kafka"}
    pipeline = pipeline_of("orders", services=[SERVICE, kafka])
    found = _with_services(NOW, {"kafka": Said({}), "other": Said({})}, _Containers(pipeline, {}), mask("00"))
    assert found == _Laid({"versions/connect": "3.9"}, ("other: no container of the pipeline file",))


def test_files_of_which_no_service_is_the_pipelines_were_not_compared() -> None:
    assert laid({"web": Said({}), "db": Said({})}) == _Laid(
        NOW, (), ("the compose files: none of their services (db, web) is a container of the pipeline file",)
    )
    assert laid({"connect": Said({})}, container=None, endpoint="tcp://h:1").not_compared == (
        "the compose files: no service of the pipeline file has a container to compare them with",
    )


def test_a_setting_without_one_value_was_not_compared() -> None:
    found = laid({"connect": Said({}, unread=("ports",))})
    assert found.not_compared == ("ports of connect: the compose files do not say one value",)


@pytest.fixture
def classify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command, with Compose's answer (or its error), and what runs, in place of a stack; Connect and the databases are down."""
    file = tmp_path / "p.toml"
    file.write_text(text_of(pipeline_of("orders", services=[SERVICE])))

    def run(answer: Rendered | Exception, *flags: str, now: Facts | None = None) -> int:
        def render(files: tuple[Path, ...]) -> Rendered:
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(wanted, "rendered", render)
        monkeypatch.setattr(baseline, "deployment_facts", lambda *_: now or Facts(NOW))
        monkeypatch.setattr(Live, "compose_services", lambda *_: {"connect": "kafka-connect"})
        return main(["change", "classify", f"--pipeline={file}", "--compose", "a.yml", *flags])

    return run


SAME = Rendered({"kafka-connect": {"image": "debezium/connect:3.3"}}, {})


def test_without_compose_the_files_are_not_compared_by_name_and_no_change_is_low(
    classify: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = UnreachableError("Neither docker compose nor docker-compose is installed here.", "Install it.")
    assert classify(missing, "--compose", "b.yml", "--declared", "low") == 3
    reported = capsys.readouterr().out
    assert "NOT COMPARED: a.yml: Neither docker compose nor docker-compose is installed here. Install it." in reported
    assert "NOT COMPARED: b.yml: Neither" in reported
    assert "derived: at least low risk" in reported
    assert "declared: low risk: not known, for not everything was compared" in reported
    assert classify(missing, "--json") == 3
    assert '"not_compared": [' in capsys.readouterr().out


def test_an_engine_that_does_not_answer_and_files_of_others_are_not_compared(
    classify: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    blind = Facts({"versions/connect": "3.9"}, {"deployment": "The container engine does not answer."})
    assert classify(SAME, now=blind) == 3
    assert "NOT COMPARED: a.yml: The container engine does not answer." in capsys.readouterr().out
    assert classify(Rendered({"web": {"image": "x"}}, {})) == 3
    assert "NOT COMPARED: the compose files: none of their services (web)" in capsys.readouterr().out


def test_what_was_declared_too_low_is_so_even_if_not_everything_was_compared(
    classify: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ports = [{"target": 80, "published": "8000-8010"}]
    high = Rendered({"kafka-connect": {"image": "debezium/connect:4.0", "ports": ports}}, {})
    assert classify(high, "--declared", "low") == 1
    assert classify(high, "--declared", "high") == 0  # what was not compared can make it no higher
    assert "derived: high risk" in capsys.readouterr().out
