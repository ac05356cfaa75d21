"""The commands of the embedded pipeline that only look, and what they say when they are ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli import status
from cdcproof.cli.main import main
from cdcproof.environments.base import ServiceState
from cdcproof.environments.embedded import folders, lifecycle, state
from cdcproof.environments.embedded.data import databases
from cdcproof.environments.embedded.state import Instance

DETAIL = "process 14818, port 23913 does not answer"
STATES = (
    ServiceState("kafka", "kafka", True, True, "process 1, port 20001", 61.0, 0),
    ServiceState("schema-registry", "registry", True, False, DETAIL, 61.0, 0),
)


@pytest.fixture(autouse=True)
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv(folders.INSTANCE_VARIABLE, raising=False)
    folders.make("other")
    made = Instance("other", {})
    state.save(made)
    return made


def test_a_table_is_whole_where_no_terminal_limits_it_and_else_cut_with_a_mark() -> None:
    assert status.table(STATES, None).splitlines()[-1].endswith(DETAIL)
    cut = status.table(STATES, 80).splitlines()
    assert max(map(len, cut)) == 80
    assert [line.endswith("…") for line in cut] == [False, False, True]


def test_the_status_in_a_pipe_is_whole(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("cdcproof.environments.embedded.environment.Embedded.states", lambda *_: STATES)
    assert main(["status", "--instance", "other"]) == 1
    assert capsys.readouterr().out.rstrip().endswith(DETAIL)


def test_a_load_that_is_interrupted_says_what_goes_on_and_how_to_end_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(databases, "insert_rows", interrupted)
    assert main(["load", "--instance", "other"]) == 130
    said = capsys.readouterr().err
    assert "The pipeline goes on running" in said
    assert "`cdcproof load --instance other` loads the rest" in said
    assert "`cdcproof down --instance other` stops it" in said


def test_a_log_is_followed_until_somebody_ends_it(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = instance.folders.logs / "kafka.log"
    log.write_text("one\ntwo\n")
    waited = 0

    def wait(_: float) -> None:
        nonlocal waited
        waited += 1
        if waited == 2:
            raise KeyboardInterrupt
        with log.open("a") as file:
            file.write("password=hunter22\n")

    monkeypatch.setattr(lifecycle.logs_.follow, "__defaults__", (wait,))
    assert main(["logs", "kafka", "-f", "--lines", "1", "--instance", "other"]) == 0
    assert capsys.readouterr().out == "two\npassword=[redacted]\n"


@pytest.mark.parametrize("lines", ["0", "-5", "x"])
def test_a_number_of_lines_is_from_one(lines: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["logs", "kafka", f"--lines={lines}"])
    assert "is no number of lines, from 1" in capsys.readouterr().err


def test_a_service_that_status_does_not_list_is_not_restarted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restart", "prometheus", "--instance", "other"]) == 2
    said = capsys.readouterr().err
    assert "prometheus is no service of this instance: " in said
    assert "cdcproof up --monitoring --instance other" in said
