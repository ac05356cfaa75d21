"""Before a maintenance window: the runbook's checklist, and its last quarter of an hour. The result is the go or no-go."""
