"""Beyond the runbook: one set of tables everywhere."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.9-tables")
def test_every_table_is_captured_and_delivered(table_sets, evidence, remedies):
    """Expected tables = captured tables = topics = target tables."""
    evidence.saw("Tables along the pipeline", table_sets.rows())

    require(
        table_sets.observation(),
        action=remedies.databases.look_at_tables(table_sets),
        concern_action=remedies.databases.log_tables(table_sets),
    )


@pytest.mark.runbook("morning.9-capture")
def test_every_table_is_captured_whole(running_capture, evidence):
    """The source captures every operation, row and column of every table, and a TRUNCATE where a sink would apply it."""
    evidence.saw("Capture", running_capture.rows())

    require(running_capture)


@pytest.mark.runbook("morning.9-columns")
def test_every_column_is_at_the_target(column_sets, evidence, remedies):
    """Every column of the source is at the target, or excluded in the pipeline file."""
    evidence.saw("Columns of each table", column_sets.rows())

    require(column_sets.observation(), action=remedies.add_columns(column_sets))


@pytest.mark.runbook("morning.9-accounts")
def test_every_connector_may_start_again(running_rights, evidence):
    """Each connector's account may log in again, read or write all of its tables, and the target takes writes."""
    evidence.saw("What the accounts lack", running_rights.rows())

    require(running_rights)
