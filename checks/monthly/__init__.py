"""The runbook's manual monthly tasks."""
