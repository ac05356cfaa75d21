"""Drills take minutes: `make drills` runs them, and `make test` leaves them out."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `-m drill` they are not selected."""
    if "drill" in (config.getoption("markexpr") or ""):
        return
    folder = Path(__file__).parent
    ours = [item for item in items if folder in item.path.parents]
    if ours:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]
