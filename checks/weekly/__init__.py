"""The runbook's manual weekly tasks."""
