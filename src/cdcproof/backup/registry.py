"""The subjects of the schema registry, each version with its id: records in Kafka name a schema by its id alone."""

from __future__ import annotations

import json

from cdcproof.backup.part import Part
from cdcproof.clients.registry import Registry


def save(registry: Registry) -> Part:
    """Every subject, every version."""
    subjects = {
        subject: [registry.version(subject, number) for number in registry.versions(subject)]
        for subject in registry.subjects()
    }
    text = json.dumps({"compatibility": registry.compatibility(), "subjects": subjects}, indent=1)
    count = sum(map(len, subjects.values()))
    return Part(text, f"{len(subjects)} subjects, {count} schemas")
