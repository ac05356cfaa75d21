"""Runbook, morning health check 4: check metrics."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.4-metrics-reconciliation")
def test_the_metrics_show_no_new_mismatch(reconciliation_metrics, evidence, remedies):
    """`reconciliation_row_count_mismatch_total` and `…_checksum_mismatch_total` show no mismatch that stands."""
    evidence.saw("Mismatch counters on the reconciliation exporter", reconciliation_metrics.rows())

    action = remedies.reconcile(reconciliation_metrics.tables_not_matching())
    require(reconciliation_metrics.observation(), action=action, concern_action=remedies.read_reports())


@pytest.mark.runbook("morning.4-metrics-connectors")
def test_the_metrics_show_which_connectors_run(connector_page, evidence, remedies):
    """`connector_state` is 1 for every connector that runs by what Connect says, and 0 for every other one."""
    evidence.saw("connector_state on the connector exporter, and Connect before and after", connector_page.rows())

    require(connector_page.observation(), action=remedies.compare_exporter_with_connect())
