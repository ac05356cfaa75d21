"""Beyond the runbook: one set of tables everywhere."""

import pytest

from cdcproof.findings import require_equal


@pytest.mark.runbook(
    "morning.9-tables",
    severity="critical",
    needs=[f"morning.6-{part}-answers" for part in ("source", "target", "kafka")],
)
def test_every_table_is_captured_and_delivered(table_sets, evidence, remedies):
    """Expected tables = captured tables = topics = target tables."""
    evidence.saw("Tables along the pipeline", table_sets.rows())

    require_equal(table_sets.found(), table_sets.expected(), action=remedies.look_at_tables(table_sets.missing()))
