"""A source, its target, and what lies on the disk of whoever scrubs them: all that may happen to them, and what is lost by it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from unittest.mock import patch

from cdcproof.core.errors import UnreachableError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.contracts.change_feed import Changes, Followed, Following
from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import ChunkSum, Segment, TableRead
from cdcproof.reconcile import concurrency, contents, engine
from cdcproof.reconcile.checksums import parts
from cdcproof.reconcile.concurrency import Stop
from cdcproof.reconcile.engine import Options, Run
from cdcproof.reconcile.in_flight import settle
from cdcproof.reconcile.in_flight.fence import Crossing, Method
from cdcproof.reconcile.plan import filters, planning
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.scrub import changes, proofs, scrub
from cdcproof.reconcile.scrub import table as scrub_table
from cdcproof.reconcile.scrub.scrub import Budget
from cdcproof.reconcile.slices import reading
from tests.reconcile.fake import FakeDatabase, FakeTable
from tests.reconcile.sides import FenceThen, Unwatched

NAMES = ("a", "b")
KEYS = range(6)
COLUMNS = (Column("id", "bigint", nullable=False), Column("v", "bigint", nullable=True))
ADDED = Column("w", "bigint", nullable=True)
ALL_SLICES = 1_000
_READS = {"chunk_sums", "chunk_rows", "sums_of_chunks", "rows_by_key", "value_range", "latest", "log_position"}

Row = tuple[int | None, ...]
Rows = dict[str, list[Row]]
Lost = dict[str, dict[int, int]]


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Surprise:
    """What happens in the midst of a scrub: at a place, when it is come by so many times."""

    place: str
    times: int
    act: Callable[[], None]

    def come_by(self, place: str) -> None:
        self.times -= place == self.place
        if place == self.place and self.times == 0:
            self.act()


def kill() -> None:
    raise Killed


def fail() -> None:
    raise UnreachableError("gone for a moment")


@dataclass
class Restless:
    """A row of the target that somebody writes again, past the pipeline, before each reading of the target."""

    world: World
    name: str
    key: int
    values: Iterator[int] = field(default_factory=lambda: itertools.count(10))

    def come_by(self, place: str) -> None:
        if place == "target":
            self.world.change_target(self.name, self.key, next(self.values))


@dataclass
class Reading(FakeDatabase):
    """A database that takes down when each key's slice was read."""

    ticks: Iterator[int] = field(default_factory=itertools.count)
    read_at: Lost = field(default_factory=lambda: {name: {} for name in NAMES})

    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        sums = list(super().chunk_sums(scan, segment))
        if scan.planted is None:
            low, high = scan.slice or (None, None)
            tick = next(self.ticks)
            self.read_at[scan.table.table] |= {
                key: tick for key in KEYS if (low is None or low <= key) and (high is None or key < high)
            }
        yield from sums


S = TypeVar("S")
T = TypeVar("T", bound=Reading)
U = TypeVar("U")


@dataclass
class Source(Reading):
    """A source with its log. The slot keeps changes behind `slot`; the change table of each table those behind `starts`."""

    changes: list[tuple[int, str, int]] = field(default_factory=list)
    slot: int = 1
    starts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 1))
    unpublished: tuple[str, ...] = ()
    followed_since: int = 0


@dataclass
class Slot:
    """A feed of one slot that all tables share: what was released is gone for each. Implements `ChangeFeed`."""

    source: Source
    come_by: Callable[[str], None]
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
            else Following(f"the slot, since {self.source.followed_since}")
            for table in keys
        }

    def begins(self, table: str) -> int:
        return self.source.slot

    def read(self, tables: Mapping[TableName, Followed], most: int) -> Changes:
        self.come_by("feed")
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
            elif one.dropped is not None and self.begins(table.table) < one.dropped:
                unknown[table] = "the slot was set back"
            keys[table] = frozenset((str(key),) for at, name, key in held if name == table.table and at <= until)
        return Changes(until, keys, unknown, is_last)

    def release(self, position: int) -> int | None:
        self.come_by("feed")
        self.source.slot = max(self.source.slot, position)
        self.come_by("feed")
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

    def cross(self, tell: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
        raise UnreachableError("Kafka Connect does not answer.")


@dataclass
class Slices:
    """A budget of so many slices, whatever the machine is busy with."""

    left: float

    @property
    def passed(self) -> bool:
        self.left -= 1
        return self.left <= 0


@dataclass
class World:
    """A source, its targets, the changes between them, and what lies on the disk of whoever scrubs them."""

    folder: Path
    feed: type[Slot] = Slot
    now: datetime = datetime(2026, 11, 23, tzinfo=UTC)
    identities: int = 0
    columns: tuple[Column, ...] = COLUMNS
    ticks: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    on_the_way: deque[tuple[str, int, int | None]] = field(default_factory=deque)
    unshown: Lost = field(default_factory=lambda: {name: {} for name in NAMES})
    """Keys that differ by what no feed shows, and since when: these are found when their slice is read after that."""
    read_at: Lost = field(default_factory=lambda: {name: dict.fromkeys(KEYS, 0) for name in NAMES})
    """When each key's slice was last read whole, at both sides, by a scrub of which the result was kept."""
    during: Lost = field(default_factory=lambda: {name: {} for name in NAMES})
    """Keys that were lost during the scrub, and when."""
    differed: dict[str, set[int]] = field(default_factory=dict)
    """Keys that differed for good at any moment of the scrub."""
    logs: dict[str, tuple[int, int]] = field(default_factory=lambda: dict.fromkeys(NAMES, (0, 0)))
    """Where both logs ended when a table was last scrubbed."""

    def __post_init__(self) -> None:
        self.source: Source = self.server(Source)
        self.target: Reading = self.server(Reading)

    def server(self, kind: type[T]) -> T:
        made = kind({name: FakeTable(COLUMNS, ("id",)) for name in NAMES}, ticks=self.ticks)
        made.is_of = self.identity()
        return made

    def replaced(self, side: str, how: str) -> Reading:
        """The server of a side after all of it, or its tables, became another one: no proof speaks for it, nor for what was there before."""
        self.arrive()
        self.unshown = {name: {} for name in NAMES}
        server: Reading = getattr(self, side)
        if how == "another server":
            other = replace(server, is_of=self.identity(), tables_held=deepcopy(server.tables_held))
            other.log_end += 1_000
            setattr(self, side, other)
            return other
        if how == "another history":
            server.is_of = replace(server.is_of, history=f"{server.is_of.history}+")
        else:
            for table in server.tables_held.values():
                table.number += 1
        return server

    def identity(self) -> Identity:
        self.identities += 1
        return Identity(f"server {self.identities}", "shop", "1", "1")

    def tables(self, of: FakeDatabase) -> Rows:
        return {name: sorted(table.rows) for name, table in of.tables_held.items()}  # type: ignore[misc,type-var]

    def load(self) -> None:
        """A row of each key in both tables, at both sides."""
        for name, key in itertools.product(NAMES, KEYS):
            self.write(name, key, 0)

    def write(self, name: str, key: int, value: int | None, *, arrives: bool = True, late: bool = False) -> None:
        """Write a row at the source, or delete it; at the target too, at once or late, unless the change is lost."""
        self.unshown[name].pop(key, None)
        self.set(self.source, name, key, value)
        self.source.changes.append((self.source.log_end, name, key))
        if arrives and late:
            self.on_the_way.append((name, key, value))
        elif arrives:
            self.arrive()
            self.set(self.target, name, key, value)
        self.look()

    def move(self, name: str, key: int, to: int, *, arrives: bool) -> None:
        """Another key for a row: it is deleted under one and written under the other, in one change."""
        values = {row[0]: row[1] for row in self.tables(self.source)[name]}
        if key in values and to not in values:
            self.write(name, key, None, arrives=arrives)
            self.source.log_end -= 1
            self.write(name, to, values[key], arrives=arrives)

    def change_target(self, name: str, key: int, value: int | None) -> None:
        """Somebody writes to the target, past the pipeline."""
        with self.unseen():
            self.set(self.target, name, key, value)

    def arrive(self) -> None:
        while self.on_the_way:
            self.set(self.target, *self.on_the_way.popleft())

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """What no feed shows happens inside: a key that differs then, and did not before, is found with its slice."""
        self.arrive()
        before = self.tables(self.source), self.tables(self.target)
        yield
        after = self.tables(self.source), self.tables(self.target)
        for name, tick in itertools.product(NAMES, [next(self.ticks)]):
            was, now = (_by_key(*(side[name] for side in sides)) for sides in (before, after))
            new = {key: tick for key in now if key not in was}
            self.unshown[name] = {key: at for key, at in self.unshown[name].items() if key in now} | new
        self.look()

    def alter(self, columns: tuple[Column, ...], *, filled: bool = True) -> None:
        """A column comes or goes, at both sides, with a default that no log shows; the target has none where it is not `filled`."""
        self.arrive()
        self.columns = columns
        for side, default in ((self.source, 1), (self.target, 1 if filled else None)):
            for table in side.tables_held.values():
                table.number += len(columns) > len(table.columns)
            _fit(side, columns, default)

    def scrub(
        self,
        *names: str,
        slices: int = 1,
        stuck: str = "",
        unreadable: str = "",
        update_column: str = "",
        surprise: Surprise | Restless | None = None,
    ) -> list[TableResult]:
        """Scrub the tables; `stuck` are those whose differences cannot be judged, `unreadable` those that are locked."""
        self.now += timedelta(minutes=10)
        come_by = surprise.come_by if surprise else lambda _: None
        budget = Budget(slices, self.folder, 1e6, lambda: self.feed(self.source, come_by), lambda: self.now, "pipe")
        run = Run(
            self.source.endpoint(),
            self.target.endpoint(),
            lambda table: StuckFor() if table.name in stuck else FenceThen(self.arrive),
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

        def writing(*arguments: object) -> None:
            come_by("file")
            write(*arguments)  # type: ignore[arg-type]
            come_by("file")

        for side, place in ((self.source, "source"), (self.target, "target")):
            side.read_at = {name: {} for name in NAMES}
            if surprise:
                side.before = lambda method, place=place: come_by(place) if method in _READS else None  # type: ignore[misc]
        self.during, self.differed = {name: {} for name in NAMES}, {name: set() for name in NAMES}
        self.look(during=False)
        with patch.object(proofs, "write", writing), patch.object(scrub, "Deadline", Slices):
            try:
                results = list(scrub.scrub(run, pairs, budget))
            finally:
                if surprise:
                    self.source.before = self.target.before = lambda _: None
        self.look()
        return results

    def judged(self, results: list[TableResult], *, failed: bool = False) -> list[TableResult]:
        """Demand that each result of the last scrub is true. `failed` says that something in it did."""
        differing = self.differing()
        for result in results:
            name = result.table
            assert set(self._named(result)) <= self.differed[name], f"{name} has no such difference: {result}"
            if result.status is TableStatus.MISMATCH:
                assert self.differed[name], f"{name} is equal: {result}"
            read = {key: min(side.read_at[name].get(key, 0) for side in (self.source, self.target)) for key in KEYS}
            if not failed or result.status is TableStatus.MATCH:
                self._keep_what_was_read(name, read)
            later = self.unshown[name] | self.during[name]
            found = [key for key in differing[name] if key not in later or later[key] < self.read_at[name][key]]
            if result.status is TableStatus.MATCH:
                assert not found, f"{name} is no MATCH: {found} are lost"
        return results

    def differing(self) -> dict[str, list[int]]:
        """Keys of each table that differ once all has arrived."""
        theirs = self.tables(self.target)
        for name, key, value in self.on_the_way:
            theirs[name] = _with(theirs[name], key, value, len(self.columns))
        ours = self.tables(self.source)
        return {name: sorted(_by_key(ours[name], theirs[name])) for name in NAMES}

    def _named(self, result: TableResult) -> Iterator[int]:
        return (int(one.key["id"] or 0) for one in result.differences)

    def _keep_what_was_read(self, name: str, read: dict[int, int]) -> None:
        ends = self.source.log_end, self.target.log_end
        if any(now < before for now, before in zip(ends, self.logs[name], strict=True)):
            self.unshown[name].clear()  # a log that was set back is noticed: every row is proven anew
        self.read_at[name] |= {key: tick for key, tick in read.items() if tick}
        self.logs[name] = ends

    def look(self, *, during: bool = True) -> None:
        """Take down what differs."""
        tick = next(self.ticks)
        for name, keys in self.differing().items():
            if during:
                self.during[name] |= dict.fromkeys(set(keys) - self.differed.get(name, set()), tick)
            self.differed.setdefault(name, set()).update(keys)

    def set(self, side: Reading, name: str, key: int, value: int | None) -> None:
        table = side.tables_held[name]
        table.rows = _with(table.rows, key, value, len(self.columns))  # type: ignore[assignment,arg-type]
        for row in table.rows:
            if row[0] == key:
                table.written[row] = next(self.ticks)
        side.log_end += 1


def _with(rows: list[Row], key: int, value: int | None, width: int) -> list[Row]:
    rest = [row for row in rows if row[0] != key]
    return rest if value is None else [*rest, (key, value, 0)[:width]]


def _by_key(ours: list[Row], theirs: list[Row]) -> dict[int, tuple[Row | None, Row | None]]:
    """The keys that differ, with the rows of both sides."""
    one, other = ({row[0] or 0: row for row in rows} for rows in (ours, theirs))
    return {key: (one.get(key), other.get(key)) for key in {**one, **other} if one.get(key) != other.get(key)}


def _fit(side: Reading, columns: tuple[Column, ...], default: int | None) -> None:
    for table in side.tables_held.values():
        table.columns = columns
        table.rows = [(*row, default)[: len(columns)] for row in table.rows]


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A folder that no disk is waited for, where there is such a one."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def small() -> Iterator[None]:
    """Slices of two rows, changes by three at a time, and no pause between two looks."""
    with (
        patch.object(proofs, "SLICE_ROWS", 2),
        patch.object(changes, "CHANGES_PER_READING", 3),
        patch.object(settle, "_APART_SECONDS", 0),
    ):
        yield


class Unproven:
    """No self-proof, which has tests of its own, and takes most of the time of so small a scrub."""

    def __init__(self, *_: object) -> None: ...

    def prove(self, *_: object) -> None:
        return None

    demand_ends_seen = prove


def _in_turn(stop: Stop, first: Callable[[], S], second: Callable[[], U]) -> tuple[S, U]:
    return first(), second()


@contextmanager
def in_one_thread() -> Iterator[None]:
    """One side after the other, so that an example is the same at every run, and without self-proof."""
    with ExitStack() as patches:
        for module in (concurrency, contents, engine, filters, parts, planning):
            patches.enter_context(patch.object(module, "both", _in_turn))
        for module in (scrub, scrub_table):
            patches.enter_context(patch.object(module, "Prover", Unproven))
        patches.enter_context(patch.object(changes, "side_by_side", lambda jobs: [job() for job in jobs.values()]))
        patches.enter_context(patch.object(parts, "ended_by", lambda *_: nullcontext()))
        patches.enter_context(patch.object(reading, "demand_seen", lambda *_: None))
        yield
