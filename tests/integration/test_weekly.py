"""The weekly checks of capacity on the embedded pipeline: the broker's own figures, and the kept history both ways."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.log_dirs import log_dirs
from cdcproof.findings import Verdict
from tests.integration.conftest import Pipelines

pytestmark = pytest.mark.integration

DAY = 86_400.0
GROWTH = ("weekly.3-source-growth", "weekly.3-topic-growth")
FULL = "weekly.3-days-until-full"


def test_the_broker_says_what_its_topics_take(healthy: Pipelines) -> None:
    kafka = Kafka(healthy.located().kafka)
    found: dict[str, int] = defaultdict(int)
    for host, port in kafka.addresses().values():
        for replica in log_dirs(host, port, kafka.login):
            found[replica.topic] += replica.size_bytes

    on_disk: dict[str, int] = defaultdict(int)
    for segment in (healthy.instance.folders.state).rglob("*-[0-9]*/[0-9]*.log"):
        on_disk[segment.parent.name.rpartition("-")[0]] += segment.stat().st_size
    tables = [table.topic for table in healthy.located().tables]
    assert {topic: found[topic] for topic in tables} == {topic: on_disk[topic] for topic in tables}
    assert min(found[topic] for topic in tables) > 0


def older(history: Path, factor: float) -> None:
    """As if what was just measured had been measured 21, 14 and 7 days ago, and had been that much of it."""
    told = json.loads(history.read_text())
    told["sizes"] = {
        name: [[values[-1][0] - days * DAY, values[-1][1] * factor] for days in (21, 14, 7)]
        for name, values in told["sizes"].items()
    }
    history.write_text(json.dumps(told))


def test_a_history_is_kept_and_judged(healthy: Pipelines) -> None:
    """All that is looked at on a Monday where there is neither a Prometheus nor a backup directory."""
    first = healthy.checks("weekly")
    assert first.verdicts() == dict.fromkeys((*GROWTH, FULL), Verdict.NOT_CHECKED), first.output
    assert "Too short a history" in first.output

    history = healthy.folder / "reports" / "capacity.json"
    older(history, -100.0)  # as if a hundred times as much as there is now were written in a week
    red = healthy.checks("weekly")
    assert red.verdicts() == {**dict.fromkeys(GROWTH, Verdict.PASSED), FULL: Verdict.FAILED}, red.output
    pasted = [healthy.paste(command) for command in red.step(FULL).action if not command.startswith("#")]
    assert "du -xh --max-depth=2" in red.step(FULL).action[0]
    assert [done.returncode for done in pasted] == [0] * len(pasted), pasted
    assert pasted

    older(history, 1.0)
    green = healthy.checks("weekly")
    assert green.verdicts() == dict.fromkeys((*GROWTH, FULL), Verdict.PASSED), green.output
    assert green.exit_status == 0
