"""The steps of a maintenance window."""
