"""Two faults at once: both causes are red, each names its object, and what follows from either is blocked; nothing else minds."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from itertools import combinations

import pytest

from cdcproof.findings import Verdict
from tests.drills.injections import INJECTIONS, Injection, expected, text
from tests.integration.conftest import Pipelines

pytestmark = pytest.mark.integration

BY_NAME = {one.name: one for one in INJECTIONS}
FIXED = (("there is no report", "a table is gone at the target"),)
"""That of `make test`: it restarts nothing."""
SEED = int(os.environ.get("CDCPROOF_DRILLS_SEED") or random.SystemRandom().randrange(10**6))
PAIRS = random.Random(SEED).sample(list(combinations(INJECTIONS, 2)), 10)
"""Of `make drills`, which prints the seed; $CDCPROOF_DRILLS_SEED draws the same again."""


def together(healthy: Pipelines, *faults: Injection) -> None:
    with ExitStack() as injected:
        for fault in reversed(faults):  # services are killed last: the other faults are made by them
            injected.enter_context(fault.made(healthy))
        outcome = healthy.morning()
    right = expected(healthy.healthy, faults)
    assert outcome.verdicts() == right, outcome.output
    for fault in faults:
        for step, (_, words) in fault.seen.items():
            is_blocked = right[step] is Verdict.BLOCKED
            assert is_blocked or words in text(outcome.step(step)), f"{step} does not name {words}"
    causes = {step for step, verdict in right.items() if verdict in (Verdict.FAILED, Verdict.NOT_CHECKED)}
    for step in (step for step in outcome.run.steps if step.verdict is Verdict.BLOCKED):
        assert any(cause in step.reason for cause in causes), f"{step.step}: {step.reason}"


@pytest.mark.parametrize("names", FIXED, ids=" and ".join)
def test_two_faults_at_once(healthy: Pipelines, names: tuple[str, ...]) -> None:
    together(healthy, *(BY_NAME[name] for name in names))


@pytest.mark.skipif(not os.environ.get("CDCPROOF_DRILLS"), reason="takes minutes: run by `make drills`, which sets it")
@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_two_faults_that_were_drawn(healthy: Pipelines, number: int) -> None:
    pair = PAIRS[number]
    print(f"seed {SEED}: {pair[0].name} and {pair[1].name}")
    together(healthy, *pair)
