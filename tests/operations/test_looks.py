"""What several services say together."""

from __future__ import annotations

from typing import Any

import pytest

from cdcproof.clients.connect import Connect
from cdcproof.databases.base import Slot
from cdcproof.errors import UnreachableError
from cdcproof.operations import looks
from cdcproof.pipeline import HttpService, Pipeline
from tests.canned import EXPANDED, connector, serving
from tests.pipelines import pipeline_of

NEIGHBOURS = {"url": "http://c", "other_connectors": ["erp-*", "s*"]}


@pytest.fixture
def pipeline() -> Pipeline:
    return pipeline_of("orders", connect=NEIGHBOURS)


def test_connectors_of_other_pipelines_are_left_out_and_expected_ones_never(pipeline: Pipeline) -> None:
    told = {name: connector("sink", {"name": name}) for name in ("source", "sink", "erp-sink", "rogue", "Erp-sink")}
    with serving({EXPANDED: (200, told)}) as server:
        found = looks.connector_states(Connect(HttpService(url=server.url)), pipeline)
    assert [c.name for c in found.connectors] == ["Erp-sink", "rogue", "sink", "source"]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"source": ("RUNNING",), "sink": ("RUNNING", "RUNNING")}, {}),
        ({"source": ("PAUSED",), "sink": ("RUNNING",)}, {"source": "source/0 is PAUSED"}),
        ({"source": ("RUNNING",), "sink": ("RUNNING", "FAILED")}, {"sink": "sink/1 is FAILED"}),
        ({"source": ("RUNNING",), "sink": ()}, {"sink": "sink has no task"}),
        ({"source": ("RUNNING",)}, {"sink": "sink is not at Connect"}),
    ],
)
def test_what_does_not_run_is_told_with_its_reason(
    pipeline: Pipeline, told: dict[str, tuple[str, ...]], why: dict[str, str]
) -> None:
    answer = {name: connector(name, {"name": name}, tasks=tasks) for name, tasks in told.items()}
    with serving({EXPANDED: (200, answer)}) as server:
        assert looks.halted(Connect(HttpService(url=server.url)), pipeline.connectors) == why


class Dead:
    """A Connect that does not answer."""

    def states(self) -> None:
        raise UnreachableError("Kafka Connect does not answer.")


def test_a_connect_that_does_not_answer_runs_nothing(pipeline: Pipeline) -> None:
    found = looks.halted(Dead(), pipeline.connectors)  # type: ignore[arg-type]
    assert found == dict.fromkeys(("source", "sink"), "Kafka Connect does not answer.")


class Source:
    """A source with one slot, which nobody reads at this moment."""

    def slots(self) -> tuple[Slot, ...]:
        return (Slot("cdc", False, "reserved", 0, "warehouse_source"),)


DEBEZIUM = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "database.dbname": "warehouse_source",
    "slot.name": "cdc",
}


@pytest.mark.parametrize(
    ("told", "failing"),
    [
        ({"source": connector("source", {"name": "source", **DEBEZIUM})}, ("cdc",)),
        ({"source": connector("source", {"name": "source", **DEBEZIUM}, "STOPPED", ())}, ()),
        ({}, ()),
        ({"another": connector("source", {"name": "another", **DEBEZIUM}, "STOPPED", ())}, ("cdc",)),
    ],
    ids=["it runs", "it is stopped", "it is gone", "it is another pipeline's"],
)
def test_a_slot_need_be_read_only_while_the_pipelines_connector_runs(
    told: dict[str, Any], failing: tuple[str, ...]
) -> None:
    pipeline = pipeline_of("orders", source_type="postgresql")
    with serving({EXPANDED: (200, told)}) as server:
        named = pipeline.model_copy(update={"source": pipeline.source.model_copy(update={"slot": "cdc"})})
        found = looks.slots(Source(), Connect(HttpService(url=server.url)), named)  # type: ignore[arg-type]
    assert tuple(slot.name for slot in found.failing()) == failing


def test_a_slot_need_not_be_read_where_connect_does_not_answer() -> None:
    pipeline = pipeline_of("orders", source_type="postgresql")
    named = pipeline.model_copy(update={"source": pipeline.source.model_copy(update={"slot": "cdc"})})
    assert looks.slots(Source(), Dead(), named).failing() == ()  # type: ignore[arg-type]
