"""The rule by which a table is streamed or pushed down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdcproof.databases.table_read import RowHash
from cdcproof.reconcile.checksums.strategy import Choice, Strategy, by_rule
from cdcproof.reconcile.plan.plan import Plan
from tests.reconcile.checksums.test_parts import PLAN

NATIVE = replace(
    PLAN,
    source=replace(PLAN.source, row_hash=RowHash.NATIVE),
    target=replace(PLAN.target, row_hash=RowHash.NATIVE),
)
UNHASHED = replace(PLAN, unhashed={"note": "text: this server cannot hash it"})


@pytest.mark.parametrize(
    ("plan", "rows", "strategy", "reason"),
    [
        (NATIVE, 10, Strategy.PUSH_DOWN, "both servers hash their rows faster than they send them"),
        (NATIVE, 10**9, Strategy.PUSH_DOWN, "both servers hash their rows faster than they send them"),
        (PLAN, 199_999, Strategy.PUSH_DOWN, "fewer than 200,000 rows are hashed before a stream begins"),
        (PLAN, 200_000, Strategy.STREAM, "rows that are hashed here ask the least of the source"),
        (UNHASHED, 10, Strategy.STREAM, "the only way to compare note (text: this server cannot hash it)"),
    ],
    ids=["native, small", "native, large", "MD5, small", "MD5, large", "no hash"],
)
def test_a_rule_chooses(plan: Plan, rows: int, strategy: Strategy, reason: str) -> None:
    assert by_rule(plan, rows) == Choice(strategy, reason)
