"""All sessions of a run lead to the same databases."""

from __future__ import annotations

from dataclasses import replace

from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.names import Column, TableName
from cdcproof.reconcile.engine import Options, Run, recognise, reconcile
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.report.result import TableStatus
from tests.reconcile.fake import FakeDatabase, FakeTable
from tests.reconcile.sides import FenceThen, Unwatched

HERE = Identity("7001", "shop", "16384", "00000001")


def _side() -> FakeDatabase:
    columns = (Column("id", "bigint", nullable=False),)
    return FakeDatabase({name: FakeTable(columns, ("id",), [(1,)]) for name in ("a", "b")}, is_of=HERE)


def _pair(name: str) -> TablePair:
    return TablePair(name, TableName("s", name), TableName("s", name))


def test_a_side_that_leads_elsewhere_in_the_middle_of_a_run_is_no_match() -> None:
    source, target = _side(), _side()
    asked: list[str] = []

    def fails_over(method: str) -> None:
        asked.append(method)
        if asked.count("identity") == 2:  # the second table's session
            target.is_of = replace(HERE, history="00000002")

    target.before = fails_over
    run = Run(source.endpoint(), target.endpoint(), lambda _: FenceThen(), Options(True, 1), Unwatched())
    results = list(reconcile(run, [_pair("a"), _pair("b")]))

    assert [result.status for result in results] == [TableStatus.MATCH, TableStatus.ERROR]
    assert "leads to another database than at the start" in results[1].error
    assert run.target.recognised.identity == HERE


def test_sides_are_known_before_anything_is_compared_where_they_can_be_opened() -> None:
    source, target = _side().endpoint(), _side().endpoint()
    recognise(source, target)
    assert (source.recognised.identity, target.recognised.identity) == (HERE, HERE)
