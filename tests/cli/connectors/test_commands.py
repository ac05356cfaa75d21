"""`cdcproof connectors pause | resume | stop | restart | delete`, against a Connect with canned answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli.connectors import options
from cdcproof.cli.main import main
from cdcproof.onboarding.pipeline_file import text_of
from tests.canned import EXPANDED, Canned, connector, serving
from tests.pipelines import pipeline_of

SINK = {"name": "sink", "topics": "t"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def seen(state: str, *tasks: str) -> tuple[int, Any]:
    return (200, {"sink": connector("sink", SINK, state, tasks)})


def call(server: Canned, *words: str) -> int:
    kafka = {"bootstrap_servers": "127.0.0.1:1"}
    Path("p.toml").write_text(text_of(pipeline_of("orders", connect={"url": server.url}, kafka=kafka)))
    return main(["connectors", *words, "--pipeline", "p.toml"])


@pytest.mark.parametrize("verb", ["pause", "resume", "stop", "restart", "delete"])
def test_live_is_not_changed_unless_that_is_allowed(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serving({EXPANDED: seen("RUNNING", "RUNNING", "RUNNING")}) as server:
        assert call(server, verb, "sink") == 2
        assert server.requests == []
    assert (
        f"`connectors {verb}` changes the live pipeline test. Nothing was done.\nAdd --allow-acts"
        in capsys.readouterr().err
    )
    assert not Path("reports").exists()


def test_an_act_is_printed_written_down_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    answers = {
        "PUT /connectors/sink/pause": (202, b""),
        EXPANDED: [seen("RUNNING", "RUNNING"), seen("PAUSED", "PAUSED")],
    }
    with serving(answers) as server:
        assert call(server, "pause", "sink", "--allow-acts", "--deadline", "2m") == 0
    told = capsys.readouterr()
    assert told.out.startswith("sink: PAUSED, after ")
    assert f"pause sink at {server.url}" in told.err
    line, outcome = Path("reports/acts.log").read_text().splitlines()
    assert line.endswith(f"Z connectors: pause sink at {server.url}")
    assert outcome.endswith(f"Z connectors: pause sink at {server.url}: taken")


def test_what_does_not_come_to_hold_is_1_with_its_cause(capsys: pytest.CaptureFixture[str]) -> None:
    restart = "POST /connectors/sink/restart?includeTasks=true&onlyFailed=true"
    states = [seen("RUNNING", "FAILED"), seen("RUNNING", "RUNNING"), seen("RUNNING", "FAILED")]
    with serving({restart: (202, {}), EXPANDED: states}) as server:
        assert call(server, "restart", "sink", "--only-failed", "--allow-acts") == 1
    told = capsys.readouterr().out
    assert told.startswith("sink: task 0 FAILED: org.postgresql.util.PSQLException")
    assert max(len(line) for line in told.splitlines()) <= 80


def test_connect_that_is_gone_at_the_end_is_3() -> None:
    answers = {"PUT /connectors/sink/pause": (202, b""), EXPANDED: [seen("RUNNING", "RUNNING"), None]}
    with serving(answers) as server:
        assert call(server, "pause", "sink", "--allow-acts", "--deadline", "0.5") == 3


def test_a_rebalance_without_end_is_3_and_is_called_that(capsys: pytest.CaptureFixture[str]) -> None:
    busy = (409, {"message": "rebalance in progress"})
    with serving({"PUT /connectors/sink/pause": busy, EXPANDED: seen("RUNNING", "RUNNING")}) as server:
        assert call(server, "pause", "sink", "--allow-acts", "--deadline", "0.5") == 3
    assert "rebalancing" in capsys.readouterr().err


def test_a_deletion_lists_what_stays_in_json_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    answers = {
        "DELETE /connectors/sink": (204, b""),
        "GET /connectors/sink/topics": (200, {"sink": {"topics": ["t"]}}),
        EXPANDED: [seen("RUNNING", "RUNNING"), (200, {})],
    }
    with serving(dict(answers)) as server:
        assert call(server, "delete", "sink", "--allow-acts") == 0
    assert "Topics and data stay:\n  topic               t\n" in capsys.readouterr().out
    with serving(dict(answers)) as server:
        assert call(server, "delete", "sink", "--allow-acts", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["act"], told["held"], told["exit_status"]) == ("delete", True, 0)
    assert {"kind": "topic", "name": "t"} in told["stays"]


@pytest.mark.parametrize(("words", "status", "requests"), [("n", 2, 0), ("", 2, 0), ("y", 0, 1)])
def test_a_deletion_on_a_pipeline_that_is_not_live_is_asked_for_on_a_terminal(
    words: str, status: int, requests: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = []

    def answer(question: str) -> str:
        questions.append(question)
        return words

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(options, "demand_permission", lambda *_: None)  # as on `compose` and `embedded`
    answers = {
        "DELETE /connectors/sink": (204, b""),
        "GET /connectors/sink/topics": (200, {"sink": {"topics": ["t"]}}),
        EXPANDED: [seen("RUNNING", "RUNNING"), (200, {})],
    }
    with serving(answers) as server:
        assert call(server, "delete", "sink") == status
        assert len([one for one in server.requests if "DELETE" in str(one)]) == requests
    assert questions == ["delete sink: its configuration is lost. Go on? [y/N] "]
    assert ("sink was not deleted." in capsys.readouterr().err) is (status == 2)


def test_a_resume_that_could_not_know_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    answers = {
        "PUT /connectors/sink/resume": (202, b""),
        EXPANDED: [seen("PAUSED", "PAUSED", "PAUSED"), seen("RUNNING", "RUNNING", "RUNNING")],
    }
    with serving(answers) as server:
        assert call(server, "resume", "sink", "--allow-acts", "--settle-seconds", "0") == 0
    told = capsys.readouterr()
    assert "note: Whether it still finds all that it has not read could not be known:" in told.err
    assert told.out.startswith("sink: connector and tasks RUNNING")


@pytest.mark.parametrize("seconds", ["-1", "inf", "nan", "soon"])
def test_a_deadline_is_a_number_of_seconds(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["connectors", "pause", "sink", "--deadline", seconds])
    assert "--deadline" in capsys.readouterr().err
