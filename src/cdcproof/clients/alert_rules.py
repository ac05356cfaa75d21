"""A reader of Prometheus' rule files, as far as people read them: what each alert says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cdcproof.core import bounded

FOLDER = Path("monitoring") / "prometheus" / "rules"


@dataclass(frozen=True)
class AlertRule:
    """An alert's labels and annotations, templates and all; empty where the file has none."""

    name: str
    severity: str = ""
    summary: str = ""
    description: str = ""
    action: str = ""
    runbook: str = ""


def read(root: Path) -> dict[str, AlertRule]:
    """The alerts of the rule files below a checkout, by name; a file that cannot be read, or is none, has none."""
    return {rule.name: rule for path in sorted((root / FOLDER).glob("*.yml")) for rule in _rules(path)}


def _rules(path: Path) -> Iterator[AlertRule]:
    try:
        content = yaml.safe_load(bounded.read_text(path, bounded.MOST_WRITTEN_BY_HAND_BYTES))
    except (OSError, ValueError, yaml.YAMLError):
        return
    for group in _listed(content, "groups"):
        for rule in _listed(group, "rules"):
            if isinstance(rule.get("alert"), str):
                labels, notes = _mapping(rule.get("labels")), _mapping(rule.get("annotations"))
                yield AlertRule(
                    rule["alert"],
                    *(
                        str(one or "")
                        for one in (labels.get("severity"), notes.get("summary"), notes.get("description"))
                    ),
                    *(str(one or "") for one in (notes.get("action"), notes.get("runbook_url"))),
                )


def _listed(value: Any, key: str) -> list[Mapping[str, Any]]:
    found = value.get(key) if isinstance(value, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
