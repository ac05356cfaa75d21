"""The scrub on two real servers: what changed and the oldest slices are proven, and nothing is called proven that was not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.core.errors import UnreachableError
from cdcproof.core.secrets import Secret
from cdcproof.core.waiting import Deadline
from cdcproof.databases.contracts.change_feed import ChangeFeed
from cdcproof.databases.postgresql.log.change_feed import PostgreSQLChanges
from cdcproof.reconcile.engine import Options
from cdcproof.reconcile.in_flight.fence import Crossing, Fence, Method
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.scrub import proofs, scrub
from cdcproof.reconcile.scrub.scrub import Budget
from tests.postgres_server import PASSWORD
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]

SLOT = PUBLICATION = "scrub_test"
ROWS = 1_000


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten slices of a hundred rows."""
    monkeypatch.setattr(proofs, "SLICE_ROWS", 100)


@pytest.fixture
def slot(sides: Sides) -> Iterator[str]:
    sides.source.execute(
        f"CREATE PUBLICATION {PUBLICATION} FOR ALL TABLES",
        f"SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')",
    )
    yield SLOT
    sides.source.execute(f"SELECT pg_drop_replication_slot('{SLOT}')", f"DROP PUBLICATION {PUBLICATION}")


class Clock:
    """Goes on by an hour with every scrub."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Scrubs:
    """Scrubs of one pipeline, one after the other."""

    def __init__(self, sides: Sides, folder: Path) -> None:
        self.sides, self.folder, self.clock = sides, folder, Clock()
        self.oldest_hours = 24.0

    def feed(self) -> AbstractContextManager[ChangeFeed]:
        config = self.sides.source.config(publication=PUBLICATION)
        return PostgreSQLChanges(config, Secret(PASSWORD), 30, SLOT)

    def run(
        self, *tables: str, seconds: float = 0, feed: bool = True, fence: Fence | None = None, **more: str
    ) -> list[TableResult]:
        self.clock.now += timedelta(hours=1)
        budget = Budget(seconds, self.folder, self.oldest_hours, self.feed if feed else None, self.clock, "pipe")
        run = self.sides.run(Options(validate_checksums=True), fence)
        pairs = [self.sides.pair(table, **more) for table in tables or ("t",)]
        return list(scrub.scrub(run, pairs, budget))

    def one(self, **options: object) -> TableResult:
        (result,) = self.run(**options)  # type: ignore[arg-type]
        return result

    def all_proven(self) -> TableResult:
        return self.one(seconds=60)


@pytest.fixture
def scrubs(sides: Sides, tmp_path: Path) -> Scrubs:
    rows = [(i, f"v{i}") for i in range(ROWS)]
    sides.table("t", "id bigint PRIMARY KEY, v text", rows, rows)
    sides.both(f"ANALYZE {sides.name('t')}")
    return Scrubs(sides, tmp_path)


def _change(sides: Sides, sql: str, *, also_target: bool) -> None:
    statement = sql.format(t=sides.name("t"))
    sides.source.execute(statement)
    if also_target:
        sides.target.execute(statement)


def test_a_table_is_proven_over_several_runs_and_nothing_is_green_before(scrubs: Scrubs, slot: str) -> None:
    first = scrubs.one()
    assert first.status is TableStatus.ERROR
    assert "9 of 10 slices are not proven yet" in first.error
    assert first.scrubbed
    assert first.scrubbed.slices_proven == 1

    for _ in range(8):
        scrubs.one()
    last = scrubs.one()
    assert last.status is TableStatus.MATCH
    assert last.scrubbed
    assert last.scrubbed.oldest_proof_at == "2026-11-23T01:00:00+00:00"


def test_a_column_with_data_that_no_scrub_compares_makes_the_table_incomplete(
    scrubs: Scrubs, sides: Sides, slot: str
) -> None:
    sides.both(f"ALTER TABLE {sides.name('t')} ADD COLUMN doc point")
    assert scrubs.all_proven().status is TableStatus.MATCH
    _change(sides, "UPDATE {t} SET doc = '(1,2)' WHERE id = 7", also_target=True)
    result = scrubs.one()
    assert (result.status, result.unseen) == (TableStatus.INCOMPLETE, ("doc",))


def test_the_slice_that_was_proven_longest_ago_is_proven_next(scrubs: Scrubs, slot: str) -> None:
    scrubs.all_proven()
    oldest = [scrubs.one().scrubbed.oldest_proof_at for _ in range(11)]  # type: ignore[union-attr]

    assert oldest[8] == "2026-11-23T01:00:00+00:00"
    assert oldest[9] == "2026-11-23T02:00:00+00:00"


def test_an_old_proof_is_not_green(scrubs: Scrubs, slot: str) -> None:
    scrubs.all_proven()
    scrubs.oldest_hours = 5
    results = [scrubs.one() for _ in range(6)]

    assert [result.status for result in results[:5]] == [TableStatus.MATCH] * 5
    assert results[5].status is TableStatus.ERROR
    assert "6.0 h old, the limit is 5 h" in results[5].error


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE {t} SET v = 'new' WHERE id = 950", "changed 950 (v)"),
        ("DELETE FROM {t} WHERE id = 950", "extra 950"),
        ("INSERT INTO {t} VALUES (5000, 'new')", "missing 5000"),
    ],
)
def test_a_change_that_did_not_arrive_is_found_at_once_and_until_it_is_gone(
    scrubs: Scrubs, slot: str, change: str, told: str
) -> None:
    scrubs.all_proven()
    _change(scrubs.sides, change, also_target=False)

    for _ in range(3):
        result = scrubs.one()
        assert (result.status, result.example_keys) == (TableStatus.MISMATCH, (told,))

    scrubs.sides.target.execute(change.format(t=scrubs.sides.name("t")))
    result = scrubs.one()
    assert (result.status, result.error) == (TableStatus.MATCH, "")


def test_changes_that_arrived_are_proven(scrubs: Scrubs, slot: str) -> None:
    scrubs.all_proven()
    _change(scrubs.sides, "UPDATE {t} SET v = 'new' WHERE id BETWEEN 100 AND 199", also_target=True)
    result = scrubs.one()

    assert result.status is TableStatus.MATCH
    assert result.scrubbed
    assert result.scrubbed.changed_keys == 100
    assert slot in result.scrubbed.changes_by
    assert scrubs.one().scrubbed.changed_keys == 0  # type: ignore[union-attr]


def test_rot_at_the_target_is_found_when_its_slice_has_its_turn(scrubs: Scrubs, slot: str) -> None:
    scrubs.all_proven()
    scrubs.sides.target.execute(f"UPDATE {scrubs.sides.name('t')} SET v = 'rot' WHERE id = 777")
    results = [scrubs.one() for _ in range(10)]

    assert [told for result in results for told in result.example_keys][:1] == ["changed 777 (v)"]
    assert results[-1].status is TableStatus.MISMATCH


def test_a_truncated_table_has_to_be_proven_anew(scrubs: Scrubs, slot: str) -> None:
    scrubs.all_proven()
    _change(scrubs.sides, "TRUNCATE {t}", also_target=True)
    result = scrubs.one()

    assert result.scrubbed
    assert result.scrubbed.not_used == (
        "earlier proofs are not used: the source's table, the target's table changed since",
    )
    assert (result.status, result.scrubbed.slices, result.scrubbed.slices_proven) == (TableStatus.MATCH, 1, 1)


class Stuck:
    """A fence that cannot be crossed."""

    method: Method = "position"
    takes_time: bool = True

    def cross(self, tell: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
        raise UnreachableError("Kafka Connect does not answer.")


def test_changes_that_could_not_be_judged_are_not_checked_and_come_again(scrubs: Scrubs, slot: str) -> None:
    scrubs.all_proven()
    _change(scrubs.sides, "DELETE FROM {t} WHERE id = 950", also_target=False)
    stuck = scrubs.one(fence=Stuck())
    assert stuck.status is TableStatus.ERROR
    assert "Kafka Connect does not answer." in stuck.error

    assert scrubs.one().example_keys == ("extra 950",)


def test_without_a_feed_the_update_column_tells_what_changed(scrubs: Scrubs) -> None:
    rows = [(i, datetime(2026, 1, 1) + timedelta(minutes=i)) for i in range(ROWS)]  # noqa: DTZ001
    scrubs.sides.table("u", "id bigint PRIMARY KEY, at timestamp", rows, rows)
    scrubs.sides.both(f"ANALYZE {scrubs.sides.name('u')}")
    more = {"update_column": "at"}
    scrubs.run("u", seconds=60, feed=False, **more)
    scrubs.sides.source.execute(f"UPDATE {scrubs.sides.name('u')} SET at = '2026-11-23' WHERE id = 950")
    (result,) = scrubs.run("u", feed=False, **more)

    assert result.example_keys == ("changed 950 (at)",)
    assert result.scrubbed
    assert result.scrubbed.changes_by.startswith("the update column at, which shows neither deletions nor a value")


def test_without_either_the_report_says_so(scrubs: Scrubs) -> None:
    result = scrubs.one(feed=False)

    assert result.scrubbed
    assert result.scrubbed.changes_by == "no change feed and no update column: slices only"


def test_a_table_without_a_key_is_one_slice(scrubs: Scrubs, slot: str) -> None:
    rows: Sequence[tuple[str, int]] = [(f"v{i}", i % 3) for i in range(50)] * 2
    scrubs.sides.table("bag", "v text, n int", rows, rows)
    (result,) = scrubs.run("bag")
    assert result.status is TableStatus.MATCH

    scrubs.sides.source.execute(f"INSERT INTO {scrubs.sides.name('bag')} VALUES ('v1', 1)")
    (result,) = scrubs.run("bag")
    assert result.status is TableStatus.MISMATCH
    assert result.missing_at_target == 1


def test_a_table_that_is_not_there_is_an_error_beside_the_others(scrubs: Scrubs, slot: str) -> None:
    missing, there = scrubs.run("nowhere", "t", seconds=60)

    assert (missing.status, there.status) == (TableStatus.ERROR, TableStatus.MATCH)
    assert "nowhere" in missing.error
