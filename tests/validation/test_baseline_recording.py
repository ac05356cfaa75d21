from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdcproof.core.errors import CouldNotLookError, OperationError, UsageError
from cdcproof.databases.names import Column
from cdcproof.validation.baseline import recording as baseline
from cdcproof.validation.baseline.comparison import Comparison, Facts
from cdcproof.validation.baseline.recording import Baseline, connector_facts, mask
from tests.pipelines import pipeline_of

RECORDED = Baseline(
    "test", "2026-11-23T06:00:00+00:00", "00ff", Facts({"versions/connect": "3.9.2"}, {"deployment": "x"})
)


def test_a_secret_is_not_kept_but_told_apart() -> None:
    masked = mask("00ff")
    first, again, other = (masked("database.password", value) for value in ("hunter22", "hunter22", "hunter23"))

    assert first == again != other
    assert "hunter" not in first + other
    assert first.startswith("[redacted] (fingerprint ")


def test_another_salt_gives_another_fingerprint() -> None:
    assert mask("00ff")("database.password", "hunter22") != mask("ff00")("database.password", "hunter22")


def test_a_password_in_an_address_is_not_kept_either() -> None:
    kept = mask("00ff")("connection.url", "jdbc:postgresql://h/d?user=u&password=hunter22")

    assert "hunter22" not in kept
    assert "jdbc:postgresql://h/d?user=u" in kept


@pytest.mark.parametrize(
    ("key", "value"), [("batch.size", "2000"), ("connection.password", "${file:/secrets:target}"), ("topics", "a,b")]
)
def test_what_is_no_secret_stays_readable(key: str, value: str) -> None:
    assert mask("00ff")(key, value) == value


def test_the_name_that_connect_adds_is_no_fact() -> None:
    assert connector_facts("sink", {"name": "sink", "topics": "a"}, mask("00")) == {"connectors/sink/topics": "a"}


@pytest.mark.parametrize(
    ("column", "reported"),
    [
        (Column("c", "numeric", False, 2, 12), "numeric(12, 2) not null"),
        (Column("c", "text", True), "text"),
        (Column("c", "timestamp without time zone", True, 6), "timestamp without time zone(6)"),
        (Column("c", "varchar", True, length=32), "varchar(32)"),
        (Column("c", "integer", True, 0, 32, computed=True), "integer(32, 0) computed"),
    ],
)
def test_a_column_is_told_as_people_write_it(column: Column, reported: str) -> None:
    assert baseline._column_type(column) == reported


def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "baselines" / "test.json"

    baseline.save(RECORDED, path)

    assert baseline.load(path) == RECORDED


def test_none_recorded_says_how_to_record_one(tmp_path: Path) -> None:
    with pytest.raises(CouldNotLookError, match="No baseline is recorded") as raised:
        baseline.load(tmp_path / "none.json")

    assert "cdcproof baseline save" in raised.value.remedy


def whole() -> dict[str, Any]:
    return {"version": 1, "pipeline": "test", "taken_at": "x", "salt": "00", "facts": {}, "unknown": {}}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        json.dumps(whole() | {"version": 2}),
        json.dumps(whole() | {"salt": "xyz"}),
        json.dumps(whole() | {"facts": []}),
        json.dumps({k: v for k, v in whole().items() if k != "pipeline"}),
    ],
)
def test_a_file_that_is_no_baseline(tmp_path: Path, content: str) -> None:
    (tmp_path / "b.json").write_text(content)

    with pytest.raises(CouldNotLookError, match="not a baseline that can be read"):
        baseline.load(tmp_path / "b.json")


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OperationError, match="cannot be written") as raised:
        baseline.save(RECORDED, tmp_path / "file" / "b.json")

    assert "--file" in raised.value.remedy


def test_the_baseline_of_another_pipeline_is_not_compared() -> None:
    other = Baseline("production", "x", "00", Facts({}))

    with pytest.raises(UsageError, match="of pipeline production, and this is test"):
        baseline.facts_since(other, None, pipeline_of("orders"))  # type: ignore[arg-type]


@pytest.mark.parametrize("is_recorded", [True, False])
def test_facts_of_another_server_are_not_taken_for_those_of_this_one(
    monkeypatch: pytest.MonkeyPatch, is_recorded: bool
) -> None:
    """A baseline of before servers were recorded has nothing to compare them with."""
    subject = "versions/target/database"
    monkeypatch.setattr(
        baseline, "collect", lambda *_: Facts({"versions/connect": "3.9.2", subject: "dw (16384) of 7001"})
    )
    recorded = {"versions/connect": "3.9.2"} | ({subject: "dw (16384) of 7002"} if is_recorded else {})
    kept = Baseline("test", "x", "00", Facts(recorded))
    now = baseline.facts_since(kept, None, pipeline_of("orders"))  # type: ignore[arg-type]

    found = [(one.subject, one.before, one.after) for one in Comparison(kept.facts, now).changes()]
    assert found == ([(subject, "dw (16384) of 7002", "dw (16384) of 7001")] if is_recorded else [])
