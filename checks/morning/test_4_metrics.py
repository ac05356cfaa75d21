"""Runbook, morning health check 4: check metrics."""

import pytest

from cdcproof.findings import require_equal, warn_if_any


@pytest.mark.runbook("morning.4-metrics-reconciliation")
def test_the_metrics_show_no_new_mismatch(reconciliation_metrics, evidence, remedies):
    """`reconciliation_row_count_mismatch_total` and `…_checksum_mismatch_total` show no mismatch that stands."""
    evidence.saw("Mismatch counters on the reconciliation exporter", reconciliation_metrics.rows())

    require_equal(
        reconciliation_metrics.mismatches(),
        reconciliation_metrics.no_mismatches(),
        details=reconciliation_metrics.details(),
        action=remedies.reconcile(reconciliation_metrics.tables_not_matching()),
    )
    warn_if_any(
        reconciliation_metrics.passing_mismatches() | reconciliation_metrics.failing_runs(),
        expected="no mismatch in the last 24 h, and runs that could look",
        action=remedies.read_reports(),
    )


@pytest.mark.runbook("morning.4-metrics-connectors")
def test_the_metrics_show_which_connectors_run(connector_page, evidence, remedies):
    """`connector_state` is 1 for every connector that runs by what Connect says, and 0 for every other one."""
    evidence.saw("connector_state on the connector exporter, and Connect before and after", connector_page.rows())

    require_equal(
        connector_page.page,
        connector_page.expected(),
        action=remedies.compare_exporter_with_connect(),
    )
