"""The commands as they are given, on a live pipeline that is not there."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.cli.main import main
from tests.maintenance.conftest import CHANGE

FILE = Path(__file__).parents[2] / "fixtures" / "pipelines" / "warehouse.toml"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("change.toml").write_text(CHANGE)
    Path("docker-compose.yml").write_text("services: {}\n")
    Path(".env").write_text("CONNECT_VERSION=7.5\n")


def give(verb: str, *words: str) -> int:
    return main(["maintenance", verb, f"--pipeline={FILE}", *words])


def plan(*words: str, begins: datetime | None = None) -> int:
    at = begins or datetime.now(UTC) - timedelta(minutes=1)
    return give("plan", "--change=change.toml", f"--begins={at.isoformat()}", *words)


def test_a_plan_keeps_the_compose_file_and_the_variables_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan("--compose=docker-compose.yml") == 0
    (folder,) = Path("reports/maintenance").glob("*/2*")
    assert {path.name for path in (folder / "rollback").iterdir()} == {"1-docker-compose.yml", "2-.env"}
    assert "pytest -m premaintenance" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["start", "finish", "rollback", "prove-restore"])
def test_a_live_pipeline_is_acted_on_only_where_that_is_allowed(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    plan()
    assert give(verb) == 2
    assert "Nothing was done" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--force"], ["--reason=because"]])
def test_force_and_its_reason_belong_together(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    plan()
    assert give("start", "--allow-acts", *words) == 2
    assert "belong together" in capsys.readouterr().err


def test_without_a_plan_there_is_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert give("status") == 0
    assert give("confirm", "approved", "--by=Ben") == 2
    assert "Plan one" in capsys.readouterr().err


def test_the_status_is_readable_by_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    plan()
    give("confirm", "approved", "--by=Ben")
    capsys.readouterr()
    assert give("status", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["phase"], told["at_work"], told["broken_off"]) == ("planned", "", None)
    assert [entry["step"] for entry in told["journal"]] == ["planned", "approved"]


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01"])
def test_a_time_that_is_none_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        give("plan", "--change=change.toml", f"--begins={text}")
    assert "is no time" in capsys.readouterr().err
