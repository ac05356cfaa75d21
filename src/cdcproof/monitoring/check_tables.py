"""The catalogue of checks as tables for the documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cdcproof.monitoring.catalogue import Check


def all_checks(checks: Sequence[Check], titles: Mapping[str, str]) -> str:
    """The table of docs/RUNBOOK.md: every check, what it shows, and what it needs."""
    lines = ["| check | shows | severity | needs | alert |", "|---|---|---|---|---|"]
    for check in checks:
        where = f" (only where the pipeline {check.only_where.text})" if check.only_where.text else ""
        also = f" (also in {', '.join(check.also)})" if check.also else ""
        lines.append(
            f"| [{check.step}](#{check.anchor}){also} | {titles[check.step]}{where} | {check.severity} "
            f"| {', '.join(check.needs) or '-'} | `{check.alert}` |"
        )
    return "\n".join(lines) + "\n"
