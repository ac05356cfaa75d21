"""In flight or lost, on the running pipeline: under a steady load nothing is reported but what is really lost.

How often a fence was needed is asserted too: without any, a run under load would have shown nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from cdcproof.databases.connections import connect, password_of
from cdcproof.databases.names import TableName
from cdcproof.environments.embedded import connectors
from cdcproof.environments.embedded.data import databases
from cdcproof.environments.embedded.data.databases import Amount
from cdcproof.environments.embedded.state import Instance
from cdcproof.reconcile import engine
from cdcproof.reconcile.engine import Endpoint, Options, Run
from cdcproof.reconcile.in_flight import hops
from cdcproof.reconcile.in_flight.fence import Fence
from cdcproof.reconcile.in_flight.position_fence import fences
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.report.result import TableResult, TableStatus
from tests.integration.conftest import Pipelines, eventually
from tests.integration.load import Load
from tests.reconcile.sides import Unwatched

pytestmark = pytest.mark.integration

RUNS = 20
RUNS_WITH_LOSSES = 6
CHANGES_PER_SECOND = 500
ROWS = Amount(customers=1_000, products=200, orders=2_000, shipments=1_500)
MATCH, ERROR = TableStatus.MATCH, TableStatus.ERROR


@dataclass(frozen=True)
class Reconciling:
    """The pipeline, and how it is reconciled: all tables at once, each session's work as the command does it."""

    pipelines: Pipelines
    source: Endpoint
    target: Endpoint
    tables: tuple[TablePair, ...]
    fences: Mapping[str, Fence]

    def run(self) -> dict[str, TableResult]:
        """One run, contents included."""
        options = Options(validate_checksums=True, max_parallel=len(self.tables))
        run = Run(self.source, self.target, lambda table: self.fences[table.name], options, Unwatched())
        return {result.table: result for result in engine.reconcile(run, self.tables)}

    def all_match(self) -> bool:
        return {result.status for result in self.run().values()} == {MATCH}

    def at_source(self, sql: str) -> None:
        databases.source(self.pipelines.instance, sql)

    def at_target(self, sql: str) -> None:
        databases.target(self.pipelines.instance, sql)


@pytest.fixture(scope="module")
def reconciling(pipelines: Pipelines) -> Iterator[Reconciling]:
    with _prompt(pipelines.instance):
        yield from _reconciling(pipelines)


@contextmanager
def _prompt(instance: Instance) -> Iterator[None]:
    """A source that asks often: at every run of this file each changed row waits for it, and then for a fence."""
    own = connectors.config(instance, connectors.SOURCE)
    connectors.client(instance).put_config(connectors.SOURCE, own | {"poll.interval.ms": "50"})
    yield
    connectors.client(instance).put_config(connectors.SOURCE, own)
    eventually(lambda: _runs(instance, own), what="the connector to run as before")


def _reconciling(pipelines: Pipelines) -> Iterator[Reconciling]:
    pipeline = pipelines.located()

    def endpoint(database: object) -> Endpoint:
        return Endpoint("postgresql", "", lambda: connect(database, password_of(database)))  # type: ignore[arg-type]

    source = endpoint(pipeline.source)
    made = Reconciling(
        pipelines,
        source,
        endpoint(pipeline.target),
        tuple(
            TablePair(table.name, TableName.parse(table.source), TableName.parse(table.target), table.key)
            for table in pipeline.tables
        ),
        fences(pipeline, pipeline.table_names, source.open),
    )
    databases.insert_rows(pipelines.instance, ROWS)
    eventually(made.all_match, what="the rows to be replicated", seconds=60)
    yield made
    eventually(made.all_match, what="the load to be replicated", seconds=60)


@pytest.fixture
def loaded(reconciling: Reconciling) -> Iterator[Load]:
    with Load(reconciling.pipelines.instance) as load:
        eventually(lambda: load.changes_per_second, lambda rate: rate >= CHANGES_PER_SECOND, what="the load to begin")
        yield load
        assert load.changes_per_second >= CHANGES_PER_SECOND, "the load was too slow for the test to mean anything"


@pytest.fixture
def losses(reconciling: Reconciling) -> Iterator[dict[str, tuple[str, ...]]]:
    """A lost row, a stale row and a ghost row at the target, on keys that nothing else touches."""
    reconciling.at_target(
        "DELETE FROM customers WHERE customer_id = 3;"
        "UPDATE orders SET total_amount = total_amount + 1 WHERE order_id = 7;"
        "INSERT INTO shipments (shipment_id, order_id, carrier, shipped_at) VALUES (4999999, 1, 'Ghost', now());"
    )
    yield {
        "customers": ("missing 3",),
        "orders": ("changed 7 (total_amount)",),
        "shipments": ("extra 4999999",),
    }
    reconciling.at_target("DELETE FROM shipments WHERE shipment_id = 4999999")
    reconciling.at_source(
        "UPDATE customers SET name = name WHERE customer_id = 3; UPDATE orders SET status = status WHERE order_id = 7"
    )
    eventually(reconciling.all_match, what="the lost rows to come again", seconds=60)


def test_what_is_in_flight_is_never_reported(reconciling: Reconciling, loaded: Load) -> None:
    crossings = 0
    for number in range(RUNS):
        results = reconciling.run()
        assert {name: (r.status, r.error) for name, r in results.items()} == dict.fromkeys(results, (MATCH, "")), number
        crossings += sum(len(result.positions) for result in results.values())
    assert crossings > 0


def test_what_is_lost_is_reported_by_every_run_and_nothing_else(
    reconciling: Reconciling, loaded: Load, losses: Mapping[str, tuple[str, ...]]
) -> None:
    for number in range(RUNS_WITH_LOSSES):
        results = reconciling.run()
        found = {name: result.example_keys for name, result in results.items() if result.status is not MATCH}
        assert found == losses, number
        assert {results[name].method for name in losses} == {"position"}


def test_an_idle_source_does_not_keep_what_is_lost_from_being_reported(
    reconciling: Reconciling, losses: Mapping[str, tuple[str, ...]]
) -> None:
    results = reconciling.run()
    assert {name: result.example_keys for name, result in results.items() if result.example_keys} == losses
    assert {results[name].method for name in losses} == {"position"}


def test_a_source_connector_by_its_defaults_is_crossed_by_timer_when_it_is_idle(
    reconciling: Reconciling,
    losses: Mapping[str, tuple[str, ...]],
    as_by_default: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hops, "QUIET_SECONDS", 3.0)
    reconciling.at_source("UPDATE products SET name = name WHERE product_id = 1")  # its first change since it started
    results = reconciling.run()
    assert {name: result.example_keys for name, result in results.items() if result.example_keys} == losses
    assert {results[name].method for name in losses} == {"timer"}


@pytest.fixture
def as_by_default(reconciling: Reconciling) -> Iterator[None]:
    """The source connector without a heartbeat, as Debezium's defaults have it."""
    instance = reconciling.pipelines.instance
    config = connectors.config(instance, connectors.SOURCE)
    plain = {key: value for key, value in config.items() if "heartbeat" not in key and "message.prefix" not in key}
    connectors.client(instance).put_config(connectors.SOURCE, plain)
    eventually(lambda: _runs(instance, plain), what="the connector to run by its defaults")
    yield
    connectors.client(instance).put_config(connectors.SOURCE, config)
    eventually(lambda: _runs(instance, config), what="the connector to run as before")


def _runs(instance: Instance, config: Mapping[str, str]) -> bool:
    found = connectors.client(instance).states().get(connectors.SOURCE)
    return bool(
        found
        and [task.state for task in found.tasks] == ["RUNNING"]
        and found.config.keys() - {"name"} == config.keys()
        and not databases.disconnected(instance)
    )


@pytest.mark.parametrize("connector", [connectors.SOURCE, connectors.SINK])
def test_behind_a_connector_that_is_paused_nothing_is_known_of_what_differs(
    reconciling: Reconciling, paused: Callable[[str], None], connector: str
) -> None:
    paused(connector)
    reconciling.at_source(
        "UPDATE customers SET credit_limit = credit_limit + 1 WHERE customer_id = 5;"
        "INSERT INTO inventory (product_id, warehouse, quantity, unit_cost) VALUES (1, 'WAIT', 1, 1)"
    )
    try:
        results = reconciling.run()
        unknown = {name: result for name, result in results.items() if result.status is not MATCH}
        assert unknown.keys() == {"customers", "inventory"}
        assert {(r.status, r.checksums_match, r.example_keys) for r in unknown.values()} == {(ERROR, None, ())}
        assert all(f"{connector} is PAUSED" in result.error for result in unknown.values())
    finally:
        reconciling.at_source(
            "UPDATE customers SET credit_limit = credit_limit - 1 WHERE customer_id = 5;"
            "DELETE FROM inventory WHERE warehouse = 'WAIT'"
        )


@pytest.fixture
def paused(reconciling: Reconciling) -> Iterator[Callable[[str], None]]:
    """Pauses connectors, and resumes them in the end."""
    connect_ = connectors.client(reconciling.pipelines.instance)

    def states(name: str) -> set[str]:
        found = connect_.states().get(name)
        return {found.state, *(task.state for task in found.tasks)} if found else set()

    def pause(name: str) -> None:
        connect_.pause(name)
        eventually(lambda: states(name), lambda seen: seen == {"PAUSED"}, what=f"{name} to pause")

    yield pause
    for name in (connectors.SOURCE, connectors.SINK):
        connect_.resume(name)
        eventually(lambda: states(name), lambda seen: seen == {"RUNNING"}, what=f"{name} to resume")  # noqa: B023
