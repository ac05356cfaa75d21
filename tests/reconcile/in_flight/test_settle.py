"""In flight or lost: whatever happens between two readings, nothing that is on its way is lost, and nothing lost is missed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdcproof.core.errors import DeadlineError
from cdcproof.core.waiting import Deadline
from cdcproof.reconcile.differences import Difference
from cdcproof.reconcile.in_flight import settle as settling
from cdcproof.reconcile.in_flight.fence import Crossing
from cdcproof.reconcile.in_flight.settle import MOST_CROSSINGS, Seen, Settled, settle
from cdcproof.reconcile.rows.compare import by_key
from tests.reconcile.canonical_rows import forms, row
from tests.reconcile.replication import Replication, SimulatedFence, Table

KEYS, VALUES = st.integers(0, 3), st.integers(0, 2)
LOST, STALE, GHOST = 10, 11, 12
Act = Callable[[Replication], None]

ACTS = st.one_of(
    st.builds(lambda key, value: lambda r: r.write(key, value), KEYS, VALUES),
    st.builds(lambda key: lambda r: r.write(key, None), KEYS),
    st.builds(lambda old, new: lambda r: r.rename(old, new), KEYS, KEYS),
    st.builds(lambda number: lambda r: r.apply(number), st.integers(1, 4)),
)
MOMENTS = st.lists(st.lists(ACTS, max_size=4), max_size=20)
"""What happens at each moment at which something can: before each reading, and while a fence is crossed."""
STARTS = st.dictionaries(KEYS, VALUES)


@pytest.fixture(autouse=True, scope="module")
def _no_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settling, "pause", lambda _: None)
        yield


def _settled(
    replication: Replication,
    moments: Iterable[Iterable[Act]] = (),
    *,
    stuck: bool = False,
    keys_per_reading: int = 500,
    seen_before: bool = False,
) -> Settled:
    """`seen_before`: what differs was seen by another reading, of two snapshots."""
    left: Iterator[Iterable[Act]] = iter(moments)

    def moment() -> None:
        for act in next(left, ()):
            act(replication)

    def read(side: Table) -> Callable[[Any], Any]:
        def rows(keys: Any) -> Any:
            moment()
            return side.read(keys)

        return rows

    keys = [forms(key) for key in (*range(4), LOST, STALE, GHOST)]
    seen = None
    if seen_before:
        target, source = (list(read(side)(keys)) for side in (replication.target, replication.source))
        seen, keys = Seen(by_key(source, target, 1), time.monotonic()), []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settling, "_KEYS_PER_READING", keys_per_reading)
        return settle(
            keys,
            1,
            read(replication.source),
            read(replication.target),
            fence=SimulatedFence(replication, moment, stuck),
            progress=lambda _: None,
            seen=seen,
        )


def _started(rows: dict[int, int], *, source_has_versions: bool = True) -> Replication:
    replication = Replication(Table(source_has_versions))
    for key, value in rows.items():
        replication.write(key, value)
    replication.apply(len(rows))
    return replication


def _planted(replication: Replication) -> Replication:
    replication.source.put(LOST, 1)
    replication.source.put(STALE, 1)
    replication.target.put(STALE, 2)
    replication.target.put(GHOST, 1)
    return replication


def _words(settled: Settled) -> dict[int, str]:
    return {int.from_bytes(one.key[0] or b""): one.word for one in settled.confirmed}


PLANTED = {LOST: "missing", STALE: "changed", GHOST: "extra"}


@settings(max_examples=700, deadline=None)
@given(STARTS, MOMENTS, st.sampled_from((2, 500)), st.booleans())
def test_what_is_in_flight_is_never_a_difference_and_what_is_lost_always_one(
    rows: dict[int, int], moments: list[list[Act]], keys_per_reading: int, seen_before: bool
) -> None:
    settled = _settled(_planted(_started(rows)), moments, keys_per_reading=keys_per_reading, seen_before=seen_before)
    assert _words(settled) == PLANTED
    assert len(settled.crossings) <= MOST_CROSSINGS


@settings(max_examples=700, deadline=None)
@given(STARTS, MOMENTS, st.booleans())
def test_without_versions_at_the_source_only_a_missing_row_is_told_by_its_values(
    rows: dict[int, int], moments: list[list[Act]], seen_before: bool
) -> None:
    settled = _settled(_planted(_started(rows, source_has_versions=False)), moments, seen_before=seen_before)
    found = _words(settled)
    assert found.items() >= PLANTED.items()
    assert {word for key, word in found.items() if key not in PLANTED} <= {"missing"}
    assert len(settled.crossings) >= 2


@settings(max_examples=300, deadline=None)
@given(STARTS, MOMENTS, st.frozensets(KEYS))
def test_keys_whose_changes_are_lost_are_found_once_the_source_leaves_them_alone(
    rows: dict[int, int], moments: list[list[Act]], lost: frozenset[int]
) -> None:
    replication = _started(rows)
    replication.lost = lost
    for acts in moments:
        for act in acts:
            act(replication)
    replication.apply(len(replication.changes))
    sides = (replication.source.rows, replication.target.rows)
    values = [{key: value for key, (_, value) in side.items()} for side in sides]
    differing = {key for key in range(4) if values[0].get(key) != values[1].get(key)}
    assert _words(_settled(replication)).keys() == differing <= lost


def _write(key: int, value: int | None) -> Act:
    return lambda r: r.write(key, value)


def _arrive(number: int) -> Act:
    return lambda r: r.apply(number)


A, B = 1, 2


@pytest.mark.parametrize(
    ("rows", "moments"),
    [
        pytest.param({0: A}, [[_write(0, B)], [_arrive(1), _write(0, A)], [], [_write(0, B)], [_arrive(9), _write(0, A)]], id="ABA"),
        pytest.param({}, [[], [_write(0, A)], [_write(0, None)], [_write(0, A)]], id="delete and insert again"),
        pytest.param({0: A}, [[_write(0, None)], [], [_write(0, A)], [_write(0, None)]], id="insert and delete again"),
        pytest.param({0: A}, [[lambda r: r.rename(0, 1)], [], [lambda r: r.rename(1, 0)], []], id="key changed and back"),
    ],
)  # fmt: skip
def test_a_row_that_is_as_it_was_but_was_written_in_between_is_in_flight(
    rows: dict[int, int], moments: list[list[Act]]
) -> None:
    settled = _settled(_started(rows), moments)
    assert (settled.confirmed, settled.moving) == ((), 0)


def test_equal_keys_need_no_fence() -> None:
    assert _settled(_started({0: A, 1: B}), stuck=True) == Settled((), 0, ())


def test_a_fence_that_is_stuck_leaves_the_keys_unknown() -> None:
    with pytest.raises(DeadlineError, match="the sink is stuck"):
        _settled(_planted(_started({})), stuck=True)


def test_versions_of_one_side_need_one_fence_and_values_alone_two() -> None:
    replication = _planted(_started({}))
    assert len(_settled(replication).crossings) == 1
    replication.source.has_versions = False
    settled = _settled(replication)
    assert len(settled.crossings) == 2
    assert _words(settled) == PLANTED


def test_a_row_that_is_written_all_the_time_is_not_known() -> None:
    replication = _started({0: A})

    def reading(side: Table) -> Callable[[Any], Any]:
        def rows(keys: Any) -> Any:
            replication.write(0, len(replication.changes))
            return side.read(keys)

        return rows

    settled = settle(
        [forms(0)],
        1,
        reading(replication.source),
        reading(replication.target),
        fence=SimulatedFence(replication),
        progress=lambda _: None,
    )
    assert (settled.confirmed, settled.moving, len(settled.crossings)) == ((), 1, MOST_CROSSINGS)


def test_rows_of_a_table_without_a_key_are_counted() -> None:
    source = [row(1, "x", version=b"7"), row(1, "x", version=b"7"), row(2, None, version=b"7")]
    target = [row(1, "x", version=b"9"), row(2, None, version=b"9"), row(2, None, version=b"8")]
    settled = settle(
        [forms(1, "x"), forms(2, None)],
        2,
        lambda keys: [each for each in source if each.forms in keys],
        lambda keys: [each for each in reversed(target) if each.forms in keys],
        fence=SimulatedFence(Replication()),
        progress=lambda _: None,
    )
    assert [(one.key, one.word, one.rows) for one in settled.confirmed] == [
        (forms(1, "x"), "missing", 1),
        (forms(2, None), "extra", 1),
    ]


def test_keys_are_read_in_parts_and_the_target_before_the_source() -> None:
    read: list[tuple[str, int]] = []

    def reading(side: str) -> Callable[[Any], list[Any]]:
        def rows(keys: Any) -> list[Any]:
            read.append((side, len(keys)))
            return []

        return rows

    settle(
        [forms(key) for key in range(2200)],
        1,
        reading("source"),
        reading("target"),
        fence=SimulatedFence(Replication()),
        progress=lambda _: None,
    )
    assert read == [(side, number) for number in (1000, 1000, 200) for side in ("target", "source")]


def test_a_row_that_is_equal_now_and_then_needs_no_fence() -> None:
    replication = _started({0: A})
    moments = [[_write(0, B)], [], [_arrive(1), _write(0, A)], [], [_arrive(1)]]
    assert _settled(replication, moments, stuck=True) == Settled((), 0, ())


def test_while_some_become_equal_the_others_need_no_fence() -> None:
    replication = _started({0: A, 1: A})
    moments = [[_write(0, B), _write(1, B)], [], [_arrive(1)], [], [_arrive(1)]]
    assert _settled(replication, moments, stuck=True) == Settled((), 0, ())


def test_looks_begin_some_time_apart_whatever_the_first_one_was_unless_a_fence_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(settling, "pause", waited.append)
    replication, read = _planted(_started({})), [forms(key) for key in (LOST, STALE, GHOST)]
    differences = by_key(replication.source.read(read), replication.target.read(read), 1)
    seen_now, seen_before = Seen(differences, time.monotonic()), Seen(differences, time.monotonic() - 60)
    for seen, takes_time in ((seen_now, True), (seen_before, True), (seen_now, False)):
        settle(
            (),
            1,
            replication.source.read,
            replication.target.read,
            fence=SimulatedFence(replication, takes_time=takes_time),
            progress=lambda _: None,
            seen=seen,
        )
    first, *others = waited
    assert 0 < first <= settling._APART_SECONDS
    assert others == [0, 0]


MANY = 2_200


def _many(arriving: bool) -> tuple[Settled, list[int]]:
    """Rows of so many keys are not at the target; when they arrive, after the first look. How many keys each look had."""
    keys = [forms(key) for key in range(MANY)]
    asked: list[int] = []

    def source(keys: Any) -> Any:
        return [row(int.from_bytes(key[0]), version=b"1") for key in keys]

    def target(keys: Any) -> Any:
        asked.append(len(keys))
        return source(keys) if arriving and sum(asked) > MANY else []

    return settle(keys, 1, source, target, fence=SimulatedFence(Replication()), progress=lambda _: None), asked


def test_where_a_few_of_very_many_stand_still_the_fence_is_crossed() -> None:
    settled, asked = _many(arriving=False)
    assert (len(settled.confirmed), len(settled.crossings)) == (MANY, 1)
    assert asked == [1000, 1000, 200, 1000, 1000, 1000, 200]


def test_where_a_few_of_very_many_arrive_all_are_looked_at_and_no_fence_is_needed() -> None:
    settled, _ = _many(arriving=True)
    assert settled == Settled((), 0, ())


def test_one_look_at_rows_that_do_not_move_finds_those_that_differ() -> None:
    source = [row(1, "a", version=b"1"), row(2, "b", version=b"1")]
    target = [row(1, "a", version=b"2"), row(2, "c", version=b"2"), row(3, "d", version=b"2")]
    found = settling.differing(
        [forms(1), forms(2), forms(3), forms(4)],
        1,
        lambda keys: [each for each in source if each.forms[:1] in keys],
        lambda keys: [each for each in target if each.forms[:1] in keys],
    )
    assert found == (
        Difference(forms(2), (source[1],), (target[1],)),
        Difference(forms(3), (), (target[2],)),
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(("a", "b"), ("b", "a"), id="in another order"),
        pytest.param((None, "a"), ("a", None), id="with NULL"),
        pytest.param(("a", "", None), (None, "a", ""), id="an empty text is not NULL"),
    ],
)
def test_rows_of_one_key_are_equal_in_whatever_order_and_versions_they_come(
    ours: tuple[str | None, ...], theirs: tuple[str | None, ...]
) -> None:
    source = [row(1, value, version=b"1") for value in ours]
    target = [row(1, value, version=str(9 - number).encode()) for number, value in enumerate(theirs)]
    assert settling.differing([forms(1)], 1, lambda _: source, lambda _: target) == ()
    assert len(settling.differing([forms(1)], 1, lambda _: source, lambda _: target[:-1])) == 1


def test_what_is_asked_for_by_key_and_what_was_seen_are_both_settled_with_the_fences_progress() -> None:
    replication = _planted(_started({}))
    seen = Seen(by_key(replication.source.read([forms(LOST)]), [], 1), time.monotonic())
    told: list[str] = []

    class Reporting(SimulatedFence):
        def cross(self, tell: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
            tell("waiting for the sink")
            return super().cross(tell)

    settled = settle(
        [forms(STALE), forms(GHOST)],
        1,
        replication.source.read,
        replication.target.read,
        fence=Reporting(replication),
        progress=told.append,
        seen=seen,
    )
    assert _words(settled) == PLANTED
    assert told == ["3 keys differ: in flight, or lost?", "waiting for the sink"]


def test_what_moved_across_a_fence_is_looked_at_again_before_the_next() -> None:
    """What was written behind the fence arrives two looks later: no second fence is needed."""
    replication = _started({0: A})
    replication.write(0, B)
    looks = 0

    def target(keys: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks in (3, 4):  # behind the fence
            replication.write(0, looks)
        if looks == 5:
            replication.apply(2)
        return replication.target.read(keys)

    fence = SimulatedFence(replication)
    settled = settle([forms(0)], 1, replication.source.read, target, fence=fence, progress=lambda _: None)
    assert (settled.confirmed, settled.moving, fence.crossings) == ((), 0, 1)


def test_few_keys_that_stand_still_are_read_three_times() -> None:
    replication, asked = _planted(_started({})), list[int]()

    def target(keys: Any) -> Any:
        asked.append(len(keys))
        return replication.target.read(keys)

    settle(
        [forms(LOST), forms(GHOST)],
        1,
        replication.source.read,
        target,
        fence=SimulatedFence(replication),
        progress=lambda _: None,
    )
    assert asked == [2, 2, 2]  # the first look, one more before the fence, one behind it


def test_a_key_that_arrives_is_read_twice() -> None:
    replication, asked = _started({0: A}), list[int]()
    replication.write(0, B)

    def target(keys: Any) -> Any:
        asked.append(len(keys))
        if len(asked) == 2:
            replication.apply(1)
        return replication.target.read(keys)

    fence = SimulatedFence(replication, is_stuck=True)
    settle([forms(0)], 1, replication.source.read, target, fence=fence, progress=lambda _: None)
    assert asked == [1, 1]
