"""What the source's and the target's catalogue show of a loss to come: red on each fault and on nothing else, then the Action as printed.

The fixture `healthy` demands the green at the end of each test.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from cdcproof.environments.embedded import connectors
from cdcproof.environments.embedded.data import databases
from cdcproof.findings import Verdict
from tests.integration.conftest import eventually

pytestmark = pytest.mark.integration

SINK, SOURCE = connectors.SINK, connectors.SOURCE


def pasted(pipelines, line):
    done = pipelines.paste(line)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def words(step):
    return {difference.subject: difference.found for difference in step.differences}


def stands_still(pipelines):
    before = pipelines.connect.offsets(SOURCE)
    time.sleep(3)  # it commits every second
    return pipelines.connect.offsets(SOURCE) == before


def test_a_source_that_stands_still_while_everything_says_running(healthy):
    reader = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'cdcproof'"
    session = int(databases.source(healthy.instance, reader))
    os.kill(session, signal.SIGSTOP)
    try:
        eventually(lambda: stands_still(healthy), what="the connector to commit what it had read")
        databases.source(healthy.instance, "UPDATE orders SET quantity = quantity")
        step = healthy.assert_only(healthy.morning(), "morning.7-source-lag")
    finally:
        os.kill(session, signal.SIGCONT)

    assert [found.partition(" for ")[0] for found in words(step).values()] == ["stood still"]
    assert str(session) in step.differences[0].detail
    for line in step.action:
        pasted(healthy, line)


def test_an_idle_source_without_a_heartbeat_is_no_lag(healthy):
    own = connectors.config(healthy.instance, SOURCE)
    beats = ("heartbeat.interval.ms", "heartbeat.action.query")
    healthy.connect.put_config(SOURCE, {key: value for key, value in own.items() if key not in beats})
    try:
        eventually(lambda: connected(healthy), what="the connector to connect again")
        noise = "CREATE TABLE noise AS SELECT generate_series(1, 100000) AS number"
        databases.source(healthy.instance, noise)  # what the log holds now is of no captured table
        healthy.assert_healthy(healthy.morning())
    finally:
        databases.source(healthy.instance, "DROP TABLE IF EXISTS noise")
        healthy.connect.put_config(SOURCE, own)
        healthy.heal()


def connected(pipelines):
    running = pipelines.connect.states().states.get(f"{SOURCE}/0") == "RUNNING"
    slot = "SELECT active FROM pg_replication_slots WHERE slot_name = 'cdcproof'"
    return running and databases.source(pipelines.instance, slot) == "t"


def test_slots_that_nobody_reads_of_whatever_database(healthy):
    databases.source(
        healthy.instance,
        "SELECT pg_create_logical_replication_slot('forgotten', 'pgoutput');"
        "SELECT pg_create_physical_replication_slot('old_standby', true)",
    )
    pasted(healthy, psql(healthy, "CREATE DATABASE elsewhere"))
    pasted(healthy, psql(healthy, "SELECT pg_create_logical_replication_slot('there', 'pgoutput')", "elsewhere"))
    try:
        step = healthy.assert_only(healthy.morning(), "morning.8-replication-slots")
        assert words(step) == dict.fromkeys(("forgotten", "old_standby", "there"), "inactive, WAL reserved")
        offered = [line.partition(" any more: ")[2] for line in step.action if "pg_drop_replication_slot" in line]
        assert len(offered) == 3
        for line in offered:
            pasted(healthy, line)
    finally:
        databases.source(
            healthy.instance,
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
            "WHERE slot_name <> 'cdcproof' AND NOT temporary",  # the exporter has one for a moment
        )
        pasted(healthy, psql(healthy, "DROP DATABASE elsewhere"))


def psql(pipelines, statement, database="warehouse_source", side="source"):
    server = getattr(pipelines.located(), side)
    return f'psql -h {server.host} -p {server.port} -d {database} -c "{statement}"'


def test_a_table_that_is_captured_by_halves(healthy):
    databases.source(
        healthy.instance,
        "ALTER PUBLICATION cdcproof SET (publish = 'insert');"
        "ALTER PUBLICATION cdcproof SET TABLE customers WHERE (customer_id > 1000), products (product_id, sku), orders, inventory;"
        "ALTER TABLE orders REPLICA IDENTITY NOTHING",
    )
    try:
        outcome = healthy.morning()
        expected = healthy.healthy | dict.fromkeys(("morning.9-capture", "morning.9-tables"), "failed")
        assert {step: str(verdict) for step, verdict in outcome.verdicts().items()} == expected, outcome.output
        step = outcome.step("morning.9-capture")
        found = words(step)
        assert found.pop("public.products").startswith("captured, without name")
        assert found == {
            "publication cdcproof": "present, without update, delete",
            "public.customers": "captured, only rows where (customer_id > 1000)",
            "public.orders": "captured, updates and deletes refused: REPLICA IDENTITY NOTHING (public.orders)",
            "public.shipments": "not captured",
        }
        assert words(outcome.step("morning.9-tables")) == {"shipments: captured at the source": "absent"}
        for line in step.action:
            pasted(healthy, line)
        healthy.assert_healthy(healthy.morning())
    finally:
        databases.source(
            healthy.instance,
            "ALTER PUBLICATION cdcproof SET (publish = 'insert, update, delete, truncate');"
            f"ALTER PUBLICATION cdcproof SET TABLE {', '.join((*databases.TABLES, databases.HEARTBEAT))};"
            "ALTER TABLE orders REPLICA IDENTITY DEFAULT",
        )


def test_more_than_the_connector_lets_through_is_captured(healthy):
    databases.source(
        healthy.instance, "CREATE TABLE other (id int PRIMARY KEY); ALTER PUBLICATION cdcproof ADD TABLE other"
    )
    try:
        outcome = healthy.morning()
        healthy.assert_healthy(outcome)
        assert "public.other" in outcome.step("morning.9-tables").evidence[0].text
    finally:
        databases.source(healthy.instance, "DROP TABLE other")


def test_a_column_that_the_target_lacks(healthy):
    databases.source(healthy.instance, "ALTER TABLE customers ADD COLUMN loyalty varchar(20)")
    try:
        step = healthy.assert_only(healthy.morning(), "morning.9-columns")
        assert words(step) == {"customers": "not at the target: loyalty"}
        pasted(healthy, step.action[0])
        healthy.assert_healthy(healthy.morning())
    finally:
        databases.source(healthy.instance, "ALTER TABLE customers DROP COLUMN IF EXISTS loyalty")
        databases.target(healthy.instance, "ALTER TABLE customers DROP COLUMN IF EXISTS loyalty")


def test_accounts_that_could_not_start_again_and_a_target_that_takes_no_writes(healthy):
    databases.source(
        healthy.instance, "ALTER ROLE cdc VALID UNTIL '2020-01-01' NOREPLICATION; REVOKE SELECT ON orders FROM cdc"
    )
    databases.target(healthy.instance, "ALTER DATABASE warehouse_target SET default_transaction_read_only = on")
    try:
        step = healthy.assert_only(healthy.morning(), "morning.9-accounts")
        assert {subject.partition(": ")[2].partition(" on 20")[0] for subject in words(step)} == {
            "login, its password has expired",
            "replication",
            "SELECT on public.orders",
            "write: default_transaction_read_only is on",
        }
        for line in step.action:
            pasted(healthy, line)
        healthy.assert_healthy(healthy.morning())
    finally:
        databases.source(
            healthy.instance, "ALTER ROLE cdc VALID UNTIL 'infinity' REPLICATION; GRANT SELECT ON orders TO cdc"
        )
        reset = "SET transaction_read_only = off; ALTER DATABASE warehouse_target RESET default_transaction_read_only"
        pasted(healthy, psql(healthy, reset, "warehouse_target", "target"))


def test_the_checks_own_rights_that_were_taken_are_not_checked_by_name(healthy):
    sides = {"source": databases.source, "target": databases.target}
    for run in sides.values():
        run(healthy.instance, "REVOKE pg_read_all_data FROM cdcproof")
    try:
        outcome = healthy.morning()
        unseen = (*(f"morning.6-{side}-rights" for side in sides), "morning.7-freshness")
        expected = healthy.healthy | dict.fromkeys(unseen, Verdict.NOT_CHECKED)
        assert outcome.verdicts() == expected, outcome.output
        for side in sides:
            step = outcome.step(f"morning.6-{side}-rights")
            assert "public.orders" in step.reason
            pasted(healthy, step.action[0])
        healthy.assert_healthy(healthy.morning())
    finally:
        for run in sides.values():
            run(healthy.instance, "GRANT pg_read_all_data TO cdcproof")
