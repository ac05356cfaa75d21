"""The runbook's three dashboards: defined once, written as Grafana's JSON and as a page of their own."""

from cdcproof.monitoring.dashboards.databases import DATABASES
from cdcproof.monitoring.dashboards.overview import OVERVIEW
from cdcproof.monitoring.dashboards.reconciliation import RECONCILIATION

DASHBOARDS = (OVERVIEW, DATABASES, RECONCILIATION)
"""In the runbook's order."""
