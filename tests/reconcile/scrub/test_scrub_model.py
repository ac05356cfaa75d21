"""Two tables under any sequence of losses, scrubs, failures, kills and servers that became others: a MATCH is never over a lost change.

More examples: ``SCRUB_EXAMPLES=2000 pytest tests/reconcile/scrub/test_scrub_model.py -k TestBy``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from copy import deepcopy
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from cdcproof.core.errors import UnreachableError
from cdcproof.reconcile.report.result import TableStatus
from tests.reconcile.scrub.world import (
    ADDED,
    ALL_SLICES,
    COLUMNS,
    KEYS,
    NAMES,
    ChangeTables,
    Killed,
    Reading,
    Restless,
    Slices,
    Slot,
    Surprise,
    World,
    fail,
    folder_in_memory,
    in_one_thread,
    kill,
    small,
)

EXAMPLES = int(os.environ.get("SCRUB_EXAMPLES", "0"))
SEQUENCES: dict[str, Any] = {"stateful_step_count": 11, "deadline": None, "derandomize": not EXAMPLES}
"""The same sequences at every run, unless more of them are asked for."""
keys = st.sampled_from(KEYS)
values = st.none() | st.integers(0, 2)
tables = st.sampled_from(NAMES)
some_tables = st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a")])
places = st.sampled_from(["source", "target", "feed", "file"])
times = st.integers(1, 12)
budgets = st.sampled_from([1, 1, 1, 2, ALL_SLICES])
moments = st.tuples(places, times)
one_scrub = st.tuples(some_tables, budgets)
thens = st.tuples(
    st.lists(one_scrub, min_size=1, max_size=2), st.sampled_from(["proven", "proven", "equal", "as it is"])
)
rows = st.tuples(tables, keys, values)
hows = st.sampled_from(["another server", "another history", "tables made anew"])
ANOTHER = 9
"""A value that nothing else writes."""
Row = tuple[str, int, int | None]
Budgeted = tuple[tuple[str, ...], int]
Then = tuple[list[Budgeted], str]


class Scrubs(RuleBasedStateMachine):
    """Each rule loses something in its own way, and scrubs: once or again, since what was found has to be found until it is equal."""

    feed = Slot

    def __init__(self) -> None:
        super().__init__()
        self.patches = ExitStack()
        self.world = World(self.patches.enter_context(folder_in_memory()) / "state", self.feed)
        self.patches.enter_context(small())
        self.patches.enter_context(in_one_thread())
        self.world.load()
        self.world.scrub(*NAMES, slices=ALL_SLICES)

    def teardown(self) -> None:
        self.patches.close()

    def scrub(self, *scrubs: Budgeted) -> None:
        for names, slices in scrubs:
            self.world.judged(self.world.scrub(*names, slices=slices))

    def go_on(self, then: Then) -> None:
        """Scrub. Mostly all that was lost is written again after that: else nothing is a MATCH any more, and nothing can be a false one."""
        scrubs, end = then
        self.scrub(*scrubs)
        if end == "proven":
            self.prove()
        elif end == "equal":
            self.make_equal()

    def prove(self) -> None:
        """All that was lost is written again, and all of it is a MATCH then."""
        self.make_equal()
        results = self.world.judged(self.world.scrub(*NAMES, slices=ALL_SLICES))
        assert {one.status for one in results} == {TableStatus.MATCH}, results

    def make_equal(self) -> None:
        with self.world.unseen():
            for name, table in self.world.source.tables_held.items():
                self.world.target.tables_held[name].rows = list(table.rows)
            self.world.target.log_end += 1

    def lose(self, lost: Row | None) -> None:
        if lost:
            self.world.write(*lost, arrives=False)

    @rule(row=rows, late=st.booleans(), then=thens)
    def write(self, row: Row, late: bool, then: Then) -> None:
        self.world.write(*row, late=late)
        self.go_on(then)

    @rule(lost=rows, names=some_tables, then=thens)
    def lose_a_change(self, lost: Row, names: tuple[str, ...], then: Then) -> None:
        """A row is missing at the target, stale or left over. It is found by the feed once, and has to be found until it is equal."""
        self.prove()
        self.lose(lost)
        self.scrub((names, 1), (names, 1))
        self.go_on(then)

    @rule(row=rows, then=thens)
    def lose_the_change_back(self, row: Row, then: Then) -> None:
        """A row is changed, which is on its way, and changed back, which is lost."""
        name, key, _ = row
        before = {one[0]: one[1] for one in self.world.tables(self.world.source)[name]}
        self.world.write(*row, late=True)
        self.lose((name, key, before.get(key)))
        self.go_on(then)

    @rule(name=tables, key=keys, to=keys, arrives=st.booleans(), then=thens)
    def move(self, name: str, key: int, to: int, arrives: bool, then: Then) -> None:
        self.world.move(name, key, to, arrives=arrives)
        self.go_on(then)

    @rule(row=rows, then=thens)
    def change_the_target(self, row: Row, then: Then) -> None:
        self.world.change_target(*row)
        self.go_on(then)

    @rule(
        lost=st.none() | rows,
        scrub=one_scrub,
        stuck_or_locked=st.sampled_from([("", ""), ("", ""), ("a", ""), ("b", ""), ("", "a"), ("", "b")]),
        surprise=st.tuples(places, times, st.sampled_from([fail, kill])),
        then=thens,
    )
    def scrub_in_vain(
        self,
        lost: Row | None,
        scrub: Budgeted,
        stuck_or_locked: tuple[str, str],
        surprise: tuple[str, int, Callable[[], None]],
        then: Then,
    ) -> None:
        """Something fails in the midst of it, or the process is killed there."""
        self.lose(lost)
        stuck, unreadable = stuck_or_locked
        with suppress(Killed):
            results = self.world.scrub(
                *scrub[0], slices=scrub[1], stuck=stuck, unreadable=unreadable, surprise=Surprise(*surprise)
            )
            self.world.judged(results, failed=True)
        self.go_on(then)

    @rule(scrub=one_scrub, at=moments, row=rows, becomes=st.sampled_from(["arrives", "late", "lost"]), then=thens)
    def write_during_a_scrub(self, scrub: Budgeted, at: tuple[str, int], row: Row, becomes: str, then: Then) -> None:
        names, slices = scrub
        write = partial(self.world.write, *row, arrives=becomes != "lost", late=becomes == "late")
        self.world.judged(self.world.scrub(*names, slices=slices, surprise=Surprise(*at, write)))
        self.go_on(then)

    @rule(lost=rows, slices=budgets, then=thens)
    def scrub_while_a_row_moves(self, lost: Row, slices: int, then: Then) -> None:
        """What never stands still is not known, and proves nothing."""
        self.prove()
        self.lose(lost)
        restless = Restless(self.world, *lost[:2])
        self.world.judged(self.world.scrub(*NAMES, slices=slices, surprise=restless))
        self.go_on(then)

    @rule(how=hows, name=tables, key=keys, then=thens)
    def replace_the_source(self, how: str, name: str, key: int, then: Then) -> None:
        """What answers is another server, a standby or a restore, or its tables were filled anew: with another row, that no feed shows."""
        self._replace("source", how, name, key)
        self.go_on(then)

    @rule(how=hows, name=tables, key=keys, then=thens)
    def replace_the_target(self, how: str, name: str, key: int, then: Then) -> None:
        self._replace("target", how, name, key)
        self.go_on(then)

    def _replace(self, side: str, how: str, name: str, key: int) -> None:
        self.prove()
        self.world.set(self.world.replaced(side, how), name, key, ANOTHER)
        self.world.look()

    @rule(side=st.sampled_from(["source", "target"]), by=st.integers(1, 6), row=rows)
    def set_a_log_back(self, side: str, by: int, row: Row) -> None:
        """A disk is put back, without a new history; what was written since is gone from there."""
        world = self.world
        with world.unseen():
            if side == "target":
                world.set(world.target, *row)
                world.target.log_end -= by + 1
            else:
                self._set_the_source_back(by)
        self.scrub((NAMES, 1))

    def _set_the_source_back(self, by: int) -> None:
        source = self.world.source
        source.log_end -= by
        for at, name, key in [one for one in source.changes if one[0] > source.log_end]:
            table = source.tables_held[name]
            table.rows = [row for row in table.rows if row[0] != key]
            source.changes.remove((at, name, key))
        source.slot = min(source.slot, source.log_end)

    @rule(lost=rows, between=st.lists(one_scrub, max_size=2), then=thens)
    def put_a_copy_of_the_proofs_back(self, lost: Row, between: list[Budgeted], then: Then) -> None:
        """The machine that scrubs is restored from before."""
        world = self.world
        files = {path: path.read_bytes() for path in world.folder.rglob("*.json")}
        known = deepcopy(world.read_at), dict(world.logs)
        self.lose(lost)
        self.scrub(*between)
        for path in world.folder.rglob("*.json"):
            path.unlink()
        for path, data in files.items():
            path.write_bytes(data)
        world.read_at, world.logs = known
        self.go_on(then)

    @rule(lost=rows, then=thens)
    def make_the_feed_anew(self, lost: Row, then: Then) -> None:
        """The slot, or capture: it shows what is written from now on. So it is when somebody else's scrub moves the slot on, or the clean-up."""
        self.lose(lost)
        source = self.world.source
        source.slot = source.log_end
        source.starts = dict.fromkeys(NAMES, source.log_end)
        self.go_on(then)

    @rule(lost=rows, then=thens, is_scrubbed=st.booleans())
    def leave_a_change_out_of_the_feed(self, lost: Row, then: Then, is_scrubbed: bool) -> None:
        """The tables are not published for a while, and are so again."""
        source = self.world.source
        source.unpublished = NAMES
        self.lose(lost)
        source.changes.pop()
        if is_scrubbed:
            self.scrub(*then[0])
        source.unpublished, source.followed_since = (), source.followed_since + 1
        self.go_on(then)

    @rule(is_new=st.booleans(), filled=st.booleans(), then=thens)
    def alter_the_tables(self, is_new: bool, filled: bool, then: Then) -> None:
        """A column comes, whose default no log shows, or goes."""
        self.world.alter((*COLUMNS, ADDED) if is_new else COLUMNS, filled=filled)
        self.go_on(then)


class ScrubsByChangeTables(Scrubs):
    """The same with a SQL Server's feed."""

    feed = ChangeTables


TestBySlot = Scrubs.TestCase
TestBySlot.settings = settings(max_examples=EXAMPLES or 36, **SEQUENCES)
TestByChangeTables = ScrubsByChangeTables.TestCase
TestByChangeTables.settings = settings(max_examples=EXAMPLES or 12, **SEQUENCES)


@pytest.fixture
def world() -> Iterator[World]:
    """Both tables proven."""
    with small(), in_one_thread(), folder_in_memory() as folder:
        made = World(folder)
        made.load()
        assert [one.status for one in made.scrub(*NAMES, slices=ALL_SLICES)] == [TableStatus.MATCH] * 2
        yield made


def test_a_scrub_of_one_table_leaves_the_changes_of_the_other_to_its_own(world: World) -> None:
    world.write("b", 3, 9, arrives=False)
    (a,) = world.scrub("a")
    a_again, b = world.scrub("a", "b")

    assert (a.status, a_again.status) == (TableStatus.MATCH, TableStatus.MATCH)
    assert b.example_keys == ("changed 3 (v)",)
    assert b.scrubbed
    assert (b.scrubbed.changed_keys, b.scrubbed.not_used) == (1, ())


def test_tables_that_are_scrubbed_one_by_one_stay_proven_and_the_slot_moves_on(world: World) -> None:
    for value in range(1, 4):
        for name in NAMES:
            world.write(name, 3, value, arrives=True)
            (result,) = world.scrub(name)
            assert result.status is TableStatus.MATCH
    assert world.source.slot >= world.source.log_end - 1, "no more is held back than the other table needs"


def test_the_slot_does_not_wait_for_ever_for_a_table_that_is_not_scrubbed(world: World) -> None:
    world.write("b", 3, 9, arrives=True)
    world.now += timedelta(hours=1e6 + 1)
    world.scrub("a")
    assert world.source.slot == world.source.log_end

    (b,) = world.scrub("b")
    assert b.status is TableStatus.ERROR
    assert b.scrubbed
    assert b.scrubbed.not_used == ("earlier proofs are not used: dropped",)


@pytest.mark.parametrize("is_first", [False, True])
def test_a_change_back_that_was_lost_is_found_while_the_change_before_it_is_on_its_way(
    world: World, is_first: bool
) -> None:
    """Both sides are equal when they are looked at, and nothing shows what arrives after that."""
    if is_first:
        world.folder /= "nothing is proven"
    world.write("b", 3, 9, late=True)
    world.write("b", 3, 0, arrives=False)

    assert world.scrub("b", slices=ALL_SLICES)[0].example_keys == ("changed 3 (v)",)


def test_tables_without_changes_wait_for_no_fence(world: World) -> None:
    world.write("a", 3, 9)
    a, b = world.scrub("a", "b", stuck="b")
    assert (a.status, a.method) == (TableStatus.MATCH, "position")
    assert (b.status, b.method) == (TableStatus.MATCH, "none needed")


def test_the_budget_begins_when_what_was_written_has_arrived(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a fence that takes as long as the budget leaves nothing of it for slices, run after run."""
    order: list[str] = []

    def begun(budget: float) -> Slices:
        order.append("the budget begins")
        return Slices(budget)

    monkeypatch.setattr("tests.reconcile.scrub.world.Slices", begun)
    monkeypatch.setattr(world, "arrive", lambda: order.append("arrived"))
    world.write("a", 3, 9, arrives=False)
    world.scrub("a")
    assert order[0] == "arrived"
    assert order.count("the budget begins") == 1


@pytest.mark.parametrize("failing", [{"stuck": "b"}, {"unreadable": "b"}])
def test_the_changes_of_a_table_that_failed_come_again(world: World, failing: dict[str, str]) -> None:
    world.write("b", 3, 9, arrives=False)
    a, b = world.scrub("a", "b", **failing)  # type: ignore[arg-type]
    assert (a.status, b.status) == (TableStatus.MATCH, TableStatus.ERROR)
    assert (b.checksums_match, b.source_rows, b.missing_at_target) == (None, None, None)

    _, b = world.scrub("a", "b")
    assert b.example_keys == ("changed 3 (v)",)


def test_proofs_of_one_target_say_nothing_of_another(world: World) -> None:
    proven, world.target = world.target, world.server(Reading)
    world.target.tables_held = deepcopy(proven.tables_held)
    world.target.tables_held["b"].rows.pop()
    result = world.scrub("b")[0]
    assert result.status is not TableStatus.MATCH
    assert result.scrubbed
    assert result.scrubbed.not_used == ("earlier proofs are not used: the target's database changed since",)


def test_a_column_that_went_and_came_again_between_two_scrubs_is_another_one(world: World) -> None:
    """No log shows the default that its rows have then at the source alone."""
    world.alter((*COLUMNS, ADDED))
    assert [one.status for one in world.scrub(*NAMES, slices=ALL_SLICES)] == [TableStatus.MATCH] * 2
    world.alter(COLUMNS)
    world.alter((*COLUMNS, ADDED), filled=False)
    for result in world.scrub(*NAMES):
        assert result.status is not TableStatus.MATCH
        assert result.scrubbed
        assert result.scrubbed.not_used == (
            "earlier proofs are not used: the source's table, the target's table changed since",
        )


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_server_that_was_set_back_without_a_new_history_is_noticed_by_its_log(world: World, side: str) -> None:
    server = getattr(world, side)
    server.log_end -= 1
    a, b = world.scrub("a", "b")
    assert {a.status, b.status} == {TableStatus.ERROR}
    assert a.scrubbed
    assert a.scrubbed.not_used[0] == (
        f"earlier proofs are not used: the log of the {side} ends before where it ended then: it was set back"
    )


def test_a_table_whose_changes_the_feed_does_not_show_is_no_match_and_says_why(world: World) -> None:
    world.source.unpublished = ("b",)
    a, b = world.scrub("a", "b", slices=ALL_SLICES)
    assert (a.status, b.status, b.error) == (TableStatus.MATCH, TableStatus.ERROR, "s.b is not published.")


def test_an_update_column_beside_a_feed_is_not_passed_over_in_silence(world: World) -> None:
    world.source.unpublished = ("b",)
    a, b = world.scrub("a", "b", slices=ALL_SLICES, update_column="v")
    assert [one.scrubbed.changes_by.partition(", which")[0] for one in (a, b) if one.scrubbed] == [
        "the slot; the update column v is not used beside it",
        "the update column v",
    ]
    assert b.status is TableStatus.MATCH


@pytest.fixture
def by_update_column() -> Iterator[World]:
    """A source whose tables no feed follows; `v` rises with every write."""
    with small(), in_one_thread(), folder_in_memory() as folder:
        made = World(folder)
        made.source.unpublished = NAMES
        yield made


def test_a_transaction_that_commits_an_older_value_late_is_seen_within_the_hour(by_update_column: World) -> None:
    world = by_update_column
    for key in KEYS:
        world.write("a", key, 10 + key, arrives=True)
    assert world.scrub("a", slices=ALL_SLICES, update_column="v")[0].status is TableStatus.MATCH
    world.write("a", 3, 100, arrives=True)
    assert world.scrub("a", update_column="v")[0].status is TableStatus.MATCH
    world.write("a", 2, 50, arrives=False)  # it began before the other one, and is committed after it

    assert world.scrub("a", update_column="v")[0].example_keys == ("changed 2 (v)",)


def test_rows_that_came_into_an_empty_table_are_not_taken_for_proven(by_update_column: World) -> None:
    world = by_update_column
    (empty,) = world.scrub("a", slices=ALL_SLICES, update_column="v")
    for key in KEYS:
        world.write("a", key, 1 + key, arrives=key != 3)
    (filled,) = world.scrub("a", update_column="v")

    assert empty.status is TableStatus.MATCH
    assert filled.status is not TableStatus.MATCH
    assert filled.scrubbed
    assert filled.scrubbed.not_used == ("earlier proofs are not used: the table was empty",)


@pytest.mark.parametrize("step", ["chunk_sums", "chunk_rows"])
def test_a_slice_that_cannot_be_read_is_its_tables_error_and_every_other_one_is_proven(world: World, step: str) -> None:
    world.write("a", 1, 9, arrives=False)
    failures = iter([UnreachableError("gone for a moment")])

    def before(method: str) -> None:
        if method == step:
            for failure in failures:
                raise failure

    world.target.before = before
    a, b = world.scrub("a", "b", slices=ALL_SLICES)
    assert (a.status, b.status) == (TableStatus.MISMATCH, TableStatus.MATCH)  # the feed shows the change
    assert a.scrubbed
    assert (a.scrubbed.slices_proven, a.scrubbed.slices_not_proven) == (a.scrubbed.slices - 1, 1)
