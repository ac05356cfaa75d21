"""Two streams of rows: every difference is found, none is invented."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdcproof.databases.base import Column
from cdcproof.errors import UnexpectedAnswerError
from cdcproof.reconcile import compare
from cdcproof.reconcile.canonical import encoder
from cdcproof.reconcile.compare import Differences, Identified, identified

Row = tuple[int, str | None]
ENCODERS = [encoder("postgresql", Column("c", name, nullable=True)) for name in ("integer", "text")]
_tables = st.dictionaries(st.integers(0, 40), st.one_of(st.none(), st.sampled_from(["", " ", "a", "A"])))


@pytest.fixture(scope="module", autouse=True)
def _few_buckets() -> Iterator[None]:
    """So few that keys share them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "BUCKETS", 16)
        yield


def _rows(rows: list[Row], key_width: int = 1, buckets: set[int] | None = None) -> Iterator[Identified]:
    return identified(rows, ENCODERS, key_width, buckets)


def _differences(source: list[Row], target: list[Row]) -> Differences:
    found = Differences()
    groups = compare.differing_buckets(compare.fingerprint(_rows(source)), compare.fingerprint(_rows(target)))
    for buckets in groups:
        compare.compare_by_key(_rows(source, 1, buckets), _rows(target, 1, buckets), found)
    return found


def _keys(rows: dict[bytes, Identified]) -> set[int]:
    return {row.key[0] for row in rows.values()}


@given(_tables, _tables, st.randoms(use_true_random=False))
def test_exactly_what_differs_is_found(source: dict[int, str | None], target: dict[int, str | None], random) -> None:
    shuffled = list(target.items())
    random.shuffle(shuffled)
    found = _differences(list(source.items()), shuffled)
    assert _keys(found.missing) == source.keys() - target.keys()
    assert _keys(found.extra) == target.keys() - source.keys()
    assert {s.key[0] for s, _ in found.changed.values()} == {
        key for key in source.keys() & target.keys() if source[key] != target[key]
    }


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["", "a", None]))), st.data())
def test_rows_without_a_key_are_counted_as_multisets(source: list[Row], data: st.DataObject) -> None:
    target = data.draw(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["", "a", None]))))
    missing = extra = 0
    prints = compare.fingerprint(_rows(source, 0)), compare.fingerprint(_rows(target, 0))
    for buckets in compare.differing_buckets(*prints):
        lacking, too_many = compare.compare_as_multisets(_rows(source, 0, buckets), _rows(target, 0, buckets))
        missing, extra = missing + lacking, extra + too_many
    assert missing == (Counter(source) - Counter(target)).total()
    assert extra == (Counter(target) - Counter(source)).total()


def test_two_values_that_change_places_are_seen() -> None:
    assert len(_differences([(1, "a"), (2, "b")], [(1, "b"), (2, "a")]).changed) == 2


def test_a_row_twice_at_the_target_is_extra() -> None:
    found = _differences([(1, "a")], [(1, "a"), (1, "a")])
    assert (len(found.missing), len(found.extra), len(found.changed)) == (0, 1, 0)


def test_a_key_that_is_not_unique_at_the_source_is_an_error() -> None:
    with pytest.raises(UnexpectedAnswerError, match="same key 1"):
        _differences([(1, "a"), (1, "b")], [])


def test_more_than_fits_in_memory_is_compared_in_several_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "ROWS_HELD", 7)
    source: list[Row] = [(i, "a") for i in range(50)]
    target: list[Row] = [(i, "b") for i in range(50)]
    groups = compare.differing_buckets(compare.fingerprint(_rows(source)), compare.fingerprint(_rows(target)))
    assert len(groups) > 4
    assert len(_differences(source, target).changed) == 50


def test_more_differences_than_are_remembered_are_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "DIFFERENCES_HELD", 5)
    source: list[Row] = [(i, "a") for i in range(20)]
    target: list[Row] = [(i, "b") for i in range(10, 30)]
    found = _differences(source, target)
    assert len(found.missing) + found.beyond["missing"] == 10
    assert len(found.extra) + found.beyond["extra"] == 10
    assert len(found.changed) + found.beyond["changed"] == 10
    assert len(found.missing) + len(found.extra) + len(found.changed) == 5


def test_progress_is_told_while_reading() -> None:
    told: list[int] = []
    compare.fingerprint(_rows([(i, None) for i in range(25_000)]), told.append)
    assert told == [10_000, 20_000]


def test_nothing_equals_nothing() -> None:
    assert not compare.differing_buckets(compare.fingerprint(_rows([])), compare.fingerprint(_rows([])))


def test_a_key_is_told_for_people() -> None:
    assert compare.told_key((1, None, "a b")) == "1, NULL, a b"
