"""`cdcproof connectors snapshot`: what it shows, and how the comparison is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli import reconcile
from cdcproof.cli.main import main
from cdcproof.connectors import snapshot
from cdcproof.connectors.snapshot import Following, Phase, Report, Seen
from cdcproof.onboarding.pipeline_file import text_of
from tests.canned import EXPANDED, connector, serving
from tests.pipelines import pipeline_of

SOURCE = {
    "name": "source",
    "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector",
    "database.names": "warehouse_source",
    "table.include.list": "dbo.orders,dbo.customers",
}


@pytest.fixture(autouse=True)
def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A snapshot of 1,000 orders that is seen half done and then done; the calls of the comparison, which ends with 1."""

    def to_streaming(_: Following, report: Report) -> Seen:
        report(Seen(Phase.SNAPSHOT, {"orders": 500, "customers": 9}))
        report(Seen(Phase.SNAPSHOT, {"orders": 500, "customers": 9}, "connection refused"))
        return Seen(Phase.STREAMING, {"orders": 1000, "customers": 9})

    calls: list[list[str]] = []

    def compare(argv: list[str]) -> int:
        calls.append(argv)
        return 1

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Following, "to_streaming", to_streaming)
    monkeypatch.setattr(snapshot, "expected_rows", lambda *_: {"orders": 1000, "customers": 10})
    monkeypatch.setattr(reconcile, "main", compare)
    return calls


def call(*words: str, **answer: Any) -> int:
    offsets = answer.get("offsets", (200, {"offsets": []}))
    printed = {EXPANDED: (200, {"source": connector("source", SOURCE)}), "GET /connectors/source/offsets": offsets}
    with serving(printed) as server:
        tables = ("orders", "customers", "products")
        Path("p.toml").write_text(text_of(pipeline_of(*tables, connect={"url": server.url})))
        return main(["connectors", "snapshot", *words, "--pipeline", "p.toml"])


def test_a_line_for_all_tables_in_a_pipe_then_the_comparison_of_the_captured_ones(
    followed: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("source") == 1  # as the comparison says
    printed = capsys.readouterr().err
    assert "source streams: 1,009 of 1,010 rows are at the target" in printed
    assert followed == [["--tables", "orders,customers", "--output-dir", "reports/snapshots", "--pipeline", "p.toml"]]


def test_a_bar_for_each_table_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert call("source", "--env", "live", "--json") == 1
    printed = capsys.readouterr().err
    assert "orders           [##########          ] 500 of 1,000 rows" in printed
    assert "connection refused" in printed


def test_options_reach_the_comparison(followed: list[list[str]]) -> None:
    call("source", "--env", "live", "--json")
    assert followed[0][-3:] == ["--env", "live", "--json"]


def test_a_connector_that_is_not_there_is_usage(followed: list[list[str]]) -> None:
    assert call("other") == 2
    assert followed == []


def test_a_connect_that_tells_no_positions_is_told_at_once(
    followed: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("source", offsets=(404, {"message": "HTTP 404 Not Found"})) == 3
    assert "needs Kafka Connect 3.5" in capsys.readouterr().err
    assert followed == []
