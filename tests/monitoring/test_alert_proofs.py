"""Every alert has a proof that it reaches its receiver, and docs/MONITORING.md says which."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from cdcproof.monitoring.rules.alerts import every_alert
from tests.monitoring.alert_proofs import BROKEN, HERE, LOADED, MADE, PUSHED, SCARCE, table

ROOT = Path(__file__).parents[2]


def test_every_alert_is_shown_at_its_receiver_in_one_way() -> None:
    shown = Counter([*HERE, *MADE, *LOADED, *PUSHED])

    assert shown == dict.fromkeys([alert.name for alert in every_alert()], 1)
    assert set(BROKEN) | set(SCARCE) < set(shown)
    assert not set(BROKEN) & set(SCARCE)


def test_the_document_says_how_each_was_shown() -> None:
    assert table() in (ROOT / "docs/MONITORING.md").read_text()
