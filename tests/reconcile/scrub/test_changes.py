"""What a scrub asks of a feed and of the update column, what it waits for, and what it lets the feed forget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cdcproof.core.errors import UnexpectedAnswerError, UnreachableError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.contracts.change_feed import Changes, Followed, Following
from cdcproof.databases.names import TableName
from cdcproof.databases.table_read import Since
from cdcproof.reconcile.in_flight.fence import Crossing, Fence, Method, SharedFence
from cdcproof.reconcile.scrub import changes
from cdcproof.reconcile.scrub.proofs import Latest, Proofs
from cdcproof.reconcile.scrub.table import Work
from cdcproof.reconcile.slices.division import WHOLE_TABLE
from cdcproof.reconcile.slices.store import SliceSums
from tests.reconcile.sides import FenceThen

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
TABLES = [TableName("public", f"t{number}") for number in range(40)]


@dataclass(frozen=True)
class OfTable:
    """As the fence by position: the hop into the topics is of all tables."""

    source: Fence
    method: Method = "position"
    takes_time: bool = True

    def cross(self, tell: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
        return self.source.cross(tell, asked)


@dataclass(frozen=True)
class Chunking:
    width: int = 100
    buckets: int = 3


@dataclass(frozen=True)
class Scan:
    table: TableName
    chunking: Chunking = Chunking()
    since: Since | None = None
    key_width: int = 1


def work_of(table: TableName, fence: Fence, position: int | None = 50, log_end: int | None = 70) -> Work:
    def position_of_log() -> Any:
        if log_end is None:
            raise UnexpectedAnswerError("A standby does not show it.")
        return SimpleNamespace(value=log_end)

    log = SimpleNamespace(copy_of_another=lambda: "", position=position_of_log)
    side = SimpleNamespace(database=SimpleNamespace(log=log))
    comparison: Any = SimpleNamespace(
        table=SimpleNamespace(name=table.table, update_column=""),
        source=side,
        target=side,
        fence=fence,
        progress=lambda *_: None,
    )
    plan: Any = SimpleNamespace(source=Scan(table), names=("id", "v"), multiset=False, range_column=("id", 0))
    return Work(comparison, plan, 1, Path("proofs"), lambda: NOW, proofs=Proofs(position=position))


def proven(work: Work, *, followed: datetime = NOW) -> Work:
    """With a proof that goes on from its position, made at that time."""
    at = followed.isoformat()
    work.proofs = replace(work.proofs, followed_at=at).proven(WHOLE_TABLE, SliceSums((), 1, 1, at, at, 50, "here"))
    work.is_followed = True
    return work


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Proofs]]:
    """Every proof that was written down."""
    written: list[tuple[str, Proofs]] = []
    monkeypatch.setattr(Work, "keep", lambda self: written.append((self.comparison.table.name, self.proofs)))
    return written


@dataclass
class Feed:
    """Shows what it is given, page by page, and holds what it was last asked to."""

    pages: list[Changes] = field(default_factory=list)
    known: Mapping[TableName, Following] = field(default_factory=dict)
    name: str = "WAL"
    asked: list[Mapping[TableName, Followed]] = field(default_factory=list)
    released: list[int] = field(default_factory=list)

    def following(self, keys: Mapping[TableName, tuple[str, ...]]) -> Mapping[TableName, Following]:
        assert set(keys.values()) == {("id",)}
        return self.known

    def read(self, tables: Mapping[TableName, Followed], most: int) -> Changes:
        self.asked.append(tables)
        return self.pages.pop(0)

    def release(self, position: int) -> int | None:
        self.released.append(position)
        return position - 1


def test_tables_share_the_hop_into_the_topics_however_many_they_are() -> None:
    crossed: list[str] = []
    source = SharedFence(FenceThen(lambda: crossed.append("into the topics")))
    works = [work_of(table, OfTable(source)) for table in TABLES]
    found = Changes(until=60, keys={table: frozenset({("1",)}) for table in TABLES[1:]}, unknown={}, is_last=True)

    changes._let_arrive(works, found)

    assert crossed == ["into the topics"]
    assert [work.arrived for work in works] == [None, *[70] * 39]
    changes._let_arrive(works, found)
    assert len(crossed) == 1


def test_each_table_crosses_once_and_asks_since_the_feed_was_read() -> None:
    asked: list[Deadline | None] = []

    @dataclass(frozen=True)
    class Noting(OfTable):
        def cross(self, tell: Callable[[str], None], asked_at: Deadline | None = None) -> Crossing:
            asked.append(asked_at)
            return super().cross(tell, asked_at)

    works = [work_of(table, Noting(FenceThen(lambda: None))) for table in TABLES]
    changes._let_arrive(works, Changes(60, {table: frozenset({("1",)}) for table in TABLES}, {}, True))

    assert [len(work.crossings) for work in works] == [1] * 40
    assert None not in asked
    assert len({id(one) for one in asked}) == 1


@pytest.mark.parametrize(("log_end", "arrived"), [(70, 70), (50, 60), (None, 60)])
def test_what_has_arrived_is_all_that_the_log_held_when_it_was_asked(log_end: int | None, arrived: int) -> None:
    work = work_of(TABLES[0], FenceThen(lambda: None), log_end=log_end)
    found = Changes(60, {TABLES[0]: frozenset({("1",)})}, {}, True)
    changes._let_arrive([work], found)
    assert work.arrived == arrived
    changes._let_arrive([work], found)
    assert len(work.crossings) == 1


def test_at_a_standby_nobody_can_see_what_is_equal_stays_so() -> None:
    work = work_of(TABLES[0], FenceThen(lambda: None))
    work.comparison.target.database.log.copy_of_another = lambda: "The target is a standby"
    changes._let_arrive([work], Changes(60, {TABLES[0]: frozenset({("1",)})}, {}, True))
    assert work.error.startswith(
        "The target is a standby: whether what is equal stays so, or a change of it was not replayed there yet, cannot be seen."
    )
    assert work.crossings == []


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [(50, 30, 30), (30, 50, 30), (30, 30, 30), (None, 30, 30), (30, None, 30), (None, None, None)],
)
def test_of_a_table_that_two_read_the_feed_shows_what_the_one_behind_needs(
    first: int | None, second: int | None, wanted: int | None
) -> None:
    works = [work_of(TABLES[0], FenceThen(lambda: None), position) for position in (first, second)]
    for number, work in enumerate(works):
        work.proofs = replace(work.proofs, dropped=number)
    [[table, asked]] = changes._asked(works).items()
    number = (first, second).index(wanted)
    assert (table, asked) == (TABLES[0], Followed(("id",), wanted, number))


@pytest.mark.parametrize(
    ("why_not", "column", "multiset", "by", "how"),
    [
        ("", "", False, "WAL", "feed"),
        ("", "at", False, "WAL; the update column at is not used beside it", "feed"),
        (
            "not published",
            "at",
            False,
            "the update column at, which shows neither deletions nor a value that is written 1 h or more after greater ones: "
            "these are found when their slice has its turn",
            "column",
        ),
        ("not published", "at", True, "slices only: the update column does not show rows of a table without a key", ""),
        ("not published", "", False, "no change feed and no update column: slices only", ""),
    ],
)
def test_what_shows_the_changes_of_a_table(why_not: str, column: str, multiset: bool, by: str, how: str) -> None:
    work = work_of(TABLES[0], FenceThen(lambda: None))
    work.comparison.table.update_column = column
    feed = Feed(known={TABLES[0]: Following("slot 1", why_not)})
    feed.following = lambda keys: feed.known  # type: ignore[method-assign]
    work.plan.multiset = multiset
    changes.follow([work], feed)  # type: ignore[arg-type]
    assert work.changes_by == by
    assert (work.is_followed, work.by_update_column) == (how == "feed", how == "column")
    assert work.shown_by == {"feed": "slot 1", "column": f"the update column {column}", "": ""}[how]
    assert work.not_followed == ("" if how else why_not) or how == "column"


def test_without_a_feed_nothing_is_followed() -> None:
    work = work_of(TABLES[0], FenceThen(lambda: None))
    changes.follow([work], None)
    assert (work.is_followed, work.not_followed) == (False, "")
    assert work.changes_by == "no change feed and no update column: slices only"


def test_a_table_that_two_read_by_two_keys_is_followed_for_the_first() -> None:
    first, second = (work_of(TABLES[0], FenceThen(lambda: None)) for _ in range(2))
    second.plan.source = replace(second.plan.source, key_width=2)
    changes.follow([first, second], Feed(known={TABLES[0]: Following("slot 1")}))  # type: ignore[arg-type]
    assert (first.is_followed, second.is_followed) == (True, False)
    assert second.not_followed == (
        "Another table of the pipeline reads public.t0 by another key, and the feed gives one."
    )


def test_the_feed_keeps_what_a_table_that_failed_and_others_need(kept: list[tuple[str, Proofs]]) -> None:
    def fail() -> None:
        raise UnreachableError("Kafka does not answer.")

    good = proven(work_of(TABLES[0], FenceThen(lambda: None), 50))
    bad = proven(work_of(TABLES[1], FenceThen(fail), 40))
    feed = Feed([Changes(60, {TABLES[1]: frozenset({("1",)})}, {}, False), Changes(80, {}, {}, True)])

    changes.prove_followed([good, bad], feed, [], 24)  # type: ignore[arg-type]

    assert "Kafka does not answer." in bad.error
    assert (good.proofs.position, bad.proofs.position) == (80, 40)
    assert [sorted(table.table for table in one) for one in feed.asked] == [["t0", "t1"], ["t0"]]
    assert feed.released == [40, 40]
    assert (good.proofs.dropped, bad.proofs.dropped) == (39, None)
    assert {name for name, _ in kept} == {"t0"}
    assert kept[-1][1].dropped == 39


@pytest.mark.parametrize(
    ("needed", "followed", "released"),
    [([], NOW, 60), ([55], NOW, 55), ([], NOW - timedelta(hours=25), 60)],
    ids=["nobody else", "a table outside of this scrub", "a table that was not followed for a day"],
)
def test_the_feed_forgets_what_nobody_needs(
    needed: list[int], followed: datetime, released: int, kept: list[tuple[str, Proofs]]
) -> None:
    work = proven(work_of(TABLES[0], FenceThen(lambda: None)))
    other = proven(work_of(TABLES[1], FenceThen(lambda: None), 40), followed=followed)
    other.error = "" if followed == NOW else "it is locked"
    feed = Feed([Changes(60, {}, {}, True)])
    changes.prove_followed([work, other], feed, needed, 24)  # type: ignore[arg-type]
    assert feed.released == [released]
    assert kept


@pytest.mark.parametrize(
    ("position", "unknown", "then"),
    [(50, {}, 60), (90, {}, 90), (60, {}, 60), (90, {TABLES[0]: "the source was set back"}, 60), (None, {}, 60)],
)
def test_a_table_that_is_ahead_of_the_others_stays_there_unless_nothing_is_known(
    position: int | None, unknown: dict[TableName, str], then: int, kept: list[tuple[str, Proofs]]
) -> None:
    work = work_of(TABLES[0], FenceThen(lambda: None), position)
    changes._prove(work, Changes(60, {}, unknown, True))
    assert (work.proofs.position, work.proofs.followed_at) == (then, NOW.isoformat(timespec="seconds"))
    assert work.not_used == [f"earlier proofs are not used: {why}" for why in unknown.values()]
    assert [proofs.position for _, proofs in kept] == [then]


def test_the_keys_of_changes_are_proven_and_a_table_without_keys_anew(
    kept: list[tuple[str, Proofs]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Sequence[tuple[str | None, ...]]] = []
    monkeypatch.setattr(Work, "prove_written", lambda self, keys: found.append(keys))
    keys = frozenset({("1",), (None,), ("2",)})  # a key may have a NULL in a table without a primary key
    work, bare = (work_of(TABLES[0], FenceThen(lambda: None)) for _ in range(2))
    changes._prove(work, Changes(60, {TABLES[0]: keys}, {}, True))
    [proven_keys] = found
    assert sorted(proven_keys, key=str) == sorted(keys, key=str)

    bare.plan.multiset = True
    changes._prove(bare, Changes(60, {TABLES[0]: keys}, {}, True))
    assert bare.not_used == ["earlier proofs are not used: it was written to, and its rows have no key"]
    assert found == [proven_keys]


@pytest.mark.parametrize(("ranged", "width", "chunks"), [(True, 1 << 62, (-2, -1, 0, 1, 2)), (False, 100, (0, 1, 2))])
def test_rows_whose_update_column_is_not_below_its_greatest_value_of_then_are_proven(
    ranged: bool, width: int, chunks: tuple[int, ...], kept: list[tuple[str, Proofs]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[Scan, tuple[int, ...]]] = []
    found: list[list[tuple[bytes, ...]]] = []
    monkeypatch.setattr(Work, "prove_keys", lambda self, keys: found.append(keys))

    @contextmanager
    def rows(scan: Scan, of: Sequence[int]) -> Iterator[list[Any]]:
        read.append((scan, tuple(of)))
        yield [SimpleNamespace(forms=(b"1", b"x")), SimpleNamespace(forms=(b"2", b"y"))]

    work = work_of(TABLES[0], FenceThen(lambda: None))
    work.comparison.table.update_column = "at"
    work.plan.range_column = ("id", 0) if ranged else None
    database: Any = work.comparison.source.database
    database.catalogue = SimpleNamespace(
        latest=lambda table, column: "9" if (table, column) == (TABLES[0], "at") else ""
    )
    database.rows = SimpleNamespace(chunk_rows=rows)
    work.proofs = replace(work.proofs, latest=(Latest((NOW - timedelta(hours=2)).isoformat(), "7"),))

    changes.prove_since(work)

    assert read == [(Scan(TABLES[0], Chunking(width), Since("at", "7")), chunks)]
    assert found == [[(b"1",), (b"2",)]]
    assert work.proofs.latest[-1] == Latest(NOW.isoformat(timespec="seconds"), "9")
    assert kept


@pytest.mark.parametrize(
    ("before", "latest", "not_used"),
    [
        ((), "9", []),
        ((Latest(NOW.isoformat(), None),), "9", ["earlier proofs are not used: the table was empty"]),
        ((Latest(NOW.isoformat(), None),), None, []),
        ((Latest(NOW.isoformat(), "7"),), None, []),
    ],
    ids=["at first", "it was empty", "it was and is empty", "it is empty now"],
)
def test_without_a_value_of_then_or_now_no_row_is_read_by_the_update_column(
    before: tuple[Latest, ...], latest: str | None, not_used: list[str], kept: list[tuple[str, Proofs]]
) -> None:
    work = work_of(TABLES[0], FenceThen(lambda: None))
    work.comparison.table.update_column = "at"
    database: Any = work.comparison.source.database
    database.catalogue = SimpleNamespace(latest=lambda *_: latest)
    work.proofs = replace(work.proofs, latest=before)
    changes.prove_since(work)
    assert work.not_used == not_used
    assert work.proofs.latest[-1].value == latest
    assert kept


@dataclass
class Busy:
    """A feed of a source that writes more than a reading has, for as long as it is read."""

    ends: list[int] = field(default_factory=list)

    def read(self, tables: Mapping[TableName, Followed], most: int) -> Changes:
        assert len(self.ends) < 20, "it is read for ever"
        self.ends.append(self.ends[-1] + 9 if self.ends else 50)
        return Changes(self.ends[-1], keys={}, unknown={}, is_last=False)

    def release(self, position: int) -> int:
        return position


def test_what_is_written_while_changes_are_proven_is_left_to_the_next_scrub(kept: list[tuple[str, Proofs]]) -> None:
    work, feed = work_of(TABLES[0], FenceThen(), log_end=70), Busy()
    work.is_followed = True

    changes.prove_followed([work], feed, [], 24)  # type: ignore[arg-type]

    assert feed.ends == [50, 59, 68, 77]
    assert (work.error, kept[-1][1].position) == ("", 77)
