"""Tests of acts on Kafka Connect, whose fakes change from look to look."""

from __future__ import annotations

import pytest

from cdcproof.connectors import control


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing happens between two looks that is worth a wait."""
    monkeypatch.setattr(control, "_INTERVAL_SECONDS", 0.01)
