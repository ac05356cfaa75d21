"""The flow over a database in memory: sessions, order, failures, changes while it is read, and what a stop leaves."""

from __future__ import annotations

import html
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from cdcproof.core.errors import DeadlineError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import ChunkSum
from cdcproof.databases.values import canonical
from cdcproof.databases.values.types import Form, Kind
from cdcproof.reconcile.engine import Endpoint, Options, Run, method, reconcile
from cdcproof.reconcile.in_flight.fence import Crossing, Method
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.report import screen
from cdcproof.reconcile.report.html import page
from cdcproof.reconcile.report.result import Report, TableResult, TableStatus
from cdcproof.reconcile.rows import compare, differing_chunks
from tests.reconcile.canonical_rows import Cell
from tests.reconcile.fake import FakeDatabase, FakeTable

ID, WORD = Column("id", "bigint", nullable=False), Column("word", "character varying", nullable=True, length=20)
CONTENTS, COUNTS = Options(validate_checksums=True), Options(validate_checksums=False)


@dataclass
class FakeFence:
    """A fence that does something while it is crossed."""

    then: Callable[[], None] = lambda: None
    method: Method = "position"
    takes_time: bool = True
    crossed: int = 0

    def cross(self, tell: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
        self.then()
        self.crossed += 1
        return Crossing("position", f"0/{self.crossed}", 0.1)


@dataclass
class Watched:
    """What was told."""

    told: list[tuple[str, str, int, int]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def doing(self, table: str, what: str, rows: int = 0, of: int = 0) -> None:
        self.told.append((table, what, rows, of))

    def finished(self, table: str) -> None:
        self.ended.append(table)


def _side(*rows: tuple[Cell, ...], key: tuple[str, ...] = ("id",), name: str = "t") -> FakeDatabase:
    return FakeDatabase({name: FakeTable((ID, WORD), key, list(rows))})


def _pair(name: str = "t") -> TablePair:
    return TablePair(name, TableName("s", name), TableName("s", name))


def _run(
    source: FakeDatabase,
    target: FakeDatabase,
    fence: FakeFence | None = None,
    options: Options = CONTENTS,
    watch: Watched | None = None,
) -> Run:
    crossed = fence or FakeFence()
    return Run(source.endpoint(), target.endpoint(), lambda _: crossed, options, watch or Watched())


def _one(run: Run) -> TableResult:
    (result,) = reconcile(run, [_pair()])
    return result


def _on(method: str, act: Callable[[], None]) -> Callable[[str], None]:
    """Do something the first time a method is called."""
    done: list[str] = []

    def before(called: str) -> None:
        if called == method and not done:
            done.append(called)
            act()

    return before


def test_equal_sides_match_and_no_fence_is_needed() -> None:
    rows = [(i, f"word {i}") for i in range(-30, 30)]
    fence = FakeFence()
    result = _one(_run(_side(*rows), _side(*reversed(rows)), fence))
    assert (result.status, result.checksums_match, result.method) == (TableStatus.MATCH, True, "none needed")
    assert (result.source_rows, result.target_rows, result.strategy) == (60, 60, "push-down")
    assert set(result.timings) == {"plan", "sums", "self-proof", "rows", "settle"}
    assert (fence.crossed, result.positions) == (0, ())


def test_each_kind_of_difference_is_named_and_confirmed_by_position() -> None:
    rows = [(i, "word") for i in range(100)]
    target = [(i, "Word" if i == 7 else "word") for i in range(100) if i != 50] + [(200, "word")]
    result = _one(_run(_side(*rows), _side(*target)))
    assert (result.status, result.checksums_match) == (TableStatus.MISMATCH, False)
    assert result.example_keys == ("changed 7 (word)", "missing 50", "extra 200")
    assert (result.missing_at_target, result.extra_at_target, result.changed) == (1, 1, 1)
    assert (result.source_rows, result.target_rows) == (100, 100)
    assert (result.method, result.positions) == ("position", ("0/1",))
    assert result.differences[0].key == {"id": "7"}


@pytest.mark.parametrize(
    ("key", "of_a_moment", "looks"),
    [(("id",), True, 2), (("id",), False, 3), ((), True, 3)],
    ids=["a look", "of no moment", "without versions"],
)
def test_rows_that_were_read_count_as_a_look_where_the_target_is_of_a_moment_before_the_source(
    key: tuple[str, ...], of_a_moment: bool, looks: int
) -> None:
    source, target = _side((1, "a"), (2, "b"), key=key), _side((1, "a"), key=key)
    target.of_a_moment = of_a_moment
    asked: list[tuple[str, str]] = []
    for side, database in (("source", source), ("target", target)):
        database.before = lambda called, side=side: asked.append((side, called))  # type: ignore[misc]
    assert _one(_run(source, target)).missing_at_target == 1
    in_chunks = [side for side, called in asked if called == "chunk_rows"]
    by_key = [side for side, called in asked if called == "rows_by_key"]
    assert in_chunks == ["target", "source"]
    assert by_key == ["target", "source"] * looks


def test_a_row_that_arrives_while_the_fence_is_crossed_is_no_difference() -> None:
    target = _side((1, "a"))
    fence = FakeFence(then=lambda: target.tables_held["t"].rows.append((2, "b")))
    result = _one(_run(_side((1, "a"), (2, "b")), target, fence))
    assert (result.status, result.positions) == (TableStatus.MATCH, ("0/1",))
    assert (result.source_rows, result.target_rows) == (2, 2)


def test_a_row_that_arrives_before_it_is_read_by_value_needs_no_fence() -> None:
    target = _side((1, "a"))
    target.before = _on("chunk_rows", lambda: target.tables_held["t"].rows.append((2, "b")))
    result = _one(_run(_side((1, "a"), (2, "b")), target))
    assert (result.status, result.method) == (TableStatus.MATCH, "none needed")


def test_a_row_that_never_rests_is_neither_match_nor_mismatch() -> None:
    source, target = _side((1, "a"), (2, "b")), _side((2, "b"))
    table = source.tables_held["t"]
    fence = FakeFence(then=lambda: table.written.update({(1, "a"): table.written.get((1, "a"), 0) + 1}))
    result = _one(_run(source, target, fence))
    assert (result.status, result.checksums_match, result.missing_at_target) == (TableStatus.ERROR, None, None)
    assert "1 keys that differ changed at the source every time" in result.error


def test_a_fence_that_is_stuck_is_not_checked() -> None:
    def stuck() -> None:
        raise DeadlineError("The connector does not move.")

    result = _one(_run(_side((1, "a")), _side(), FakeFence(then=stuck)))
    assert (result.status, result.error) == (TableStatus.ERROR, "The connector does not move.")


def test_more_differing_keys_than_are_named_are_still_counted() -> None:
    rows = [(i, "x") for i in range(60)]
    result = _one(_run(_side(*rows), _side(), options=Options(validate_checksums=True, key_limit=25)))
    assert (result.missing_at_target, len(result.differences), len(result.example_keys)) == (60, 25, 20)
    assert [d.key["id"] for d in result.differences] == [str(i) for i in range(25)]


def test_keys_are_named_in_their_order_negative_ones_first() -> None:
    result = _one(_run(_side(*((i, None) for i in (5, -7, 300, -1))), _side()))
    assert result.example_keys == ("missing -7", "missing -1", "missing 5", "missing 300")


def test_differences_beyond_those_remembered_are_counted_as_first_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differing_chunks, "DIFFERENCES_HELD", 10)
    rows = [(i, "x") for i in range(60)]
    result = _one(_run(_side(*rows), _side()))
    assert (result.status, result.missing_at_target, result.unconfirmed) == (TableStatus.MISMATCH, 60, 50)
    assert result.target_rows == 0


def test_when_all_remembered_differences_have_arrived_the_rest_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differing_chunks, "DIFFERENCES_HELD", 10)
    rows = [(i, "x") for i in range(60)]
    target = _side()
    result = _one(_run(_side(*rows), target, FakeFence(then=lambda: target.tables_held["t"].rows.extend(rows))))
    assert (result.status, result.missing_at_target) == (TableStatus.ERROR, None)
    assert "50 rows differ and were too many" in result.error


@pytest.mark.parametrize("key", [("id",), ()])
def test_what_memory_does_not_hold_is_compared_in_two_readings(
    monkeypatch: pytest.MonkeyPatch, key: tuple[str, ...]
) -> None:
    monkeypatch.setattr(compare, "BYTES_HELD", 3_000)
    source = [(i, "x") for i in range(200)]
    target = [(i, "y" if i % 50 == 7 else "x") for i in range(200) if i != 100] + [(3, "x"), (-5, "z")]
    result = _one(_run(_side(*source, key=key), _side(*target, key=())))
    if key:
        told = ("extra -5", "extra 3", "changed 7 (word)", "changed 57 (word)", "missing 100")
        assert result.example_keys == (*told, "changed 107 (word)", "changed 157 (word)")
    counts = (result.missing_at_target, result.extra_at_target, result.changed)
    assert counts == ((1, 2, 4) if key else (5, 6, 0))
    assert (result.source_rows, result.target_rows) == (200, 201)


def test_differences_that_memory_does_not_hold_are_counted_in_two_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "BYTES_HELD", 3_000)
    monkeypatch.setattr(differing_chunks, "DIFFERENCES_HELD", 10)
    result = _one(_run(_side(*((i, "x") for i in range(200))), _side(*((i, "y") for i in range(100, 300)))))
    counts = (result.missing_at_target, result.extra_at_target, result.changed)
    assert (counts, result.unconfirmed) == ((100, 100, 100), 290)


def test_chunks_that_differ_are_summed_up_by_smaller_ones_before_their_rows_are_fetched() -> None:
    rows = [(number, "same") for number in range(4_000)]
    changed = [(number, "other" if number % 100 == 7 else word) for number, word in rows]
    asked: list[str] = []
    source, target = _side(*rows), _side(*changed)
    source.before = asked.append
    result = _one(_run(source, target))
    assert (result.changed, result.missing_at_target, result.extra_at_target) == (40, 0, 0)
    assert asked.count("sums_of_chunks") == 1
    assert asked.index("sums_of_chunks") < asked.index("chunk_rows")


def test_a_type_that_a_server_tells_otherwise_is_not_compared_and_named() -> None:
    text = canonical.frame([Form(Kind.TEXT)], [b""])[:8]
    target = _side((1, "a"))
    target.digest = lambda frame: b"odd" if frame.startswith(text) else canonical.digest(frame)
    result = _one(_run(_side((1, "b")), target))
    assert (result.status, result.source_rows) == (TableStatus.INCOMPLETE, 1)
    assert (result.unseen, result.columns_compared, result.columns) == (("word",), 1, 2)
    (left_out,) = result.not_compared
    assert left_out.startswith("word (character varying: the server's MD5 of")


def test_a_type_that_a_server_cannot_hash_is_not_compared_and_named() -> None:
    text = canonical.frame([Form(Kind.TEXT)], [b""])[:8]
    source = _side((1, "b"))
    source.digest = lambda frame: b"" if frame.startswith(text) else canonical.digest(frame)
    result = _one(_run(source, _side((1, "a"))))
    assert result.not_compared == ("word (character varying: this server cannot hash it)",)
    assert (result.status, result.unseen) == (TableStatus.INCOMPLETE, ("word",))


def test_a_column_that_is_not_compared_and_holds_nothing_leaves_a_match() -> None:
    text = canonical.frame([Form(Kind.TEXT)], [b""])[:8]
    source, target = _side((1, None)), _side((1, None))
    source.digest = lambda frame: b"odd" if frame.startswith(text) else canonical.digest(frame)
    result = _one(_run(source, target))
    assert (result.status, result.unseen, result.columns_compared, result.columns) == (TableStatus.MATCH, (), 1, 2)
    target.tables_held["t"].rows = [(1, "b")]
    assert _one(_run(source, target)).unseen == ("word",), "data at one side is enough"


def test_a_column_whose_data_may_not_be_looked_for_is_an_error() -> None:
    def refuse(method: str) -> None:
        if method == "columns_with_data":
            raise RefusedError("permission denied for column word")

    text = canonical.frame([Form(Kind.TEXT)], [b""])[:8]
    source, target = _side((1, "a")), _side((1, "a"))
    source.digest = lambda frame: b"odd" if frame.startswith(text) else canonical.digest(frame)
    target.before = refuse
    result = _one(_run(source, target))
    assert (result.status, result.error) == (TableStatus.ERROR, "permission denied for column word")


@pytest.mark.parametrize("options", [Options(validate_checksums=True), Options(validate_checksums=False)])
@pytest.mark.parametrize(
    ("accepted", "at_target", "status"),
    [
        ((), "a", TableStatus.INCOMPLETE),
        (("dbo.another",), "a", TableStatus.INCOMPLETE),
        (("dbo.by_tenant",), "a", TableStatus.MATCH),
        ((), None, TableStatus.MISMATCH),
    ],
)
def test_rows_that_a_policy_may_hide_are_named_by_every_comparison(
    options: Options, accepted: tuple[str, ...], at_target: str | None, status: TableStatus
) -> None:
    source, target = _side((1, "a")), _side(*([(1, at_target)] if at_target else []))
    source.tables_held["t"].row_policies = ("dbo.by_tenant",)
    (result,) = reconcile(_run(source, target, options=options), [replace(_pair(), row_policies=accepted)])
    assert (result.status, result.row_policies) == (status, ("dbo.by_tenant",))
    assert result.not_compared == ("rows that dbo.by_tenant hides from the source's account, if any",)
    report = Report("r", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00", "s", "t", "m", (result,))
    for told in (" ".join(screen.of_table(result).split()), html.unescape(page(report))):
        assert ('in the pipeline file: row_policies = ["dbo.by_tenant"]' in told) is (status is TableStatus.INCOMPLETE)


def test_a_key_that_a_server_tells_otherwise_is_an_error() -> None:
    target = _side((1, "a"))
    target.digest = lambda _: b"odd"
    result = _one(_run(_side((1, "a")), target))
    assert result.status is TableStatus.ERROR
    assert "s.t cannot be compared without id (bigint: the server's MD5 of" in result.error


def test_rows_without_a_key_are_named_by_their_hash_and_not_by_their_values() -> None:
    rows: list[tuple[Cell, ...]] = [(1, "secret"), (1, "secret"), (2, None)]
    result = _one(_run(_side(*rows, key=()), _side(*rows[1:], (2, "secret"), key=())))
    assert (result.status, result.missing_at_target, result.extra_at_target) == (TableStatus.MISMATCH, 1, 1)
    assert result.changed == 0
    assert "secret" not in str(result)
    assert {d.word: (d.source_rows, d.target_rows) for d in result.differences} == {"missing": (2, 1), "extra": (0, 1)}
    assert all(len(d.row) == 32 and not d.key for d in result.differences)


def test_two_rows_of_a_key_at_the_source_are_an_error_that_names_the_key() -> None:
    result = _one(_run(_side((1, "a"), (1, "b")), _side((1, "a"))))
    assert result.status is TableStatus.ERROR
    assert "Two rows of s.t have the same key 1." in result.error


def test_a_row_that_is_seen_twice_because_it_moved_is_read_again() -> None:
    source = _side((1, "a"), (1, "b"), (2, "c"))
    source.before = _on("rows_by_key", lambda: source.tables_held["t"].rows.remove((1, "b")))
    result = _one(_run(source, _side((1, "a"), (2, "x"))))
    assert result.example_keys == ("changed 2 (word)",)


def _many(number: int, target_rows: int = 1) -> tuple[FakeDatabase, FakeDatabase, list[TablePair]]:
    names = [f"t{i}" for i in range(number)]
    sides = [
        FakeDatabase({name: FakeTable((ID, WORD), ("id",), [(i, "x") for i in range(rows)]) for name in names})
        for rows in (1, target_rows)
    ]
    return sides[0], sides[1], [_pair(name) for name in names]


@pytest.mark.parametrize("options", [CONTENTS, COUNTS])
def test_tables_are_compared_at_once_with_no_more_sessions_than_allowed(options: Options) -> None:
    source, target, tables = _many(7)
    together = threading.Barrier(3, timeout=10)  # broken unless three tables are at it at once
    met = threading.Semaphore(3)
    asked = "count_rows" if options is COUNTS else "primary_key"

    def meet(called: str) -> None:
        if called == asked and met.acquire(blocking=False):
            together.wait()

    source.before = meet
    limited = Options(options.validate_checksums, max_parallel=3)
    watch = Watched()
    results = list(reconcile(_run(source, target, options=limited, watch=watch), tables))
    assert {r.table: r.status for r in results} == {t.name: TableStatus.MATCH for t in tables}
    assert (source.most_sessions, target.most_sessions) == (3, 3)
    assert (source.sessions, target.sessions) == (0, 0)
    assert sorted(watch.ended) == sorted(t.name for t in tables)


def test_one_tables_failure_is_its_own() -> None:
    source, target, tables = _many(3)
    del target.tables_held["t1"]
    results = {r.table: r for r in reconcile(_run(source, target), tables)}
    assert [results[f"t{i}"].status for i in range(3)] == [TableStatus.MATCH, TableStatus.ERROR, TableStatus.MATCH]
    assert results["t1"].error == "There is no table s.t1."


def test_when_one_side_fails_the_other_is_not_read_to_its_end() -> None:
    source, target = _side((1, "a")), _side((1, "a"))
    readers: list[threading.Thread] = []

    def fails(called: str) -> None:
        if called == "chunk_sums":
            raise UnreachableError("gone")

    def endless(*_: object) -> Iterator[ChunkSum]:
        readers.append(threading.current_thread())
        while True:
            yield ChunkSum(0, 1, 1)

    source.before = fails
    target.chunk_sums = endless  # type: ignore[method-assign]
    assert _one(_run(source, target)).error == "gone"
    readers[0].join(10)
    assert not readers[0].is_alive()


def test_a_side_that_does_not_answer_makes_every_table_an_error_at_once() -> None:
    source, target, tables = _many(2)

    def dead() -> FakeDatabase:
        raise UnreachableError("nobody there")

    run = Run(source.endpoint(), Endpoint("postgresql", "", dead), lambda _: FakeFence(), CONTENTS, Watched())
    results = list(reconcile(run, tables))
    assert [(r.status, r.error) for r in results] == [(TableStatus.ERROR, "nobody there")] * 2
    assert target.most_sessions == 0


def test_a_defect_of_ours_is_not_taken_for_a_result() -> None:
    source, target, tables = _many(1)

    def defect(called: str) -> None:
        if called == "primary_key":
            raise ZeroDivisionError

    source.before = defect
    with pytest.raises(ZeroDivisionError):
        list(reconcile(_run(source, target), tables))


def test_closing_the_iterator_stops_the_work() -> None:
    source, target, tables = _many(50)
    results = reconcile(_run(source, target), tables)
    next(results)
    results.close()
    for thread in threading.enumerate():
        if thread.daemon and thread is not threading.current_thread():
            thread.join(10)
    assert source.sessions == target.sessions == 0


@pytest.mark.parametrize(
    ("options", "statement"), [(COUNTS, "count_rows"), (CONTENTS, "chunk_sums"), (CONTENTS, "chunk_rows")]
)
def test_a_statement_that_runs_is_ended_when_the_work_is_stopped(options: Options, statement: str) -> None:
    """As servers do: the second table's statement takes until it is interrupted, and then raises."""
    source, target, tables = _many(2, target_rows=2)
    calls = itertools.count()
    ended = threading.Event()

    def before(called: str) -> None:
        if called == statement and next(calls) == 1:
            assert ended.wait(10)
            raise UnexpectedAnswerError("the statement was cancelled")
        if called == "interrupt":
            ended.set()

    target.before = before
    fence = FakeFence(then=lambda: None)
    results = reconcile(_run(source, target, fence, options), tables)
    next(results)
    assert not ended.is_set()
    results.close()
    assert ended.is_set()
    assert source.sessions == target.sessions == 0


def test_progress_is_told_with_the_rows_that_are_through() -> None:
    watch = Watched()
    rows = [(i, "x") for i in range(20)]
    list(reconcile(_run(_side(*rows), _side(*rows), watch=watch), [_pair()]))
    assert ("t", "reading", 20, 20) in watch.told


@pytest.mark.parametrize(
    ("source_counts", "target_counts", "expected"),
    [
        pytest.param([5], [5], (TableStatus.MATCH, 5, 5, 0), id="equal"),
        pytest.param([5, 5], [3, 5], (TableStatus.MATCH, 5, 5, 1), id="rows arrive"),
        pytest.param([5], [4], (TableStatus.MISMATCH, 5, 4, 2), id="a row is missing"),
        pytest.param([5], [6], (TableStatus.MISMATCH, 5, 6, 2), id="a row is too many"),
        pytest.param([5, 9], [3, 7], (TableStatus.MATCH, 7, 7, 1), id="where the source has been"),
        pytest.param([5, 9, 8, 7, 6, 5], [3], (TableStatus.MISMATCH, 5, 3, 5), id="always below"),
        pytest.param([5, 6, 7, 8, 9, 10], [4, 20, 4, 20, 4, 20], (TableStatus.ERROR, 10, 20, 5), id="no telling"),
        pytest.param([0], [0], (TableStatus.MATCH, 0, 0, 0), id="empty"),
    ],
)
def test_counts_settle(
    source_counts: list[int], target_counts: list[int], expected: tuple[TableStatus, int, int, int]
) -> None:
    source, target = _side(), _side()
    for side, counts in ((source, source_counts), (target, target_counts)):
        side.count_rows = lambda *_, left=list(counts): left.pop(0) if len(left) > 1 else left[0]  # type: ignore[method-assign]
    fence = FakeFence()
    result = _one(_run(source, target, fence, COUNTS))
    assert (result.status, result.source_rows, result.target_rows, fence.crossed) == expected
    assert (result.checksums_match, result.strategy) == (None, "counts")
    assert bool(result.error) == (result.status is TableStatus.ERROR)


def test_the_method_says_what_was_done() -> None:
    assert method(COUNTS, "timer: 3 s").startswith("row counts only")
    assert "fence (timer: 3 s)" in method(COUNTS, "timer: 3 s")
    assert "behind a fence (position)" in method(CONTENTS, "position")
