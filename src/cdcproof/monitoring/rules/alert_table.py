"""The table of alerts in docs/MONITORING.md, from the rules written by hand and the list of what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cdcproof.monitoring.rules.alerts import ALERTS, Alert, causes


def all_alerts(directory: Path) -> str:
    """One line for each alert whose rule is written by hand, in the order of the list."""
    rules = _rules(directory)
    lines = ["| alert | severity | after | says | check | muted by |", "|---|---|---|---|---|---|"]
    lines += [_line(alert, rules[alert.name]) for alert in ALERTS]
    return "\n".join(lines) + "\n"


def _line(alert: Alert, rule: dict[str, Any]) -> str:
    step = f"[{alert.step}](RUNBOOK.md#{alert.step.replace('.', '-')})" if alert.step else "-"
    severity = rule["labels"].get("severity", "as the alert's")
    muted = ", ".join(dict.fromkeys((*causes(alert), *alert.muted_by))) or "-"
    link = f"[{alert.name}](#{alert.name.lower()})"
    return (
        f"| {link} | {severity} | {rule.get('for', 'at once')} | {rule['annotations']['summary']} | {step} | {muted} |"
    )


def _rules(directory: Path) -> dict[str, dict[str, Any]]:
    return {
        rule["alert"]: rule
        for path in sorted(directory.glob("*.yml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
