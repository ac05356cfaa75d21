"""The subjects of the schema registry, each version with its id: records in Kafka name a schema by its id alone."""

from __future__ import annotations

import json

from cdcproof.backup.parts.part import Part
from cdcproof.clients.schema_registry import Registry
from cdcproof.core.json_text import parsed


def save(registry: Registry) -> Part:
    """Every subject, every version."""
    subjects = {
        subject: [registry.version(subject, number) for number in registry.versions(subject)]
        for subject in registry.subjects()
    }
    text = json.dumps({"compatibility": registry.compatibility(), "subjects": subjects}, indent=1)
    count = sum(map(len, subjects.values()))
    return Part(text, f"{len(subjects)} subjects, {count} schemas")


def restore(registry: Registry, text: str) -> tuple[int, tuple[str, ...]]:
    """Register the subjects of a backup that the registry has lost, in the order of their ids: how many, and which schemas have another id now.

    Raises `ValueError`, `KeyError` or `TypeError` for a text that `save` did not write.
    """
    there = set(registry.subjects())
    saved = [
        (int(version["id"]), subject, version)
        for subject, versions in parsed(text)["subjects"].items()
        if subject not in there
        for version in versions
    ]
    changed = []
    for number, subject, version in sorted(saved, key=lambda one: one[0]):
        found = registry.register(subject, version)
        if found != number:
            changed.append(f"{subject} had {number} and has {found}")
    return len({subject for _, subject, _ in saved}), tuple(changed)
