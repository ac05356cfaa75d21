from __future__ import annotations

from pathlib import Path

import pytest

from cdcproof.cli.main import main
from cdcproof.pipeline.model import load
from tests.canned import EXPANDED, connector, serving
from tests.onboarding.test_discovery import SECRETS, SINK, SOURCE

ANSWERS = {
    "GET /": (200, {"version": "3.9.2", "kafka_cluster_id": "id-1"}),
    EXPANDED: (200, {"a": connector("source", SOURCE), "b": connector("sink", SINK)}),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SQLSERVER_PASSWORD", raising=False)
    monkeypatch.delenv("POSTGRES_PASSWORD", raising=False)


def test_the_file_is_written_its_path_told_and_no_secret_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(ANSWERS) as server:
        assert main(["init", "--connect-url", server.url, "--kafka", "k:1"]) == 0
    told = capsys.readouterr()
    assert told.out == "warehouse_source.toml\n"
    text = Path("warehouse_source.toml").read_text()
    assert load(Path("warehouse_source.toml")).kafka.bootstrap_servers == "k:1"
    assert not [s for s in SECRETS if s in text + told.out + told.err]
    assert "tables: Write the columns of the keys" in told.err
    assert "export SQLSERVER_PASSWORD=… POSTGRES_PASSWORD=…" in told.err
    assert max(len(line) for line in told.err.splitlines()) <= 80


@pytest.mark.parametrize("length", range(1, 12))
def test_a_flag_in_a_note_is_not_broken_at_its_hyphen(length: int, capsys: pytest.CaptureFixture[str]) -> None:
    copy = {
        **SINK,
        "name": "c" * length,
        "table.name.format": "mart.${topic}",
        "collection.name.format": "mart.${topic}",
    }
    answers = {**ANSWERS, EXPANDED: (200, {**ANSWERS[EXPANDED][1], copy["name"]: connector("sink", copy)})}
    with serving(answers) as server:
        assert main(["init", "--connect-url", server.url, "--kafka", "k:1"]) == 0
    for text in (capsys.readouterr().err, Path("warehouse_source.toml").read_text()):
        assert "--sink-connector" in text
        assert not [line for line in text.splitlines() if line.endswith("-")]


def test_the_projects_folder_is_the_place_when_it_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    Path("fixtures/pipelines").mkdir(parents=True)
    with serving(ANSWERS) as server:
        assert main(["init", "--connect-url", server.url, "--kafka", "k:1", "--name", "mine"]) == 0
    assert capsys.readouterr().out == "fixtures/pipelines/mine.toml\n"


def test_an_existing_file_is_kept_unless_forced(capsys: pytest.CaptureFixture[str]) -> None:
    Path("p.toml").write_text("mine")
    with serving(ANSWERS) as server:
        arguments = ["init", "--connect-url", server.url, "--kafka", "k:1", "--output", "p.toml"]
        assert main(arguments) == 2
        assert Path("p.toml").read_text() == "mine"
        assert "--force" in capsys.readouterr().err
        assert main([*arguments, "--force"]) == 0
    assert load(Path("p.toml")).name == "warehouse_source"


def test_a_closed_connect_is_could_not_look(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--connect-url", "http://127.0.0.1:1"]) == 3
    assert "Kafka Connect at http://127.0.0.1:1" in capsys.readouterr().err
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--connect-url", "localhost:8083"], "--connect-url: must start with http:// or https://"),
        (["--connect-url", "http://h", "--registry-url", "r"], "--registry-url: must start with http:// or https://"),
        (["--connect-url", "http://h", "--kafka", "broker"], "--kafka: must be host:port"),
        (["--connect-url", "http://h", "--name", "a/b"], "--name: must be"),
        ([], "--connect-url"),
    ],
)
def test_a_flag_that_cannot_be_used_is_named(flags: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["init", *flags])
    assert told in capsys.readouterr().err
