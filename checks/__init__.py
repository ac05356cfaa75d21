"""The checks: one file per runbook step, one folder per suite."""
