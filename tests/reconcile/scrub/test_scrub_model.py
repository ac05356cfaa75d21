"""Two tables under any sequence of writes, scrubs, failures, kills and swapped servers: a MATCH is never over a lost change."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from cdcproof.core.errors import UnreachableError
from cdcproof.databases.contracts.change_feed import Changes, Followed, Following
from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.names import Column, TableName
from cdcproof.reconcile.engine import Options, Run
from cdcproof.reconcile.in_flight.fence import Crossing, Method
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.scrub import changes, proofs, scrub
from cdcproof.reconcile.scrub.scrub import Budget
from tests.reconcile.fake import FakeDatabase, FakeTable
from tests.reconcile.sides import FenceThen, Unwatched

NAMES = ("a", "b")
KEYS = range(8)
COLUMNS = (Column("id", "bigint", nullable=False), Column("v", "bigint", nullable=True))


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Source(FakeDatabase):
    """A source with its log. The slot keeps changes behind `slot`; the change table of each table those behind `starts`."""

    changes: list[tuple[int, str, int]] = field(default_factory=list)
    slot: int = 1
    starts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 1))
    unpublished: tuple[str, ...] = ()


@dataclass
class Slot:
    """A feed of one slot that all tables share: what was released is gone for each. Implements `ChangeFeed`."""

    source: Source
    on_release: Callable[[], None]
    name: str = "the slot"

    def __enter__(self) -> Slot:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def identity(self) -> Identity:
        return self.source.is_of

    def following(self, keys: Mapping[TableName, tuple[str, ...]]) -> dict[TableName, Following]:
        return {
            table: Following(why_not=f"{table} is not published.")
            if table.table in self.source.unpublished
            else Following("the slot")
            for table in keys
        }

    def begins(self, table: str) -> int:
        return self.source.slot

    def read(self, tables: Mapping[TableName, Followed], most: int) -> Changes:
        behind = min([one.behind for one in tables.values() if one.behind is not None], default=0)
        held = [one for one in self.source.changes if one[0] > self.begins("")]
        ends = [at for at, _, _ in held if at > behind][:most]
        is_last = len(ends) < most
        until = self.source.log_end if is_last else ends[-1]
        keys, unknown = {}, {}
        for table, one in tables.items():
            if one.behind is None:
                continue
            if one.behind < self.begins(table.table):
                unknown[table] = "dropped"
            elif is_last and one.behind > until:
                unknown[table] = "set back"
            keys[table] = frozenset((str(key),) for at, name, key in held if name == table.table and at <= until)
        return Changes(until, keys, unknown, is_last)

    def release(self, position: int) -> int | None:
        self.on_release()
        self.source.slot = max(self.source.slot, position)
        self.on_release()
        return self.source.slot


class ChangeTables(Slot):
    """A feed of a change table for each table, which a job of its own cleans up: nothing is released."""

    name = "the change tables"

    def begins(self, table: str) -> int:
        return self.source.starts.get(table, 0)

    def release(self, position: int) -> int | None:
        return None


class StuckFor:
    """A fence that cannot be crossed."""

    method: Method = "position"
    takes_time: bool = True

    def cross(self, tell: Callable[[str], None]) -> Crossing:
        raise UnreachableError("Kafka Connect does not answer.")


@dataclass
class World:
    """A source, its targets, and what lies on the disk of whoever scrubs them."""

    folder: Path
    feed: type[Slot] = Slot
    now: datetime = datetime(2026, 11, 23, tzinfo=UTC)
    identities: int = 0
    writes_until_killed: int = 0

    def __post_init__(self) -> None:
        self.source = self.server(Source)
        self.target = self.server(FakeDatabase)
        self.spare_target = self.target
        self.spare_source: Source | None = None
        self.backups = [deepcopy(self.tables(self.target))]

    def server(self, kind: type[FakeDatabase]) -> Source:
        self.identities += 1
        made = kind({name: FakeTable(COLUMNS, ("id",)) for name in NAMES})
        made.is_of = Identity(f"server {self.identities}", "shop", "1", "1")
        return made  # type: ignore[return-value]

    def twin(self, of: FakeDatabase) -> Source:
        """Another server with the same rows, whose log is longer."""
        made = self.server(type(of))
        made.tables_held, made.log_end = deepcopy(of.tables_held), of.log_end + 1_000
        return made

    def tables(self, of: FakeDatabase) -> dict[str, list[tuple[int, int]]]:
        return {name: sorted(table.rows) for name, table in of.tables_held.items()}  # type: ignore[misc]

    def write(self, name: str, key: int, value: int | None, *, arrives: bool) -> None:
        """Write a row at the source, or delete it; at the target too, unless the change is lost."""
        for database in (self.source, self.target) if arrives else (self.source,):
            table = database.tables_held[name]
            table.rows = [row for row in table.rows if row[0] != key] + ([] if value is None else [(key, value)])
            database.log_end += 1
        self.source.changes.append((self.source.log_end, name, key))

    def scrub(
        self, *names: str, seconds: float = 0, stuck: str = "", unreadable: str = "", update_column: str = ""
    ) -> list[TableResult]:
        """Scrub the tables; `stuck` are those whose differences cannot be judged, `unreadable` those that are locked."""
        self.now += timedelta(minutes=10)
        budget = Budget(
            seconds, self.folder, 1e6, lambda: self.feed(self.source, self._may_be_killed), lambda: self.now, "pipe"
        )
        run = Run(
            self.source.endpoint(),
            self.target.endpoint(),
            lambda table: StuckFor() if table.name in stuck else FenceThen(),
            Options(validate_checksums=True),
            Unwatched(),
        )
        pairs = [
            TablePair(
                name,
                TableName("s", name),
                TableName("s", "locked" if name in unreadable else name),
                update_column=update_column,
            )
            for name in names
        ]
        write = proofs.write

        def killing(*arguments: object) -> None:
            self._may_be_killed()
            write(*arguments)  # type: ignore[arg-type]
            self._may_be_killed()

        with patch.object(proofs, "write", killing):
            return list(scrub.scrub(run, pairs, budget))

    def _may_be_killed(self) -> None:
        self.writes_until_killed -= 1
        if self.writes_until_killed == 0:
            raise Killed

    def demand_true(self, results: list[TableResult]) -> None:
        """What is a MATCH is equal: only lost changes make these tables differ."""
        ours, theirs = self.tables(self.source), self.tables(self.target)
        for result in results:
            if result.status is TableStatus.MATCH:
                assert ours[result.table] == theirs[result.table], f"{result.table} is no MATCH"


@contextmanager
def small() -> Iterator[None]:
    """Slices of two rows, and changes by three at a time."""
    with patch.object(proofs, "SLICE_ROWS", 2), patch.object(changes, "CHANGES_PER_READING", 3):
        yield


class Scrubs(RuleBasedStateMachine):
    """Any sequence of what may happen."""

    feed = Slot

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.world = World(Path(self.temporary.name), self.feed)
        self.patches = small()
        self.patches.__enter__()
        for name in NAMES:
            for key in KEYS:
                self.world.write(name, key, 0, arrives=True)
        self.world.spare_target = self.world.twin(self.world.target)
        self.world.scrub(*NAMES, seconds=60)

    def teardown(self) -> None:
        self.patches.__exit__(None, None, None)
        self.temporary.cleanup()

    @rule(
        name=st.sampled_from(NAMES),
        key=st.sampled_from(KEYS),
        value=st.none() | st.integers(1, 3),
        arrives=st.sampled_from([True, True, False]),
    )
    def write(self, name: str, key: int, value: int | None, arrives: bool) -> None:
        self.world.write(name, key, value, arrives=arrives)

    @rule(is_proven=st.booleans())
    def all_arrives(self, is_proven: bool) -> None:
        for name, table in self.world.source.tables_held.items():
            self.world.target.tables_held[name].rows = list(table.rows)
        self.world.target.log_end += 1
        if is_proven:
            self.world.demand_true(self.world.scrub(*NAMES, seconds=60))

    @rule(names=st.sampled_from([("a",), ("b",), NAMES]))
    def scrub_a_little(self, names: tuple[str, ...]) -> None:
        self.world.demand_true(self.world.scrub(*names))

    @rule(
        names=st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a")]),
        seconds=st.sampled_from([0.0, 60.0]),
        stuck=st.sampled_from(["", "", "", "a", "b"]),
        unreadable=st.sampled_from(["", "", "", "a", "b"]),
        killed_after=st.sampled_from([0, 0, 0, *range(1, 12)]),
    )
    def scrub(self, names: tuple[str, ...], seconds: float, stuck: str, unreadable: str, killed_after: int) -> None:
        self.world.writes_until_killed = killed_after
        with suppress(Killed):
            self.world.demand_true(self.world.scrub(*names, seconds=seconds, stuck=stuck, unreadable=unreadable))
        self.world.writes_until_killed = 0

    @rule()
    def back_up_the_target(self) -> None:
        self.world.backups.append(deepcopy(self.world.tables(self.world.target)))

    @rule(another_history=st.booleans())
    def restore_the_target(self, another_history: bool) -> None:
        """To a point in time, which begins another history, or into tables that are made anew."""
        target = self.world.target
        for name, rows in self.world.backups[-1].items():
            target.tables_held[name].rows = list(rows)
            target.tables_held[name].number += not another_history
        if another_history:
            target.is_of = replace(target.is_of, history=f"{target.is_of.history}+")

    @rule()
    def swap_the_target(self) -> None:
        """Another server answers at the address; the changes go on there."""
        self.world.target, self.world.spare_target = self.world.spare_target, self.world.target
        self.scrub_a_little(NAMES)

    @rule()
    def swap_the_source(self) -> None:
        """Another server answers at the address, with rows of its own; the changes go on there."""
        source = self.world.source
        other = self.world.spare_source
        if other is None:
            other = self.world.twin(source)
            other.changes, other.slot, other.starts = list(source.changes), source.slot, dict(source.starts)
        self.world.source, self.world.spare_source = other, source
        self.scrub_a_little(NAMES)

    @precondition(lambda self: self.world.source.changes)
    @rule()
    def fail_over_the_source(self) -> None:
        """To a standby that had not got the last change; the slot is made anew there."""
        source = self.world.source
        _, name, key = source.changes.pop()
        table = source.tables_held[name]
        table.rows = [row for row in table.rows if row[0] != key]
        source.is_of = replace(source.is_of, history=f"{source.is_of.history}+")
        source.slot = source.log_end

    @rule()
    def make_the_feed_anew(self) -> None:
        """The slot, or capture: it shows what is written from now on."""
        source = self.world.source
        source.slot = source.log_end
        source.starts = dict.fromkeys(NAMES, source.log_end)

    @rule()
    def move_the_slot_on(self) -> None:
        """Somebody else's scrub with proofs of its own does it, or the clean-up."""
        self.make_the_feed_anew()


class ScrubsByChangeTables(Scrubs):
    """The same with a SQL Server's feed."""

    feed = ChangeTables


TestBySlot = Scrubs.TestCase
TestBySlot.settings = settings(max_examples=25, stateful_step_count=16, deadline=None)
TestByChangeTables = ScrubsByChangeTables.TestCase
TestByChangeTables.settings = settings(max_examples=10, stateful_step_count=16, deadline=None)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Both tables proven."""
    with small():
        made = World(tmp_path)
        for name in NAMES:
            for key in KEYS:
                made.write(name, key, 0, arrives=True)
        assert [one.status for one in made.scrub(*NAMES, seconds=60)] == [TableStatus.MATCH] * 2
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
    proven, world.target = world.target, world.server(FakeDatabase)
    world.target.tables_held = deepcopy(proven.tables_held)
    world.target.tables_held["b"].rows.pop()
    result = world.scrub("b")[0]
    assert result.status is not TableStatus.MATCH
    assert result.scrubbed
    assert result.scrubbed.not_used == ("earlier proofs are not used: the target's database changed since",)


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
    a, b = world.scrub("a", "b", seconds=60)
    assert (a.status, b.status, b.error) == (TableStatus.MATCH, TableStatus.ERROR, "s.b is not published.")


def test_an_update_column_beside_a_feed_is_not_passed_over_in_silence(world: World) -> None:
    world.source.unpublished = ("b",)
    a, b = world.scrub("a", "b", seconds=60, update_column="v")
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
    assert world.scrub("a", seconds=60, update_column="v")[0].status is TableStatus.MATCH
    world.write("a", 7, 100, arrives=True)
    assert world.scrub("a", update_column="v")[0].status is TableStatus.MATCH
    world.write("a", 6, 50, arrives=False)  # it began before the other one, and is committed after it

    assert world.scrub("a", update_column="v")[0].example_keys == ("changed 6 (v)",)


def test_rows_that_came_into_an_empty_table_are_not_taken_for_proven(by_update_column: World) -> None:
    world = by_update_column
    (empty,) = world.scrub("a", seconds=60, update_column="v")
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
    a, b = world.scrub("a", "b", seconds=60)
    assert (a.status, b.status) == (TableStatus.MISMATCH, TableStatus.MATCH)  # the feed shows the change
    assert a.scrubbed
    assert (a.scrubbed.slices_proven, a.scrubbed.slices_not_proven) == (a.scrubbed.slices - 1, 1)
