"""Expressions of dashboards as a parser sees them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import promql_parser

from cdcproof.monitoring.dashboards.model import filled
from tests import yaml_files

RULES = Path(__file__).parents[2] / "monitoring" / "prometheus" / "rules"
LIBRARY = Path(__file__).parents[2] / "src" / "cdcproof"


def ready(expression: str, instance: str = ".*", pipeline: str = "test", rate_seconds: int = 60) -> str:
    """An expression as Grafana sends it."""
    sent = filled(expression, instance=instance, pipeline=pipeline, rate_seconds=rate_seconds, range_seconds=6 * 3600)
    assert "$" not in sent, f"an unknown variable: {sent}"
    return sent


def metrics_of(expression: str) -> set[str]:
    """The names of all metrics that an expression selects. Raises `ValueError` where it is not PromQL."""
    tree = promql_parser.parse(expression)
    found: set[str] = set()
    left: list[Any] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name, f"a selector without a name: {expression}"
            found.add(node.name)
        for part in ("expr", "lhs", "rhs", "param", "vs", "vector_selector"):
            child = getattr(node, part, None)
            if child is not None:
                left.append(child)
        left.extend(getattr(node, "args", None) or [])
    return found


def recorded_names() -> set[str]:
    """Every metric that a recording rule makes."""
    return {
        rule["record"]
        for path in RULES.glob("*.yml")
        for group in yaml_files.read(path)["groups"]
        for rule in group["rules"]
        if "record" in rule
    }


def names_in_library() -> set[str]:
    """Every text of the library that could be a metric's name: what is served or pushed is written somewhere in it."""
    return {
        name
        for path in LIBRARY.rglob("*.py")
        if "dashboards" not in path.parts
        for name in re.findall(
            r'"((?:cdcproof|reconciliation|connector|kafka_connect)_[a-z0-9_]+)"', path.read_text(encoding="utf-8")
        )
    }
