"""Comparing the contents of one open table: plan, checksums, rows of chunks that differ, in flight or lost, result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from cdcproof.reconcile.checksums.checkpoint import Kept
from cdcproof.reconcile.checksums.narrowing import narrowed
from cdcproof.reconcile.checksums.parts import Part
from cdcproof.reconcile.checksums.strategy import Means, Strategy, Way
from cdcproof.reconcile.checksums.table import summed
from cdcproof.reconcile.comparison import Comparison, Side
from cdcproof.reconcile.concurrency import both
from cdcproof.reconcile.differences import Key
from cdcproof.reconcile.in_flight.fence import SeenAtTarget
from cdcproof.reconcile.in_flight.settle import Seen, Settled, settle
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.plan.planning import planned
from cdcproof.reconcile.report.result import SelfProof, TableResult
from cdcproof.reconcile.report.verdict import Rows, judged
from cdcproof.reconcile.rows.differing_chunks import ByValue
from cdcproof.reconcile.self_proof.proof import Prover, judged_by

_SELF_PROOF = "self-proof"


def compare_contents(comparison: Comparison, means: Means | None = None, checkpoint: Kept | None = None) -> TableResult:
    """Compare every row of both sides. Raises `CouldNotLookError` when that cannot be done."""
    source, target, stop = comparison.source, comparison.target, comparison.stop
    seconds: dict[str, float] = {}
    with _phase("plan", seconds):
        first, rows = planned(comparison.table, source, target, stop)
    with _phase("sums", seconds):
        read = summed(
            first,
            source,
            target,
            means or Means(progress=comparison.progress),
            stop,
            rows=rows,
            checkpoint=checkpoint,
            prove=lambda way, parts: _proven(Prover(source, target, stop), way, parts, seconds),
        )
    seconds["sums"] = round(max(0.0, seconds["sums"] - seconds.get(_SELF_PROOF, 0.0)), 3)
    plan, balance = read.plan, read.balance
    with _phase("rows", seconds):
        smaller, left = plan, balance
        if read.choice.strategy is Strategy.PUSH_DOWN:  # else the servers' hash would have to see what the stream saw
            smaller, left = narrowed(plan, balance, source.database, target.database, stop)
        by_value, began = ByValue(smaller, source.database, target.database, stop), time.monotonic()
        found = by_value.differences(left, lambda what: comparison.progress(what, 0, 0))
    with _phase("settle", seconds):
        seen = Seen(found.found, began) if by_value.is_look else None
        keys = () if seen else [difference.key for difference in found.found]
        settled = look_again(comparison, plan, keys, seen)
    result = judged(
        comparison.table.name,
        plan,
        Rows(balance.source_rows, balance.target_rows),
        found,
        settled,
        unseen=unseen(comparison, plan),
        key_limit=comparison.key_limit,
    )
    result = judged_by(result, read.proof)
    return replace(
        result, strategy=read.choice.strategy, reason=read.choice.reason, resumed=read.resumed, timings=seconds
    )


def _proven(prover: Prover, way: Way, parts: Sequence[Part], seconds: dict[str, float]) -> SelfProof:
    with _phase(_SELF_PROOF, seconds):
        return prover.prove(way, parts)


def unseen(comparison: Comparison, plan: Plan) -> tuple[str, ...]:
    """Columns left out in which a row of either side holds data, as the source names them. Raises `CouldNotLookError`."""
    table = comparison.table
    source, target = (
        {column.name: one.name for one in plan.left_out if (column := (one.source, one.target)[side])}
        for side in (0, 1)
    )
    at_source, at_target = both(
        comparison.stop,
        lambda: comparison.source.database.catalogue.columns_with_data(
            table.source, tuple(source), table.source_filter
        ),
        lambda: comparison.target.database.catalogue.columns_with_data(
            table.target, tuple(target), table.target_filter
        ),
    )
    held = {source[name] for name in at_source} | {target[name] for name in at_target}
    return tuple(one.name for one in plan.left_out if one.name in held)


def look_again(
    comparison: Comparison, plan: Plan, keys: Sequence[Key], seen: Seen | None = None, *, as_written: bool = False
) -> Settled:
    """Which of these keys, and those of `seen`, differ, as every comparison proves it. Raises as `settle`.

    `as_written`: of a key that a sink has just written, another spelling of it is not looked for (`Rows.rows_by_key`).
    """
    source, target = comparison.source.database, comparison.target.database
    return settle(
        keys,
        plan.source.key_width,
        lambda some: source.rows.rows_by_key(plan.source, some, as_written=as_written),
        lambda some: target.rows.rows_by_key(plan.target, some, as_written=as_written),
        fence=SeenAtTarget(comparison.fence, target.log),
        progress=lambda what: comparison.progress(what, 0, 0),
        seen=seen,
    )


def canonical_keys(source: Side, plan: Plan, keys: Sequence[tuple[str | None, ...]]) -> list[Key]:
    """Keys as the source writes them, in canonical bytes: the source itself converts them."""
    columns = [
        [one.part for one in source.database.checksums.literal_forms(read.column, read.form, values)]
        for read, values in zip(plan.source.key, zip(*keys, strict=True), strict=True)
    ]
    return list(zip(*columns, strict=True))


@contextmanager
def _phase(name: str, seconds: dict[str, float]) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - started, 3)
