"""A sink that marks rows as deleted, beside the pipeline's own: init sees it, contents match, and the round trip is green each time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdcproof.clients.kafka.client import Kafka
from cdcproof.environments.embedded import connectors
from cdcproof.environments.embedded.data import databases
from cdcproof.observations import readings
from cdcproof.pipeline.model import load
from tests.integration.conftest import Pipelines, eventually

pytestmark = pytest.mark.integration

SOFT = "soft-sink"
FILTER = "__deleted IS DISTINCT FROM 'true'"
CHANGES = {
    "transforms": "unwrap,route",
    "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
    "transforms.unwrap.delete.tombstone.handling.mode": "rewrite",
    "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
    "transforms.route.regex": r".*\.public\.customers",
    "transforms.route.replacement": "customers_soft",
    "collection.name.format": "${topic}",
    "delete.enabled": "false",
    # other tests restore databases: topics then hold rows that the source lacks, and lack rows that it has
    "consumer.override.auto.offset.reset": "latest",
}


@pytest.fixture
def soft(pipelines: Pipelines) -> Iterator[Pipelines]:
    """The topic of customers is written once more, to a table whose rows are only marked."""
    instance, connect = pipelines.instance, pipelines.connect
    own = connectors.config(instance, connectors.SINK)
    topic = next(t for t in own["topics"].split(",") if t.endswith(".customers"))
    # of a row deleted at a source that logs the old key alone, columns have nothing: they must take that
    databases.target(
        instance,
        "CREATE TABLE customers_soft (LIKE customers INCLUDING INDEXES); "
        "GRANT SELECT, INSERT, UPDATE ON customers_soft TO sink; ALTER TABLE customers_soft OWNER TO sink; "
        "GRANT SELECT ON customers_soft TO cdcproof; GRANT SELECT, DELETE ON customers_soft TO round_trip",
    )
    for column in ("name", "email", "credit_limit", "is_active", "created_at"):
        databases.target(instance, f"ALTER TABLE customers_soft ALTER {column} DROP NOT NULL")
    connect.put_config(SOFT, {**own, **CHANGES, "name": SOFT, "topics": topic})
    try:
        eventually(
            lambda: connect.states().states.get(f"{SOFT}/0") == "RUNNING", what="the sink that marks rows to run"
        )
        yield pipelines
    finally:
        connect.delete(SOFT)
        databases.target(instance, "DROP TABLE customers_soft")
        pipelines.heal()


def test_soft_deletes_are_found_compared_and_sent_round_three_times(soft: Pipelines, tmp_path: Path) -> None:
    def count(where: str = "true") -> str:
        return databases.target(soft.instance, f"SELECT count(*) FROM customers_soft WHERE {where}")

    rows = databases.source(soft.instance, "SELECT count(*) FROM customers")

    def sent() -> str:
        databases.source(soft.instance, "UPDATE customers SET name = name")
        return count()

    eventually(sent, lambda found: found == rows, what="the rows to be there once more")
    path = tmp_path / "soft.toml"
    done = soft.call(
        *("cdcproof", "init", "--connect-url", soft.located().connect.url, "--output", str(path)),
        *("--sink-connector", SOFT, "--reconciliation-reports", str(tmp_path / "reports")),
    )
    assert done.returncode == 0, done.stderr
    (table,) = load(path).tables
    assert (table.target, table.target_filter) == ("public.customers_soft", FILTER)
    assert "Deletes are soft" in done.stderr

    databases.source(soft.instance, "INSERT INTO customers (customer_id, name, email) VALUES (77777, 'a', 'b')")
    eventually(lambda: count("customer_id = 77777") == "1", what="a row to arrive")
    databases.source(soft.instance, "DELETE FROM customers WHERE customer_id = 77777")
    eventually(lambda: count("customer_id = 77777 AND __deleted = 'true'") == "1", what="the row to be marked")
    compared = soft.call("cdcproof", "reconcile", "--pipeline", str(path), "--validate-checksums")
    assert compared.returncode == 0, compared.stdout + compared.stderr
    (report,) = (tmp_path / "reports").glob("reconciliation_report_*.json")
    assert json.loads(report.read_text())["summary"] == {"customers": "MATCH"}

    # the sink does not commit the tombstone, which its transform drops: that is neither lag nor in flight
    kafka = Kafka(load(path).kafka)
    lags = eventually(
        lambda: readings.sink_lag(kafka, load(path), soft.connect).records(),
        lambda found: set(found.values()) == {0.0},
        what="all rows to be committed",
    )
    assert f"connect-{SOFT}" in lags
    databases.target(soft.instance, "UPDATE customers_soft SET name = 'changed' WHERE customer_id = 1")
    differing = soft.call("cdcproof", "reconcile", "--pipeline", str(path), "--validate-checksums")
    assert "1 MISMATCH, 0 ERROR" in differing.stdout, differing.stdout + differing.stderr
    databases.source(soft.instance, "UPDATE customers SET name = name WHERE customer_id = 1")

    path.write_text(
        path.read_text()
        + '\n[round_trip]\nsource = { user = "round_trip", password_env = "POSTGRES_SOURCE_PASSWORD" }\n'
        + 'target = { user = "round_trip", password_env = "POSTGRES_PASSWORD" }\n'
    )
    for _ in range(3):
        done = soft.call(
            *("pytest", "-m", "validate", "-k", "round_trip", f"--pipeline={path}", "--allow-acts"),
            *("-p", "no:cacheprovider", f"--reports-dir={tmp_path / 'out'}"),
        )
        assert "PASSED  validate.3-round-trip" in done.stdout, done.stdout
        assert count("customer_id = 99999") == "0"
