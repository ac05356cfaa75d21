"""In flight or lost: the judgement, with readings played back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cdcproof.errors import UnreachableError
from cdcproof.reconcile import settle as module
from cdcproof.reconcile.compare import Key
from cdcproof.reconcile.settle import Counts, State, Watched, settle, settle_counts

A, B, C, GONE = (b"a",), (b"b",), (b"c",), ()
NAME = b"key"


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL_SECONDS", 0.001)


def _played(states: list[State]) -> Callable[[list[Key]], dict[bytes, State]]:
    """A side that is read in these states, and stays in the last one."""
    remaining = list(states)

    def read(keys: list[Key]) -> dict[bytes, State]:
        assert keys == [(1,)]
        state = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        return {NAME: state} if state else {}

    return read


def _settled(first: tuple[State, State], source: list[State], target: list[State]) -> Watched | None:
    watch = {NAME: Watched((1,), *first)}
    return settle(watch, _played(source), _played(target), 0.05, lambda _: None).get(NAME)


@pytest.mark.parametrize(
    ("first", "source", "target"),
    [
        pytest.param((A, GONE), [A], [GONE, GONE, A], id="an insert arrives"),
        pytest.param((GONE, A), [GONE], [A, GONE], id="a delete arrives"),
        pytest.param((B, A), [B], [A, B], id="an update arrives"),
        pytest.param((A, GONE), [GONE], [GONE], id="the source row goes before it was seen at the target"),
        pytest.param((A, GONE), [B], [A], id="the target follows a row that goes on changing"),
    ],
)
def test_a_change_that_has_its_turn_is_no_difference(
    first: tuple[State, State], source: list[State], target: list[State]
) -> None:
    assert _settled(first, source, target) is None


@pytest.mark.parametrize(("first", "word"), [((A, GONE), "missing"), ((GONE, A), "extra"), ((A, B), "changed")])
def test_what_stays_different_while_the_source_rests_is_confirmed(first: tuple[State, State], word: str) -> None:
    left = _settled(first, [first[0]], [first[1]])
    assert left is not None
    assert left.word == word
    assert not left.source_moved


def test_a_row_that_moves_and_is_not_followed_is_unknown_not_different() -> None:
    left = _settled((A, GONE), [A, B], [GONE])
    assert left is not None
    assert left.source_moved


def test_a_row_twice_at_the_target_stays_extra() -> None:
    left = _settled((A, (b"a", b"a")), [A], [(b"a", b"a")])
    assert left is not None
    assert left.word == "extra"


def test_a_side_that_fails_at_the_end_is_not_a_verdict() -> None:
    def broken(_: list[Key]) -> dict[bytes, State]:
        raise UnreachableError("gone")

    with pytest.raises(UnreachableError, match="gone"):
        settle({NAME: Watched((1,), A, GONE)}, broken, broken, 0.01, lambda _: None)


def _counted(*counts: tuple[int, int]) -> Callable[[], Counts]:
    played: Iterator[tuple[int, int]] = iter(counts)
    last = counts[-1]
    return lambda: Counts(*next(played, last))


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        pytest.param((5, 3), [(5, 4), (5, 5)], Counts(5, 5), id="rows arrive"),
        pytest.param((5, 3), [(5, 4)], Counts(5, 4), id="a row is missing"),
        pytest.param((5, 6), [(5, 6)], Counts(5, 6), id="a row is too many"),
        pytest.param((5, 3), [(9, 7)], Counts(7, 7), id="the target is where the source has been"),
        pytest.param((5, 3), [(9, 4)], Counts(9, 4), id="the target is where the source was not seen"),
        pytest.param((0, 0), [(0, 0)], Counts(0, 0), id="empty"),
    ],
)
def test_counts_settle(first: tuple[int, int], then: list[tuple[int, int]], expected: Counts) -> None:
    assert settle_counts(_counted(*then), Counts(*first), 0.02, lambda _: None) == expected
