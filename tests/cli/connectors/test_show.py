"""`cdcproof connectors validate | plan | get | list | status`, against a Connect with canned answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli.main import main
from cdcproof.onboarding.pipeline_file import text_of
from tests.canned import EXPANDED, Canned, connector, serving
from tests.pipelines import pipeline_of

SOURCE = {"name": "source", "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector", "a": "1"}
SINK = {
    "name": "sink",
    "connector.class": "x.Sink",
    "connection.password": "runs-secret-9",
    "url": "u?password=u-secret-9",
}
VALIDATE = "PUT /connector-plugins/x.Sink/config/validate"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def states(*, sink: tuple[str, ...] = ("RUNNING", "RUNNING"), **more: Any) -> Any:
    return (200, {"source": connector("source", SOURCE), "sink": connector("sink", SINK, tasks=sink), **more})


def call(server: Canned, *words: str) -> int:
    Path("p.toml").write_text(text_of(pipeline_of("orders", connect={"url": server.url})))
    return main(["connectors", *words, "--pipeline", "p.toml"])


def file(config: dict[str, str], path: str = "c.json") -> str:
    Path(path).write_text(json.dumps({"name": "sink", "config": config}))
    return path


# ---- status and list ----


def test_all_running_is_0_and_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({EXPANDED: states()}) as server:
        assert call(server, "status") == 0
    told = capsys.readouterr().out
    assert told.splitlines()[1].split() == ["sink", "RUNNING", "connect-1:8083"]
    assert max(len(line) for line in told.splitlines()) <= 80


def test_a_failed_task_is_1_with_its_cause(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({EXPANDED: states(sink=("RUNNING", "FAILED"))}) as server:
        assert call(server, "status") == 1
        told = capsys.readouterr().out
        assert "sink/1: org.postgresql.util.PSQLException: ERROR: relation" in told
        assert max(len(line) for line in told.splitlines()) <= 80
        assert call(server, "status", "source") == 0
        assert "sink" not in capsys.readouterr().out.replace("source", "")


def test_a_task_that_is_expected_and_not_there_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({EXPANDED: states(sink=("RUNNING",))}) as server:
        assert call(server, "status", "--json") == 1
    told = {row["subject"]: row for row in json.loads(capsys.readouterr().out)}
    assert (told["sink/1"]["state"], told["sink/1"]["expected"]) == ("absent", True)


def test_a_connector_that_is_expected_and_was_deleted_is_1_also_when_it_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving({EXPANDED: (200, {})}) as server:
        assert call(server, "status", "source") == 1
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["source", "absent", "-"],
        ["source/0", "absent", "-"],
    ]


def test_a_connector_that_nobody_expects_must_run_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    extra = connector("sink", {"name": "extra"}, state="PAUSED", tasks=("PAUSED",))
    with serving({EXPANDED: states(extra=extra)}) as server:
        assert call(server, "status", "--json") == 1
    told = {row["subject"]: row for row in json.loads(capsys.readouterr().out)}
    assert (told["extra/0"]["state"], told["extra/0"]["expected"]) == ("PAUSED", False)


@pytest.mark.parametrize("verb", ["status", "get"])
def test_a_connector_that_is_not_there_is_usage_and_those_that_are_are_named(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving({EXPANDED: states()}) as server:
        assert call(server, verb, "other") == 2
    assert "no connector other.\nIt has: sink, source" in capsys.readouterr().err


def test_connect_that_does_not_answer_is_3(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({}) as server:
        pass
    assert call(server, "list") == 3
    assert "connection refused" in capsys.readouterr().err


def test_the_list_tells_kind_state_and_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({EXPANDED: states(sink=("RUNNING", "FAILED"))}) as server:
        assert call(server, "list") == 0
        assert "sink       sink    RUNNING  1 of 2" in capsys.readouterr().out
        assert call(server, "list", "--json") == 0
    [sink, _] = json.loads(capsys.readouterr().out)
    assert sink == {
        "name": "sink", "kind": "sink", "state": "RUNNING", "tasks": 2, "running_tasks": 1, "class": "x.Sink",
    }  # fmt: skip


# ---- get ----


def test_what_runs_is_printed_without_its_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({EXPANDED: states()}) as server:
        assert call(server, "get", "sink") == 0
        assert "connection.password = [redacted]\nconnector.class = x.Sink" in capsys.readouterr().out
        assert call(server, "get", "sink", "--json") == 0
        told = capsys.readouterr().out
        assert "secret-9" not in told

        Path("again.json").write_text(told)  # what get prints is a file: nothing differs from what runs
        assert call(server, "plan", "again.json") == 0


# ---- plan ----


def test_the_difference_is_told_without_secrets_and_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    path = file({**SINK, "connection.password": "file-secret-9", "new": "1"})
    with serving({EXPANDED: states()}) as server:
        assert call(server, "plan", path) == 1
        told = capsys.readouterr()
        assert told.out == (
            "sink: 2 keys differ\n  - connection.password = [redacted]\n"
            "  + connection.password = [redacted] (another one)\n  + new = 1\n"
        )
        assert "warning: c.json: connection.password stands in the file in clear" in told.err
        assert call(server, "plan", path, "--json") == 1
        answer = capsys.readouterr().out
        assert [c["key"] for c in json.loads(answer)["connectors"][0]["changes"]] == ["connection.password", "new"]
        assert "secret-9" not in answer + told.out + told.err
        assert all(request.startswith("GET") for request in server.requests)


def test_a_connector_without_a_file_is_told_and_is_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    Path("files").mkdir()
    file(SINK, "files/sink.json")
    with serving({EXPANDED: states()}) as server:
        assert call(server, "plan", "files") == 0
    assert "source: runs, but has no file" in capsys.readouterr().out


def test_without_a_directory_the_pipeline_file_must_name_one(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({EXPANDED: states()}) as server:
        assert call(server, "plan") == 2
    assert 'add connectors = "…" to [paths]' in capsys.readouterr().err


# ---- validate ----


def answer(*errors: tuple[str, str]) -> Any:
    fields = [{"value": {"name": name, "errors": [text]}} for name, text in errors]
    return (200, {"error_count": len(errors), "configs": fields})


def test_a_valid_file_is_0(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINK_PASSWORD", "env-secret-9")
    path = file({**SINK, "connection.password": "${SINK_PASSWORD}", "url": "u"})
    with serving({EXPANDED: states(), VALIDATE: answer()}) as server:
        assert call(server, "validate", path) == 0
        assert server.bodies[-1]["connection.password"] == "env-secret-9"
    told = capsys.readouterr()
    assert (told.out, told.err) == ("sink: valid, 3 keys\n", "")


def test_a_key_that_is_misspelt_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    path = file({"connector.class": "x.Sink", "topics": "t", "bacth.size": "9"})
    known = (200, {"error_count": 0, "configs": [{"value": {"name": "batch.size", "errors": []}}]})
    with serving({EXPANDED: states(), VALIDATE: known}) as server:
        assert call(server, "validate", path) == 0
        assert capsys.readouterr().err == (
            "warning: bacth.size: the plug-in does not read this key; is it batch.size?\n"
        )
        assert call(server, "validate", path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == [
        "bacth.size: the plug-in does not read this key; is it batch.size?"
    ]


def test_one_error_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({EXPANDED: states(), VALIDATE: answer(("topics", "must be set"))}) as server:
        assert call(server, "validate", file({"connector.class": "x.Sink", "topics": "t"})) == 1
    assert capsys.readouterr().out.endswith("sink: 1 error in 2 keys\n")


def test_errors_are_told_by_field_and_are_1(capsys: pytest.CaptureFixture[str]) -> None:
    path = file({**SINK, "connection.password": "literal-secret-9"})
    errors = answer(("topics", "must be set"), ("connection.password", "literal-secret-9 is refused"))
    with serving({EXPANDED: states(), VALIDATE: errors}) as server:
        assert call(server, "validate", path) == 1
        told = capsys.readouterr()
        assert "topics: must be set\nconnection.password: [redacted] is refused\nsink: 2 errors" in told.out
        assert told.err.startswith("warning: c.json: connection.password stands in the file in clear")
        assert call(server, "validate", path, "--json") == 1
        found = json.loads(capsys.readouterr().out)
    assert (found["valid"], found["errors"][0]) == (False, {"field": "topics", "error": "must be set"})
    assert len(found["warnings"]) == 2


def test_a_file_that_cannot_be_used_is_2_before_anything_is_asked() -> None:
    Path("c.json").write_text("{")
    with serving({}) as server:
        assert call(server, "validate", "c.json") == 2
        assert server.requests == []


def test_connect_that_cannot_be_asked_is_3() -> None:
    with serving({EXPANDED: states(), VALIDATE: (500, {"message": "Request timed out"})}) as server:
        assert call(server, "validate", file(SINK)) == 3
