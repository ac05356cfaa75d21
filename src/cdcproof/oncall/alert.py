"""An alert as it is called: its name, its labels, and what is known of the rule behind it. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdcproof.clients.alert_rules import AlertRule
from cdcproof.core.errors import UsageError
from cdcproof.monitoring.catalogue import BY_STEP, CHECKS, Check
from cdcproof.monitoring.rules.alerts import every_alert, step_behind

_LABEL = re.compile(r"\{\{\s*\$labels\.(\w+)[^}]*\}\}")
_WITH = re.compile(r"\{\{\s*with \$labels\.(\w+)\s*\}\}(.*?)(?:\{\{\s*else\s*\}\}(.*?))?\{\{\s*end\s*\}\}")
_VALUE = re.compile(r"\{\{\s*\.[^}]*\}\}")
_TEMPLATE = re.compile(r"\{\{[^}]*\}\}")
_MOST_NEAR = 3


@dataclass(frozen=True)
class Alert:
    """The alert, and the check that stands behind it; None where there is none. The texts are those of its rule, filled in."""

    name: str
    labels: Mapping[str, str]
    check: Check | None
    severity: str = ""
    summary: str = ""
    description: str = ""
    action: str = ""
    runbook: str = ""

    @property
    def shown_labels(self) -> str:
        """``connector=sink, task=0``, in the order of their names; ``none``."""
        return ", ".join(f"{name}={value}" for name, value in sorted(self.labels.items())) or "none"


def find(name: str, labels: Mapping[str, str], rules: Mapping[str, AlertRule]) -> Alert:
    """The alert of this name. Raises `UsageError` with the nearest names for one that no rule has."""
    known = {alert.name for alert in every_alert()} | rules.keys()
    if name not in known:
        raise UsageError(f"There is no alert {name}.", _nearest(name, known))
    rule = rules.get(name, AlertRule(name))
    step = step_behind(name)
    check = BY_STEP.get(step) or next((one for one in CHECKS if rule.runbook.endswith(f"#{one.anchor}")), None)

    def with_label(found: re.Match[str]) -> str:
        value = labels.get(found[1], "")
        return _VALUE.sub(lambda _: value, found[2]) if value else found[3] or ""

    def filled(text: str) -> str:
        text = _WITH.sub(with_label, text)
        return _TEMPLATE.sub("…", _LABEL.sub(lambda found: labels.get(found[1], "…"), text))

    runbook = rule.runbook or (f"docs/RUNBOOK.md#{check.anchor}" if check else "")
    return Alert(
        name,
        dict(labels),
        check,
        severity=rule.severity,
        summary=filled(rule.summary),
        description=filled(rule.description),
        action=filled(rule.action),
        runbook=runbook,
    )


def labels_of(words: Sequence[str]) -> dict[str, str]:
    """Read ``name=value`` words. Raises `UsageError` for one that is none."""
    found: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise UsageError(
                f"{word!r} is no label.", "Write labels as the alert has them: connector=postgres-sink-connector"
            )
        found[name] = value
    return found


def _nearest(name: str, known: set[str]) -> str:
    by_case = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_case, n=_MOST_NEAR, cutoff=0.5)
    if near:
        return f"The nearest names: {', '.join(by_case[one] for one in near)}. docs/MONITORING.md has all of them."
    return "docs/MONITORING.md has all names."
