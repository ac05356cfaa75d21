"""`cdcproof connectors apply | update | undo`, against a Connect with canned answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli.main import main
from cdcproof.connectors.journal import Journal
from cdcproof.onboarding.pipeline_file import text_of
from cdcproof.pipeline.model import load
from tests.canned import EXPANDED, Canned, connector, serving
from tests.pipelines import pipeline_of

OLD = {"name": "c", "connector.class": "x.Sink", "topics": "t", "x.password": "runs-secret-8"}
NEW = {**OLD, "topics": "u", "x.password": "file-secret-8"}
VALIDATE = "PUT /connector-plugins/x.Sink/config/validate"
PUT = "PUT /connectors/c/config"
VALID = (200, {"error_count": 0, "configs": []})
ACT = ("--allow-acts", "--settle-seconds", "0", "--deadline", "3")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("files").mkdir()
    Path("files/c.json").write_text(json.dumps({"name": "c", "config": NEW}))


def seen(config: dict[str, str] | None, *tasks: str, state: str = "RUNNING") -> tuple[int, Any]:
    return (200, {} if config is None else {"c": connector("sink", config, state, tasks or ("RUNNING",))})


def call(server: Canned, *words: str) -> int:
    expected = [{"name": "c", "kind": "sink"}]
    Path("p.toml").write_text(text_of(pipeline_of("orders", connect={"url": server.url}, connectors=expected)))
    return main(["connectors", *words, "--pipeline", "p.toml"])


def changes(server: Canned) -> list[str]:
    return [r for r in server.requests if not r.startswith("GET") and r != VALIDATE]


@pytest.mark.parametrize("words", [("apply", "files"), ("update", "c", "files/c.json"), ("undo",)])
def test_live_is_not_changed_unless_that_is_allowed(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with serving({EXPANDED: seen(OLD), VALIDATE: VALID}) as server:
        assert call(server, *words) == 2
        assert changes(server) == []
    assert "Nothing was done" in capsys.readouterr().err


def test_it_shows_the_difference_deploys_and_tells_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    answers = {
        EXPANDED: [seen(OLD), seen(NEW)],
        VALIDATE: VALID,
        PUT: (200, {}),
        "GET /connectors/c/offsets": (200, {}),
    }
    with serving(answers) as server:
        assert call(server, "apply", "files", *ACT) == 0
        assert changes(server) == [PUT]
        assert {**server.bodies[server.requests.index(PUT)], "name": "c"} == NEW
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "c: 2 keys differ",
        "  - topics = t",
        "  + topics = u",
        "  - x.password = [redacted]",
        "  + x.password = [redacted] (another one)",
        "c: update: success: connector and tasks RUNNING",
    ]
    assert "warning: files/c.json: x.password stands in the file in clear" in " ".join(told.err.split())
    assert "secret-8" not in told.out + told.err + Path("reports/acts.log").read_text()
    [kept] = Journal.of(load(Path("p.toml"))).all()
    assert (kept.command, kept.changes[0].before.config) == ("apply", OLD)


def test_a_key_that_nothing_reads_is_a_warning_of_the_connector(capsys: pytest.CaptureFixture[str]) -> None:
    Path("files/c.json").write_text(json.dumps({"name": "c", "config": {**NEW, "topics.regx": "u"}}))
    reads = [{"value": {"name": "topics.regex", "errors": []}}, {"value": {"name": "topics", "errors": ["none"]}}]
    with serving({EXPANDED: seen(OLD), VALIDATE: (200, {"error_count": 1, "configs": reads})}) as server:
        assert call(server, "apply", "files", *ACT) == 1
    assert "warning: c: topics.regx: the plug-in does not read this key; is it topics.regex?" in " ".join(
        capsys.readouterr().err.split()
    )


def test_what_connect_refuses_is_told_by_field_and_nothing_is_changed(capsys: pytest.CaptureFixture[str]) -> None:
    refused = (200, {"error_count": 1, "configs": [{"value": {"name": "topics", "errors": ["no file-secret-8"]}}]})
    with serving({EXPANDED: seen(OLD), VALIDATE: refused}) as server:
        assert call(server, "apply", "files", *ACT) == 1
        assert (
            "c: topics: no [redacted]\nKafka Connect refuses this, so nothing was changed.\n" in capsys.readouterr().out
        )
        assert call(server, "apply", "files", "--json", *ACT) == 1
        assert changes(server) == []
    told = json.loads(capsys.readouterr().out)
    assert told["errors"] == [{"name": "c", "field": "topics", "error": "no [redacted]"}]
    assert Journal.of(load(Path("p.toml"))).all() == ()


def test_what_is_taken_and_then_fails_is_1_and_offers_undo(capsys: pytest.CaptureFixture[str]) -> None:
    answers = {EXPANDED: [seen(None), seen(None), seen(NEW), seen(NEW, "FAILED")], VALIDATE: VALID, PUT: (201, {})}
    with serving(answers) as server:
        assert call(server, "apply", "files", "--allow-acts", "--settle-seconds", "2") == 1
    told = capsys.readouterr()
    assert "c: create: failure: task 0 FAILED: org.postgresql.util.PSQLException" in " ".join(told.out.split())
    assert "cdcproof connectors undo" in told.err


def test_the_outcome_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({EXPANDED: seen(NEW, "PAUSED", state="PAUSED")}) as server:
        assert call(server, "apply", "files", "--json", *ACT) == 3
    [one] = json.loads(capsys.readouterr().out)["connectors"]
    assert (one["name"], one["action"], one["status"]) == ("c", "nothing", "unproved")
    assert one["notes"] == ["cdcproof connectors resume c"]


def test_an_update_takes_redacted_for_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.json").write_text(json.dumps({**NEW, "x.password": "[redacted]"}))
    answers = {
        EXPANDED: [seen(OLD), seen(OLD), seen({**NEW, "x.password": OLD["x.password"]})],
        VALIDATE: VALID,
        PUT: (200, {}),
        "GET /connectors/c/offsets": (200, {}),
    }
    with serving(answers) as server:
        assert call(server, "update", "c", "c.json", *ACT) == 0
        assert server.bodies[server.requests.index(PUT)]["x.password"] == "runs-secret-8"
    assert "secret-8" not in capsys.readouterr().out


def test_single_settings_are_changed_and_the_rest_stays(capsys: pytest.CaptureFixture[str]) -> None:
    new = {**OLD, "topics": "t,u=v"}
    answers = {
        EXPANDED: [seen(OLD), seen(OLD), seen(new)],
        VALIDATE: VALID,
        PUT: (200, {}),
        "GET /connectors/c/offsets": (200, {}),
    }
    with serving(answers) as server:
        assert call(server, "update", "c", "--set", "topics=t,u=v", *ACT) == 0
        assert {**server.bodies[server.requests.index(PUT)], "name": "c"} == new
    told = capsys.readouterr()
    assert "  + topics = t,u=v" in told.out
    assert "secret-8" not in told.out + told.err


@pytest.mark.parametrize("words", [(), ("files/c.json", "--set", "topics=t"), ("--set", "topics"), ("--set", "=t")])
def test_an_update_is_of_a_file_or_of_settings(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with serving({EXPANDED: seen(OLD)}) as server:
        try:
            status = call(server, "update", "c", *words, *ACT)
        except SystemExit as refused:  # argparse's own
            status = refused.code
        assert status == 2
        assert changes(server) == []
    assert "--set" in capsys.readouterr().err


def test_only_what_is_there_can_be_updated(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({EXPANDED: seen(None)}) as server:
        assert call(server, "update", "c", "files/c.json", *ACT) == 2
        assert "cdcproof connectors apply files/c.json" in capsys.readouterr().err
        assert call(server, "update", "d", "files/c.json", *ACT) == 2
        assert changes(server) == []


def test_undo_puts_back_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    # a worker that cannot change offsets: the configuration alone is put back
    answers = {EXPANDED: [seen(OLD), seen(NEW), seen(NEW), seen(NEW), seen(OLD)], VALIDATE: VALID, PUT: (200, {})}
    with serving(answers) as server:
        assert call(server, "undo", *ACT) == 2
        assert "No deployment of test is left" in capsys.readouterr().err
        assert call(server, "apply", "files", *ACT) == 0
        capsys.readouterr()
        assert call(server, "undo", "--json", *ACT) == 0
        assert {**server.bodies[-server.requests[::-1].index(PUT) - 1], "name": "c"} == OLD
    told = json.loads(capsys.readouterr().out)
    assert (told["connectors"][0]["action"], told["connectors"][0]["status"]) == ("restore", "success")
    [kept] = Journal.of(load(Path("p.toml"))).all()
    assert (told["undone"], kept.undone) == (kept.id, True)


def test_one_deployment_at_a_time(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from cdcproof.core.locking import only_one
    from cdcproof.core.progress import Progress

    with serving({EXPANDED: seen(NEW)}) as server, only_one(Path("reports/connectors/test/lock"), "x", Progress()):
        assert call(server, "apply", "files", "--allow-acts", "--deadline", "0.3") == 3
    assert "another cdcproof that is deploying connectors" in capsys.readouterr().err
