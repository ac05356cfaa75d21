"""`cdcproof connectors dlq`, with a Connect of canned answers and a broker that keeps records in memory."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from cdcproof.cli.connectors import dlq
from cdcproof.cli.main import main
from cdcproof.clients.kafka.consumer_groups import Place
from cdcproof.clients.kafka.dead_letters import Record
from cdcproof.connectors import handled_dead_letters
from cdcproof.onboarding.pipeline_file import text_of
from cdcproof.pipeline.model import Kafka as Cluster
from tests.canned import EXPANDED, connector, serving
from tests.pipelines import pipeline_of

PLACE = ("dlq", 0)
DLQ = {"errors.deadletterqueue.topic.name": "dlq"}


class Broker:
    """One dead letter topic."""

    records: tuple[Record, ...] = ()
    start = 0

    def __init__(self, cluster: Cluster) -> None:
        assert cluster.bootstrap_servers == "kafka:9092"

    def kept_offsets(self, topics: Collection[str]) -> dict[Place, range]:
        assert list(topics) == ["dlq"]
        return {PLACE: range(Broker.start, Broker.start + len(Broker.records))}

    def cluster_id(self) -> str:
        return "cluster"

    def newest_records(self, topic: str, limit: int) -> tuple[Record, ...]:
        assert topic == "dlq"
        return Broker.records[-limit:]

    def delete_records(self, ends: Mapping[Place, int]) -> None:
        Broker.records = Broker.records[ends[PLACE] - Broker.start :]
        Broker.start = ends[PLACE]


@pytest.fixture(autouse=True)
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dlq, "Kafka", Broker)
    names = ("topic", "partition", "offset", "exception.class.name", "exception.message")
    headers = dict(
        zip((f"__connect.errors.{n}" for n in names), ("t.orders", "0", "7", "x.DataException", "no int"), strict=True)
    )
    Broker.start = 0
    Broker.records = (Record(PLACE, 0, b"key-1", b"value-1", headers), Record(PLACE, 1, b"key-2", b"value-2", {}))


def call(*words: str, **config: str) -> int:
    with serving({EXPANDED: (200, {"sink": connector("sink", {"name": "sink", **config})})}) as server:
        Path("p.toml").write_text(text_of(pipeline_of("orders", connect={"url": server.url})))
        return main(["connectors", "dlq", "sink", *words, "--pipeline", "p.toml"])


def test_it_shows_origin_and_reason_and_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(**DLQ) == 1
    printed = capsys.readouterr().out
    assert printed.splitlines()[:2] == ["sink: 2 records are in dlq", "  t.orders/0, offset 7: DataException: no int"]
    assert "offset 1: why is not known: set errors.deadletterqueue.context.headers.enable" in " ".join(printed.split())
    assert "value-1" not in printed

    assert call("--json", **DLQ) == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["records"], printed["newest"][0]["origin"]) == (2, "t.orders/0, offset 7")


def test_it_forgets_them_where_it_may_and_writes_that_down(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--clear", **DLQ) == 2
    assert "--allow-acts" in capsys.readouterr().err
    assert len(Broker.records) == 2

    assert call("--clear", "--allow-acts", **DLQ) == 0
    assert "dlq: 2 records deleted" in capsys.readouterr().out
    assert Broker.records == ()
    assert "delete the 2 records of dlq that are there: deleted" in Path("reports/acts.log").read_text()

    assert call(**DLQ) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "sink: 0 records are in dlq"


def test_what_was_cleared_is_noted_as_handled_and_what_retention_took_before_it() -> None:
    Broker.start = 5
    assert call("--clear", "--allow-acts", **DLQ) == 0
    assert handled_dead_letters.noted(Path("reports"), "cluster") == {PLACE: 7}
    assert handled_dead_letters.noted(Path("reports"), "another") == {}

    Broker.start = 9  # retention took two more
    assert call("--clear", "--allow-acts", **DLQ) == 0
    assert handled_dead_letters.noted(Path("reports"), "cluster") == {PLACE: 9}


def test_what_is_put_aside_after_the_count_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    late = Record(PLACE, 2, b"key-3", b"value-3", {})
    count = Broker.kept_offsets

    def and_one_more(broker: Broker, topics: Collection[str]) -> dict[Place, range]:
        counted = count(broker, topics)
        Broker.records = (*Broker.records, *(() if late in Broker.records else (late,)))
        return counted

    monkeypatch.setattr(Broker, "kept_offsets", and_one_more)
    assert call("--clear", "--allow-acts", **DLQ) == 0
    assert "dlq: 2 records deleted" in capsys.readouterr().out
    assert Broker.records == (late,)


def test_a_sink_without_such_a_topic_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert call() == 2
    assert "sink has no dead letter topic" in capsys.readouterr().err
