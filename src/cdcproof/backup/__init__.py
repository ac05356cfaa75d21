"""Backup and restore of a pipeline: both databases, the connectors, their offsets, the registry's subjects, the schema history."""
