"""Two tables under any sequence of writes, scrubs, failures, kills and swapped servers: a MATCH is never over a lost change.

More examples: ``SCRUB_EXAMPLES=2000 pytest tests/reconcile/scrub/test_scrub_model.py -k TestBy``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from cdcproof.core.errors import UnreachableError
from cdcproof.reconcile.report.result import TableStatus
from cdcproof.reconcile.scrub import scrub
from tests.reconcile.scrub.world import (
    ADDED,
    ALL_SLICES,
    COLUMNS,
    KEYS,
    NAMES,
    ChangeTables,
    Killed,
    Lost,
    Reading,
    Slot,
    Surprise,
    World,
    fail,
    kill,
    small,
)

EXAMPLES = int(os.environ.get("SCRUB_EXAMPLES", "0"))
SEQUENCES: dict[str, Any] = {"stateful_step_count": 20, "deadline": None, "derandomize": not EXAMPLES}
"""The same sequences at every run, unless more of them are asked for."""
keys = st.sampled_from(KEYS)
values = st.none() | st.integers(1, 3)
tables = st.sampled_from(NAMES)
some_tables = st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a")])
places = st.sampled_from(["source", "target", "feed", "file"])
times = st.integers(1, 12)
budgets = st.sampled_from([1, 2, 3, ALL_SLICES])
happens_to = st.sampled_from(["arrives", "arrives", "late", "lost"])
EVENTS = (
    *("back_up_the_target", "copy_the_proofs", "put_a_copy_of_the_proofs_back", "swap_the_target", "swap_the_source"),
    *("fail_over_the_source", "make_the_feed_anew"),
)
Meanwhile = Callable[[World], None]


def _write(name: str, key: int, value: int | None, becomes: str) -> Meanwhile:
    return lambda world: world.write(name, key, value, arrives=becomes != "lost", late=becomes == "late")


meanwhile: st.SearchStrategy[Meanwhile] = st.one_of(
    st.builds(_write, tables, keys, values, happens_to),
    st.builds(lambda name, key, to: lambda world: world.move(name, key, to, arrives=False), tables, keys, keys),
)


@dataclass(frozen=True)
class Store:
    """A copy of the files of all proofs, and what they are of."""

    files: dict[Path, bytes]
    read_at: Lost
    logs: dict[str, tuple[int, int]]


class Unproven:
    """No self-proof, which has tests of its own, and takes most of the time of so small a scrub."""

    def __init__(self, *_: object) -> None: ...

    def prove(self, *_: object) -> None:
        return None


class Scrubs(RuleBasedStateMachine):
    """Any sequence of what may happen."""

    feed = Slot

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.world = World(Path(self.temporary.name) / "state", self.feed)
        self.patches = ExitStack()
        self.patches.enter_context(small())
        self.patches.enter_context(patch.object(scrub, "Prover", Unproven))
        self.world.load()
        self.world.spare_target = self.world.twin(self.world.target)
        self.copies: list[Store] = []
        self.world.scrub(*NAMES, slices=ALL_SLICES)

    def teardown(self) -> None:
        self.patches.close()
        self.temporary.cleanup()

    @rule(name=tables, key=keys, value=values, becomes=happens_to)
    def write(self, name: str, key: int, value: int | None, becomes: str) -> None:
        _write(name, key, value, becomes)(self.world)

    @rule(name=tables, key=keys, to=keys, arrives=st.booleans())
    def move(self, name: str, key: int, to: int, arrives: bool) -> None:
        self.world.move(name, key, to, arrives=arrives)

    @rule(name=tables, key=keys, value=values)
    def change_the_target(self, name: str, key: int, value: int | None) -> None:
        self.world.change_target(name, key, value)

    @rule(is_proven=st.booleans())
    def all_arrives(self, is_proven: bool) -> None:
        """What was lost is written again; all of it is a MATCH then."""
        with self.world.unseen():
            for name, table in self.world.source.tables_held.items():
                self.world.target.tables_held[name].rows = list(table.rows)
            self.world.target.log_end += 1
        if is_proven:
            results = self.world.judged(self.world.scrub(*NAMES, slices=ALL_SLICES))
            assert {one.status for one in results} == {TableStatus.MATCH}, results

    @rule(names=some_tables, slices=st.lists(budgets, min_size=1, max_size=3))
    def scrub(self, names: tuple[str, ...], slices: list[int]) -> None:
        """Once or again: what was found has to be found until it is equal."""
        for number in slices:
            self.world.judged(self.world.scrub(*names, slices=number))

    @rule(
        names=some_tables,
        slices=budgets,
        stuck_or_locked=st.sampled_from([("", ""), ("", ""), ("a", ""), ("b", ""), ("", "a"), ("", "b")]),
        surprise=st.tuples(places, times, st.sampled_from([fail, kill])),
    )
    def scrub_in_vain(
        self,
        names: tuple[str, ...],
        slices: int,
        stuck_or_locked: tuple[str, str],
        surprise: tuple[str, int, Callable[[], None]],
    ) -> None:
        """Something fails in the midst of it, or the process is killed there."""
        stuck, unreadable = stuck_or_locked
        with suppress(Killed):
            results = self.world.scrub(
                *names, slices=slices, stuck=stuck, unreadable=unreadable, surprise=Surprise(*surprise)
            )
            self.world.judged(results, failed=True)

    @rule(
        names=some_tables,
        slices=budgets,
        surprise=st.tuples(places, times, meanwhile),
    )
    def write_during_a_scrub(self, names: tuple[str, ...], slices: int, surprise: tuple[str, int, Meanwhile]) -> None:
        place, times, act = surprise
        meanwhile = Surprise(place, times, lambda: act(self.world))
        self.world.judged(self.world.scrub(*names, slices=slices, surprise=meanwhile))

    @rule(is_new=st.booleans(), filled=st.booleans())
    def alter_the_tables(self, is_new: bool, filled: bool) -> None:
        """A column comes, whose default no log shows, or goes."""
        self.world.alter((*COLUMNS, ADDED) if is_new else COLUMNS, filled=filled)

    def back_up_the_target(self) -> None:
        self.world.backups.append(deepcopy(self.world.tables(self.world.target)))

    @rule(how=st.sampled_from(["another history", "made anew", "row by row"]))
    def restore_the_target(self, how: str) -> None:
        """To a point in time, which begins another history, into tables that are made anew, or into those that there are."""
        target = self.world.target
        if how == "row by row":
            with self.world.unseen():
                self._put_back()
        else:
            self.world.arrive()
            self._put_back()
        if how == "made anew":
            for table in target.tables_held.values():
                table.number += 1
        if how == "another history":
            target.is_of = replace(target.is_of, history=f"{target.is_of.history}+")

    def _put_back(self) -> None:
        target = self.world.target
        for name, rows in self.world.backups[-1].items():
            target.tables_held[name].rows = list(rows)  # type: ignore[arg-type]
        target.log_end += 1
        self.world.fit()

    @rule(side=st.sampled_from(["source", "target"]), by=st.integers(1, 6))
    def set_a_log_back(self, side: str, by: int) -> None:
        """A disk is put back, without a new history; what was written since is gone from there."""
        world = self.world
        with world.unseen():
            if side == "target":
                self._put_back()
                world.target.log_end -= by + 1
            else:
                self._set_the_source_back(by)
        self.copies.clear()
        self.scrub(NAMES, [1])

    def _set_the_source_back(self, by: int) -> None:
        source = self.world.source
        source.log_end -= by
        for at, name, key in [one for one in source.changes if one[0] > source.log_end]:
            table = source.tables_held[name]
            table.rows = [row for row in table.rows if row[0] != key]
            source.changes.remove((at, name, key))
        source.slot = min(source.slot, source.log_end)

    def copy_the_proofs(self) -> None:
        files = {path: path.read_bytes() for path in self.world.folder.rglob("*.json")}
        self.copies.append(Store(files, deepcopy(self.world.read_at), dict(self.world.logs)))

    def put_a_copy_of_the_proofs_back(self) -> None:
        """The machine that scrubs is restored from before."""
        if not self.copies:
            return
        copy = self.copies.pop()
        for path in self.world.folder.rglob("*.json"):
            path.unlink()
        for path, data in copy.files.items():
            path.write_bytes(data)
        self.world.read_at, self.world.logs = copy.read_at, copy.logs

    def swap_the_target(self) -> None:
        """Another server answers at the address; the changes go on there."""
        self.world.arrive()
        self.copies.clear()
        self.world.target, self.world.spare_target = self.world.spare_target, self.world.target
        self.world.fit()
        self.scrub(NAMES, [1])

    def swap_the_source(self) -> None:
        """Another server answers at the address, with rows of its own; the changes go on there."""
        self.world.arrive()
        self.copies.clear()
        source = self.world.source
        other = self.world.spare_source
        if other is None:
            other = self.world.twin(source)
            other.changes, other.slot, other.starts = list(source.changes), source.slot, dict(source.starts)
        self.world.source, self.world.spare_source = other, source
        self.world.fit()
        self.scrub(NAMES, [1])

    def fail_over_the_source(self) -> None:
        """To a standby that had not got the last change; the slot is made anew there."""
        source = self.world.source
        if not source.changes:
            return
        self.world.arrive()
        _, name, key = source.changes.pop()
        table = source.tables_held[name]
        table.rows = [row for row in table.rows if row[0] != key]
        source.is_of = replace(source.is_of, history=f"{source.is_of.history}+")
        source.slot = source.log_end

    def make_the_feed_anew(self) -> None:
        """The slot, or capture: it shows what is written from now on. So it is when somebody else's scrub moves the slot on, or the clean-up."""
        source = self.world.source
        source.slot = source.log_end
        source.starts = dict.fromkeys(NAMES, source.log_end)

    @rule(what=st.sampled_from(EVENTS))
    def something_rare(self, what: str) -> None:
        getattr(self, what)()


class ScrubsByChangeTables(Scrubs):
    """The same with a SQL Server's feed."""

    feed = ChangeTables


TestBySlot = Scrubs.TestCase
TestBySlot.settings = settings(max_examples=EXAMPLES or 40, **SEQUENCES)
TestByChangeTables = ScrubsByChangeTables.TestCase
TestByChangeTables.settings = settings(max_examples=EXAMPLES or 15, **SEQUENCES)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Both tables proven."""
    with small():
        made = World(tmp_path)
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


@pytest.mark.parametrize("failing", [{"stuck": "b"}, {"unreadable": "b"}])
def test_the_changes_of_a_table_that_failed_come_again(world: World, failing: dict[str, str]) -> None:
    world.write("b", 3, 9, arrives=False)
    a, b = world.scrub("a", "b", **failing)  # type: ignore[arg-type]
    assert (a.status, b.status) == (TableStatus.MATCH, TableStatus.ERROR)

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
def by_update_column(tmp_path: Path) -> Iterator[World]:
    """A source whose tables no feed follows; `v` rises with every write."""
    with small():
        made = World(tmp_path)
        made.source.unpublished = NAMES
        yield made


def test_a_transaction_that_commits_an_older_value_late_is_seen_within_the_hour(by_update_column: World) -> None:
    world = by_update_column
    for key in KEYS:
        world.write("a", key, 10 + key, arrives=True)
    assert world.scrub("a", slices=ALL_SLICES, update_column="v")[0].status is TableStatus.MATCH
    world.write("a", 7, 100, arrives=True)
    assert world.scrub("a", update_column="v")[0].status is TableStatus.MATCH
    world.write("a", 6, 50, arrives=False)  # it began before the other one, and is committed after it

    assert world.scrub("a", update_column="v")[0].example_keys == ("changed 6 (v)",)


def test_rows_that_came_into_an_empty_table_are_not_taken_for_proven(by_update_column: World) -> None:
    world = by_update_column
    (empty,) = world.scrub("a", slices=ALL_SLICES, update_column="v")
    for key in KEYS:
        world.write("a", key, 1 + key, arrives=key != 7)
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
