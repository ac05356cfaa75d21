"""Beyond the runbook: one set of tables everywhere."""

import pytest

from cdcproof.findings import require_equal


@pytest.mark.runbook("morning.9-tables")
def test_every_table_is_captured_and_delivered(table_sets, evidence, remedies):
    """Expected tables = captured tables = topics = target tables."""
    evidence.saw("Tables along the pipeline", table_sets.rows())

    require_equal(table_sets.found(), table_sets.expected(), action=remedies.databases.look_at_tables(table_sets))


@pytest.mark.runbook("morning.9-capture")
def test_every_table_is_captured_whole(running_capture, evidence):
    """The source captures every operation, row and column of every table, and a TRUNCATE where a sink would apply it."""
    evidence.saw("Capture", running_capture.rows())

    require_equal(running_capture.found, running_capture.expected, action=running_capture.action)


@pytest.mark.runbook("morning.9-columns")
def test_every_column_is_at_the_target(column_sets, evidence, remedies):
    """Every column of the source is at the target, or excluded in the pipeline file."""
    evidence.saw("Columns of each table", column_sets.rows())
    column_sets.demand_seen()

    require_equal(
        column_sets.found(),
        column_sets.expected(),
        details=column_sets.details(),
        action=remedies.add_columns(column_sets),
    )


@pytest.mark.runbook("morning.9-accounts")
def test_every_connector_may_start_again(running_rights, evidence):
    """Each connector's account may log in again, read or write all of its tables, and the target takes writes."""
    evidence.saw("What the accounts lack", running_rights.rows())

    require_equal(running_rights.found, running_rights.expected, action=running_rights.action)
