"""The round trip over two tables in memory, of which the target follows the source, or does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from cdcproof.core.errors import (
    CouldNotLookError,
    DeadlineError,
    OperationError,
    UnexpectedAnswerError,
    UnreachableError,
    UsageError,
)
from cdcproof.core.time_limit import time_limit
from cdcproof.databases.contracts.test_rows import Holds, SingleRow, Values
from cdcproof.databases.names import Column, TableName
from cdcproof.pipeline.model import RoundTrip
from cdcproof.validation.round_trip.journey import Traveller, travellers
from cdcproof.validation.round_trip.run import Ends, travel
from tests.pipelines import pipeline_of

Log = list[tuple[str, TableName, dict[str, Any]]]

ROW = {"id": 99999, "name": "Test"}
MARK = "__deleted"
FILTER = f"{MARK} IS DISTINCT FROM 'true'"
"""The only condition that a database in memory knows."""
CHANGED = {"id": 99999, "name": "Test, changed"}


@dataclass
class Memory:
    """A database; `apply` is called before every look, as a sink would."""

    rows: list[tuple[TableName, dict[str, Any]]] = field(default_factory=list)
    log: Log = field(default_factory=list)
    apply: Callable[[], None] = lambda: None
    spelling: Callable[[str], str] = str
    refuses_key: bool = False

    def columns(self, table: TableName) -> tuple[Column, ...]:
        return tuple(Column(self.spelling(name), "text", nullable=True) for name in ROW)

    def find(self, row: SingleRow) -> tuple[Values, ...]:
        self.apply()
        seen = [there for there in self._with_key(row) if not row.condition or there.get(MARK) != "true"]
        return tuple(tuple(there[c] for c in row.columns) for there in seen)

    def insert(self, row: SingleRow, holds: Holds, values: Mapping[str, Any]) -> bool:
        if not holds(tuple(values[column] for column in row.columns)):
            return False
        self.rows.append((row.table, dict(values)))
        self.log.append(("insert", row.table, dict(values)))
        return True

    def update(self, row: SingleRow, holds: Holds, changes: Mapping[str, Any]) -> bool:
        for there in self._with_key(row):
            there.update(changes)
            self.log.append(("update", row.table, dict(there)))
            return True
        return False

    def delete(self, row: SingleRow, holds: Holds) -> bool:
        for there in self._with_key(row):
            assert holds(tuple(there[column] for column in row.columns)), "a row that is not ours was deleted"
            self.rows.remove((row.table, there))
            self.log.append(("delete", row.table, dict(there)))
            return True
        return False

    def _with_key(self, row: SingleRow) -> list[dict[str, Any]]:
        return [there for table, there in self.rows if table == row.table and row.key.items() <= there.items()]

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class Pipe:
    """Source, target, and a sink that carries over what `drops` does not name, once it was asked `delay` times."""

    def __init__(self, *drops: str, delay: int = 2, elsewhere: bool = False, soft: bool = False) -> None:
        self.source = Memory()
        self.target = Memory(apply=self._carry)
        self.acts: list[str] = []
        self._soft = soft
        self._drops, self._delay, self._elsewhere = drops, delay, elsewhere
        self._done = self._asked = 0

    def _carry(self) -> None:
        if self._done == len(self.source.log):
            return
        self._asked += 1
        if self._asked < self._delay:
            return
        self._asked = 0
        for act, table, values in self.source.log[self._done :]:
            self._done += 1
            if act in self._drops or "everything" in self._drops:
                continue
            place = TableName("public", "other" if self._elsewhere else table.table)
            key = {self.target.spelling("id"): values["id"]}
            self.target.rows[:] = [
                (t, there) for t, there in self.target.rows if t != place or not key.items() <= there.items()
            ]
            if act != "delete":
                self.target.rows.append((place, {self.target.spelling(k): v for k, v in values.items()}))
            elif self._soft:  # as Debezium's rewrite leaves it of a source that logs the old key alone
                self.target.rows.append((place, {"id": values["id"], "name": None, MARK: "true"}))

    def ends(self) -> Ends:
        limits = RoundTrip(hop_seconds=0.2, deadline_seconds=0.2)
        return Ends(self.source, self.target, limits, self.acts.append, lambda _: None)

    def travel(self, *names: str):
        return travel(rows_of(*names, target_filter=FILTER if self._soft else None), self.ends())


def rows_of(*names: str, target_filter: str | None = None) -> tuple[Traveller, ...]:
    table = {"key": ["id"], "test_row": ROW, "test_update": {"name": "Test, changed"}, "target_filter": target_filter}
    return travellers(
        pipeline_of(
            tables=[
                {**table, "name": n, "source": f"dbo.{n}", "target": f"public.{n}", "topic": n}
                for n in names or ("customers",)
            ]
        )
    )


SOURCE, TARGET = TableName("dbo", "customers"), TableName("public", "customers")


@pytest.fixture(autouse=True)
def _clean_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdcproof.validation.round_trip.run._CLEAN_UP_SECONDS", 0.1)


def test_every_hop_is_seen_and_nothing_remains() -> None:
    pipe = Pipe()

    journey = pipe.travel("customers", "orders")

    assert journey.found() == journey.expected()
    assert list(journey.seconds()) == [
        f"{t}: {a}" for a in ("insert", "update", "delete") for t in ("customers", "orders")
    ]
    assert pipe.source.rows == pipe.target.rows == []
    assert journey.leftovers == ()


def test_a_soft_delete_is_seen_to_arrive_and_what_is_left_of_the_row_is_taken_away_each_time() -> None:
    pipe = Pipe(soft=True)

    for _ in range(3):
        journey = pipe.travel("customers", "orders")

        assert journey.found() == journey.expected()
        assert journey.leftovers == ()
        assert pipe.target.rows == []
    assert "delete at the target: the test row of public.customers, marked as deleted, with id = 99999" in pipe.acts


def test_a_soft_delete_that_never_comes_is_seen_as_that() -> None:
    pipe = Pipe("delete", soft=True)

    found = pipe.travel().found()

    assert found["customers: delete"] == "not within 0.2 s: the row as it was updated"
    assert found["customers: test row"] == "removed on both sides"


@pytest.mark.parametrize("name", [None, "", "Test", "Test, changed"])
def test_a_marked_row_that_an_earlier_run_left_is_removed_and_told(name: str | None) -> None:
    pipe = Pipe(soft=True)
    pipe.target.rows.append((TARGET, {"id": 99999, "name": name, MARK: "true"}))

    journey = pipe.travel()

    assert journey.found() == journey.expected()
    assert journey.leftovers == ("public.customers at the target: the row, marked as deleted, with id = 99999",)


@pytest.mark.parametrize(("name", "mark"), [("Somebody", "true"), (None, "false"), ("Somebody", "false")])
def test_a_row_of_somebody_else_is_not_touched_though_deletes_are_soft(name: str | None, mark: str) -> None:
    pipe = Pipe(soft=True)
    theirs = (TARGET, {"id": 99999, "name": name, MARK: mark})
    pipe.target.rows.append(theirs)

    with pytest.raises(UsageError, match="that is not ours"):
        pipe.travel()
    assert pipe.target.rows == [theirs]
    assert pipe.acts == []


def test_rows_are_inserted_in_order_and_deleted_in_the_opposite_one() -> None:
    pipe = Pipe()

    pipe.travel("customers", "orders")

    assert [(act, table.table) for act, table, _ in pipe.source.log] == [
        ("insert", "customers"), ("insert", "orders"),
        ("update", "customers"), ("update", "orders"),
        ("delete", "orders"), ("delete", "customers"),
    ]  # fmt: skip


def test_every_act_is_written_down_before_it_is_done_and_again_when_it_is() -> None:
    pipe = Pipe()
    seen: list[int] = []
    ends = pipe.ends()
    journey = travel(
        rows_of(), Ends(ends.source, ends.target, ends.limits, lambda _: seen.append(len(pipe.source.log)), print)
    )

    assert journey.found() == journey.expected()
    assert seen == [0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("drops", "missed", "reported"),
    [
        ("everything", {"customers: insert"}, "no row"),
        ("update", {"customers: update"}, "the row as it was inserted"),
        ("delete", {"customers: delete"}, "the row as it was updated"),
    ],
)
def test_a_sink_that_drops_something_is_told_by_its_hop_and_nothing_remains(
    drops: str, missed: set[str], reported: str
) -> None:
    pipe = Pipe(drops)

    journey = pipe.travel()

    wrong = {subject: found for subject, found in journey.found().items() if found != journey.expected()[subject]}
    assert set(wrong) == missed
    assert reported in next(iter(wrong.values()))
    assert pipe.source.rows == pipe.target.rows == []


def test_a_sink_that_writes_to_another_table() -> None:
    pipe = Pipe(elsewhere=True)

    journey = pipe.travel()

    assert journey.found()["customers: insert"] == "not within 0.2 s: no row"
    assert pipe.source.rows == []
    assert [act for act, _, _ in pipe.source.log] == ["insert", "delete"]


def test_one_table_that_is_not_replicated_leaves_the_others_their_verdict() -> None:
    pipe = Pipe()
    carry = pipe.target.apply

    def carry_all_but_customers() -> None:
        carry()
        pipe.target.rows[:] = [(t, r) for t, r in pipe.target.rows if t != TARGET]

    pipe.target.apply = carry_all_but_customers

    journey = pipe.travel("customers", "orders")

    assert set(journey.seconds()) == {"orders: insert", "orders: update", "orders: delete"}
    assert "customers: update" not in journey.found()
    assert pipe.source.rows == pipe.target.rows == []


@pytest.mark.parametrize("values", [ROW, CHANGED])
def test_what_a_killed_run_left_is_removed_first(values: dict[str, Any]) -> None:
    pipe = Pipe()
    pipe.source.rows.append((SOURCE, dict(values)))
    pipe.target.rows.append((TARGET, dict(values)))

    journey = pipe.travel()

    assert len(journey.leftovers) == 2
    assert journey.found() == journey.expected()
    assert [act for act, _, _ in pipe.source.log] == ["delete", "insert", "update", "delete"]


def test_what_a_killed_run_left_at_the_target_alone_is_removed_there() -> None:
    pipe = Pipe("delete")
    pipe.target.rows.append((TARGET, dict(CHANGED)))

    journey = pipe.travel()

    assert "public.customers at the target" in journey.leftovers[0]
    assert pipe.acts[0] == "delete at the target: the test row of public.customers with id = 99999"
    assert journey.seconds().keys() == {"customers: insert", "customers: update"}


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_key_that_is_taken_is_refused_before_anything_is_written(side: str) -> None:
    pipe = Pipe()
    foreign = (SOURCE if side == "source" else TARGET, {"id": 99999, "name": "Bob from accounting"})
    getattr(pipe, side).rows.append(foreign)

    with pytest.raises(UsageError) as raised:
        pipe.travel("orders", "customers")

    assert f"at the {side} has a row with id = 99999 that is not ours" in raised.value.message
    assert "Bob" not in str(raised.value)
    assert getattr(pipe, side).rows == [foreign]
    assert pipe.source.log == []
    assert pipe.acts == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, UnreachableError("gone")])
def test_whatever_happens_on_the_way_the_row_is_removed(error: Any) -> None:
    pipe = Pipe()
    carry = pipe.target.apply

    def fail_while_it_is_on_its_way() -> None:
        carry()
        if pipe.source.rows:
            raise error

    pipe.target.apply = fail_while_it_is_on_its_way

    with pytest.raises((KeyboardInterrupt, CouldNotLookError)):
        pipe.travel()

    assert pipe.source.rows == pipe.target.rows == []


def test_a_run_whose_time_is_over_still_has_time_to_remove_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdcproof.core.time_limit._AGAIN_SECONDS", 0.02)  # while the clean-up takes 0.1
    pipe = Pipe("delete")
    carry = pipe.target.apply

    def hang_once_inserted() -> None:
        carry()
        if pipe.source.rows and pipe.target.rows:
            threading.Event().wait()

    pipe.target.apply = hang_once_inserted

    with pytest.raises(DeadlineError, match="The run's time is over"), time_limit(0.3, "The run's time is over."):
        pipe.travel()

    assert pipe.source.rows == pipe.target.rows == []


def test_a_database_that_is_gone_leaves_the_row_and_says_so() -> None:
    pipe = Pipe()

    def gone_once_inserted() -> None:
        if pipe.source.log:
            raise UnreachableError("The target is gone.")

    pipe.target.apply = gone_once_inserted

    with pytest.raises(OperationError, match=r"(?s)The target is gone.*A test row could not be removed: customers"):
        pipe.travel()


def test_a_row_that_cannot_be_removed_is_said_to_remain() -> None:
    pipe = Pipe("delete")
    pipe.target.delete = lambda *_: False  # type: ignore[method-assign]

    journey = pipe.travel()

    assert journey.found()["customers: test row"] == "the target has the row as it was updated"


LOCKED = UnexpectedAnswerError("public.orders was locked for more than 5 s.")


def locked_at_the_target(pipe: Pipe, once: Callable[[], bool], names: Collection[str] = ("orders",)) -> list[str]:
    """Lock these tables once that holds; returns the looks at them that failed, which take seconds."""
    failed: list[str] = []
    found, deleted = pipe.target.find, pipe.target.delete

    def refuse(row: SingleRow) -> None:
        if row.table.table in names and once():
            failed.append(row.table.table)
            raise LOCKED

    def find(row: SingleRow) -> tuple[Values, ...]:
        pipe.target.apply()  # the sink waits for that table alone
        refuse(row)
        return found(row)

    def delete(row: SingleRow, holds: Holds) -> bool:
        refuse(row)
        return deleted(row, holds)

    pipe.target.find, pipe.target.delete = find, delete  # type: ignore[method-assign]
    return failed


def test_one_table_that_is_locked_keeps_no_other_row_from_being_removed() -> None:
    pipe = Pipe("delete")  # so that rows at the target are ours to remove
    locked_at_the_target(pipe, lambda: bool(pipe.source.log) and not pipe.source.rows)

    def gone(*_: object) -> bool:
        raise UnreachableError("The source restarts.")

    pipe.source.update = gone  # type: ignore[method-assign]

    with pytest.raises(OperationError) as raised:
        pipe.travel("customers", "orders")

    why, remains = raised.value.message.split("\nA test row could not be removed: ")
    assert why == "The source restarts."
    assert remains == f"orders: the target's may still be there: {LOCKED.message}"
    assert pipe.source.rows == []
    assert [table.table for table, _ in pipe.target.rows] == ["orders"]


def test_many_locked_tables_are_not_all_waited_for_and_each_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"t{number}" for number in range(9)]
    pipe = Pipe()

    def once_inserted() -> bool:
        if pipe.source.log:
            monkeypatch.setattr("cdcproof.validation.round_trip.run._REMOVING_SECONDS", 0.0)
        return bool(pipe.source.log)

    failed = locked_at_the_target(pipe, once_inserted, names)

    with pytest.raises(OperationError) as raised:
        pipe.travel(*names)

    looks = failed[-len(names) :]
    assert sorted(looks) == names, "once each at the end of the wait for the insert, and never in the clean-up"
    for name in names:
        assert f"{name}: it may still be there: no time was left after 0 s" in raised.value.message


def test_a_row_that_could_not_be_known_again_is_not_inserted() -> None:
    pipe = Pipe()
    pipe.source.insert = lambda *_: False  # type: ignore[method-assign]

    with pytest.raises(UsageError, match="does not give back the test row") as raised:
        pipe.travel()

    assert "customers's test_row" in raised.value.remedy
    assert pipe.target.rows == []


def test_somebody_who_takes_our_row_is_named() -> None:
    pipe = Pipe()
    pipe.source.update = lambda *_: False  # type: ignore[method-assign]

    with pytest.raises(OperationError, match="The update was not made"):
        pipe.travel()

    assert pipe.source.rows == []


def test_columns_are_found_at_the_target_in_its_own_spelling() -> None:
    pipe = Pipe()
    pipe.target.spelling = str.upper

    journey = pipe.travel()

    assert journey.found() == journey.expected()


def test_a_pipeline_without_a_test_row_is_told_how_to_make_one() -> None:
    with pytest.raises(UsageError) as raised:
        travel((), Pipe().ends())

    assert "test_row" in raised.value.remedy
