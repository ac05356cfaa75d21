"""Everything side by side under one deadline: what cannot be collected costs only itself, and is named."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cdcproof.core.errors import UnreachableError
from cdcproof.core.waiting import Deadline
from cdcproof.diagnostics import collect as collecting
from cdcproof.diagnostics.collect import collect, gather
from cdcproof.diagnostics.items import items
from cdcproof.diagnostics.parts import File, Item, Missing, Part, Remark, Scope
from cdcproof.pipeline.model import Pipeline, load
from tests.canned import serving
from tests.diagnostics.worlds import World, read
from tests.pipelines import pipeline_of

ROOT = Path(__file__).parents[2]


def scope(seconds: float = 30) -> Scope:
    return Scope(pipeline_of("customers"), World(), 0.0, Deadline(seconds))


def one(_: Scope) -> Iterator[Part]:
    yield File("one.txt", "1")
    yield Remark("one stands out")


def test_an_item_that_fails_costs_only_itself() -> None:
    def unreachable(_: Scope) -> Iterator[Part]:
        yield File("before.txt", "what came before")
        raise UnreachableError("Nobody answers.", "start it")

    def defective(_: Scope) -> Iterator[Part]:
        raise KeyError("x")
        yield

    wanted = [Item("down", "", unreachable), Item("bug", "", defective), Item("one", "", one)]

    assert gather(wanted, scope()) == [
        File("before.txt", "what came before"),
        Missing("down", "Nobody answers.", "start it"),
        Missing("bug", "It failed: KeyError: 'x'"),
        File("one.txt", "1"),
        Remark("one stands out"),
    ]


def test_what_is_late_keeps_what_came_in_time_and_adds_nothing_later() -> None:
    go_on, went_on = threading.Event(), threading.Event()

    def late(_: Scope) -> Iterator[Part]:
        yield File("soon.txt", "soon")
        go_on.wait(30)
        went_on.set()
        yield File("late.txt", "late")

    parts = gather([Item("late", "", late), Item("one", "", one)], scope(0.3))
    before = list(parts)
    go_on.set()

    assert parts[:2] == [File("soon.txt", "soon"), Missing("late", "It had not ended after 0.3 s.")]
    assert File("one.txt", "1") in parts
    assert went_on.wait(30)
    assert parts == before


def test_items_run_side_by_side() -> None:
    together = threading.Barrier(3)

    def meeting(_: Scope) -> Iterator[Part]:
        together.wait(30)
        yield Remark("met")

    assert gather([Item(str(number), "", meeting) for number in range(3)], scope()) == [Remark("met")] * 3


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port at which nobody listens."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def dead(port: int, folder: Path) -> Pipeline:
    """The embedded pipeline's file with every address at that port."""
    made = load(ROOT / "fixtures/pipelines/embedded.toml")
    url = {"url": f"http://127.0.0.1:{port}"}
    exporters = dict.fromkeys(("reconciliation_url", "connect_url"), f"http://127.0.0.1:{port}/metrics")
    return made.model_copy(
        update={
            "source": made.source.model_copy(update={"port": port}),
            "target": made.target.model_copy(update={"port": port}),
            "connect": made.connect.model_copy(update=url),
            "registry": made.registry.model_copy(update=url) if made.registry else None,
            "kafka": made.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{port}"}),
            "exporters": made.exporters.model_copy(update=exporters),
            "paths": made.paths.model_copy(update={"reconciliation_reports": folder / "reconciliation_reports"}),
        }
    )


def test_a_pipeline_that_is_down_still_gives_an_archive_that_says_what_is_missing(
    nobody: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_SOURCE_PASSWORD", "source-canary")
    monkeypatch.delenv("POSTGRES_PASSWORD", raising=False)
    done: list[str] = []

    archive = collect(
        dead(nobody, tmp_path), World(up=False), output_dir=tmp_path, deadline_seconds=20, report=done.append
    )

    missing = {each.what: each.why for each in archive.missing}
    assert {
        *(
            "connect/connectors",
            "connect/worker",
            "source/activity",
            "source/schema",
            "target/activity",
            "target/schema",
        ),
        *("kafka/topics", "kafka/groups", "kafka/lag/postgres-sink-connector", "registry"),
        *("metrics/reconciliation", "metrics/connectors", "logs/kafka", "threads/kafka-connect"),
    } <= missing.keys()
    assert "connection refused" in missing["connect/connectors"]
    assert "POSTGRES_PASSWORD, the password for" in missing["target/activity"]
    assert not archive.is_whole
    assert "Service kafka is down: as the test has it" in archive.remarks
    assert "The disk of /data is 99 % full; the limit is 80 %" in archive.remarks
    files = read(archive.path)
    assert {
        "index.html",
        "services/states.txt",
        "system/machine.txt",
        "system/versions.txt",
        "pipeline.json",
    } <= files.keys()
    page = files["index.html"].decode()
    assert "Service kafka is down" in page
    assert "Log of kafka" in page
    assert "There is no log of kafka." in page
    assert "Team lead" in page
    assert set(files) == set(archive.files)
    assert set(done) >= {"services", "connect/worker"}


def test_every_service_sink_and_side_has_its_items_and_no_two_have_one_name() -> None:
    made = load(ROOT / "fixtures/pipelines/compose.toml")
    names = [item.name for item in items(made)]

    assert len(names) == len(set(names))
    assert {f"logs/{service.name}" for service in made.services} <= set(names)
    assert {f"kafka/lag/{sink.name}" for sink in made.sinks} <= set(names)
    assert {"threads/zookeeper", "threads/kafka", "threads/schema-registry", "threads/kafka-connect"} <= set(names)
    assert "threads/sqlserver" not in names
    assert "system/engine" in names
    assert "registry" in names


def test_what_the_pipeline_does_not_have_is_not_missing() -> None:
    names = {item.name for item in items(pipeline_of("customers"))}

    assert not names & {"registry", "metrics/prometheus", "system/engine"}


def test_what_watches_the_pipeline_is_asked_and_what_fires_stands_out() -> None:
    alerts = [
        {"state": "firing", "labels": {"alertname": "ConnectorDown", "connector": "sink"}},
        {"state": "firing", "labels": {"alertname": "Watchdog"}},
        {"state": "pending", "labels": {"alertname": "KafkaDown"}},
    ]
    answers = {
        "GET /api/v1/alerts": (200, {"data": {"alerts": alerts}}),
        "GET /api/v1/targets?state=active": (200, {"data": {"activeTargets": [{"health": "down", "scrapeUrl": "http://e", "lastError": "no"}]}}),
        "GET /api/v2/alerts": (200, []),
        "GET /api/v2/silences": (200, [{"comment": "a silence"}]),
        "GET /api/v2/status": (500, {}),
        "GET /metrics": (200, b"pushed 1\n"),
    }  # fmt: skip
    with serving(answers) as canned:
        url = {"url": canned.url}
        made = pipeline_of("customers", prometheus=url, alertmanager=url, pushgateway=url)
        wanted = [
            item
            for item in items(made)
            if item.name in ("metrics/prometheus", "metrics/alertmanager", "metrics/pushed")
        ]
        parts = gather(wanted, Scope(made, World(), 0.0, Deadline(30)))

    files = {part.path: part.text for part in parts if isinstance(part, File)}
    assert [part.text for part in parts if isinstance(part, Remark)] == [
        "Prometheus: ConnectorDown fires, connector=sink",
        "Prometheus cannot scrape http://e: no",
    ]
    assert "a silence" in files["metrics/alertmanager-silences.json"]
    assert files["metrics/pushed.txt"] == "pushed 1\n"
    assert [part.what for part in parts if isinstance(part, Missing)] == ["metrics/alertmanager-status"]


def test_the_default_deadline_leaves_an_incident_its_time() -> None:
    assert collecting.DEADLINE_SECONDS <= 60
