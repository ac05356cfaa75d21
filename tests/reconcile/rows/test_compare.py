"""Two streams of rows: every difference is found, none is invented, whether they fit into memory or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdcproof.databases.table_read import Row
from cdcproof.reconcile.differences import Difference, Differences, size
from cdcproof.reconcile.rows import spill
from cdcproof.reconcile.rows.compare import SameKeyError, TooLargeError, as_multisets, by_key
from cdcproof.reconcile.rows.spill import only, outline
from tests.reconcile.canonical_rows import forms, row

Pair = tuple[int, str | None]
WORDS = [None, "", " ", "a", "A"]
_unique = st.dictionaries(st.integers(-20, 20), st.sampled_from(WORDS)).map(lambda table: list(table.items()))
_pairs = st.lists(st.tuples(st.integers(-20, 20), st.sampled_from(WORDS)))
_MUCH = 1 << 40


@pytest.fixture(scope="module", autouse=True)
def _few_files() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill, "_PARTS", 3)
        yield


def _rows(pairs: Iterable[Pair]) -> list[Row]:
    return [row(*pair) for pair in pairs]


def _told(differences: Iterable[Difference]) -> dict[tuple[bytes | None, ...], tuple[str, int]]:
    found = list(differences)
    told = {d.key: (d.word, d.rows) for d in found}
    assert len(told) == len(found), "a key is told twice"
    return told


def _expected(source: list[Pair], target: list[Pair]) -> dict[tuple[bytes | None, ...], tuple[str, int]]:
    """By the contents of each key, counted: what a person would say who sees both tables."""
    expected = {}
    for key in {k for k, _ in source + target}:
        ours, theirs = (Counter(word for k, word in side if k == key) for side in (source, target))
        more = ours.total() - theirs.total()
        if ours != theirs:
            word = "missing" if more > 0 else "extra" if more < 0 else "changed"
            expected[forms(key)] = (word, abs(more) or ours.total())
    return expected


@given(_unique, _pairs)
def test_exactly_what_differs_is_found_by_key(source: list[Pair], target: list[Pair]) -> None:
    assert _told(by_key(_rows(source), _rows(target), 1)) == _expected(source, target)


@given(_pairs, _pairs)
def test_exactly_what_differs_is_found_without_a_key(source: list[Pair], target: list[Pair]) -> None:
    found = as_multisets(_rows(source), _rows(target))
    lacking, too_many = Counter(source) - Counter(target), Counter(target) - Counter(source)
    assert _told(found) == {
        **{forms(*pair): ("missing", number) for pair, number in lacking.items()},
        **{forms(*pair): ("extra", number) for pair, number in too_many.items()},
    }
    assert all(d.key == copy.forms for d in found for copy in d.source + d.target)


@given(_unique, _pairs, st.integers(0, 30))
def test_what_does_not_fit_into_memory_is_outlined_and_the_rest_counted(
    source: list[Pair], target: list[Pair], most: int
) -> None:
    found = outline(_rows(source), _rows(target), 1, most, _MUCH)
    looked_at = by_key(only(_rows(source), 1, found.wanted), only(_rows(target), 1, found.wanted), 1)
    expected = _expected(source, target)
    told = _told(looked_at)
    assert len(told) == min(most, len(expected))
    assert told.items() <= expected.items()
    beyond = Counter[str]()
    for word, rows in (expected[key] for key in expected.keys() - told.keys()):
        beyond[word] += rows
    assert found.beyond == beyond


@given(_pairs, _pairs)
def test_a_multiset_is_outlined_as_well(source: list[Pair], target: list[Pair]) -> None:
    found = outline(_rows(source), _rows(target), 2, 1_000, _MUCH)
    looked_at = as_multisets(only(_rows(source), 2, found.wanted), only(_rows(target), 2, found.wanted))
    assert _told(looked_at) == _told(as_multisets(_rows(source), _rows(target)))


def test_the_rows_that_are_looked_at_again_are_no_more_than_memory_is_for() -> None:
    wide = [row(i, "x" * 1000) for i in range(100)]
    found = outline(wide, [], 1, 1_000, 25 * size(wide[0]) + 1)
    assert len(found.wanted) == 25
    assert found.beyond == Counter(missing=75)


def test_one_row_stands_against_one_and_its_columns_are_named() -> None:
    source, target = row(1, "a", "b", version=b"1"), row(1, "a", "c")
    (found,) = by_key([source], [target], 1)
    assert (found.source, found.target) == ((source,), (target,))
    assert found.columns(("id", "x", "y")) == ("y",)


def test_a_row_twice_at_the_target_is_extra_whichever_comes_first() -> None:
    ours, theirs = row(1, "a"), row(1, "b")
    for target in ([ours, theirs], [theirs, ours], [ours, ours], [theirs, theirs]):
        (found,) = by_key([ours], target, 1)
        assert (found.word, found.rows) == ("extra", 1)
        assert found.source == (ours,)
        assert sorted(r.forms for r in found.target) == sorted(r.forms for r in target)


def test_a_case_insensitive_key_of_the_source_is_two_rows_at_the_target() -> None:
    assert _told(by_key([row("Ab", 1)], [row("Ab", 1), row("ab", 1)], 1)) == {forms("ab"): ("extra", 1)}


def test_a_key_that_is_not_unique_at_the_source_is_an_error() -> None:
    with pytest.raises(SameKeyError) as raised:
        by_key([row(1, "a"), row(1, "b")], [], 1)
    assert raised.value.key == forms(1)
    assert raised.value.args == (forms(1),)


@pytest.mark.parametrize("compare", [lambda s, t, room: by_key(s, t, 1, room), as_multisets])
def test_more_than_may_be_held_is_not_held(compare) -> None:  # type: ignore[no-untyped-def]
    rows = [row(i, "x" * 1000) for i in range(10)]
    assert len(compare(rows, [], 20_000)) == 10
    for source, target in ((rows, []), ([], rows)):
        with pytest.raises(TooLargeError):
            compare(iter(source), iter(target), 10_000)


def test_differences_are_remembered_up_to_a_number_and_a_size_and_counted_beyond() -> None:
    few, narrow = Differences(limit=2), Differences(limit=100, room=4_100)
    for difference in by_key([row(i, "x" * 1000) for i in range(5)], [row(9, "")], 1):
        few.add(difference)
        narrow.add(difference)
    assert (len(few.found), few.beyond) == (2, Counter(missing=3, extra=1))
    assert (len(narrow.found), narrow.beyond.total()) == (3, 3)


def test_nothing_equals_nothing() -> None:
    assert by_key([], [], 1) == as_multisets([], []) == []


def test_differences_are_whole_rows_with_their_versions_missing_ones_first() -> None:
    mine, theirs, other = row(1, "a", version=b"7"), row(1, "b", version=b"8"), row(2, "c", version=b"9")
    lost = row(3, "d", version=b"5")
    assert by_key([mine, lost], [theirs, other], 1) == [
        Difference(forms(1), (mine,), (theirs,)),
        Difference(forms(3), (lost,), ()),
        Difference(forms(2), (), (other,)),
    ]


def test_of_a_row_that_is_twice_at_the_target_the_first_has_no_version() -> None:
    mine, again = row(1, "a", version=b"7"), row(1, "a", version=b"9")
    assert by_key([mine], [row(1, "a", version=b"8"), again], 1) == [
        Difference(forms(1), (mine,), (row(1, "a"), again))
    ]


def test_rows_of_a_multiset_have_no_version() -> None:
    source, target = [row(1, "a", version=b"7")] * 3, [row(1, "a", version=b"8"), row(2, "b", version=b"9")]
    assert as_multisets(source, target) == [
        Difference(forms(1, "a"), (row(1, "a"),) * 3, (row(1, "a"),)),
        Difference(forms(2, "b"), (), (row(2, "b"),)),
    ]


def test_a_row_takes_its_bytes_and_some_more_for_itself_and_each_column() -> None:
    assert size(row()) == 256
    assert size(row(1, "abc", None)) == 256 + 3 * 40 + 8 + 3


@pytest.mark.parametrize("compare", [lambda s, t, room: by_key(s, t, 1, room), as_multisets])
def test_what_just_fits_is_held(compare) -> None:  # type: ignore[no-untyped-def]
    source, target = [row(1, "a")], [row(2, "b")]
    room = size(source[0]) + size(target[0])
    assert len(compare(source, target, room)) == 2
    with pytest.raises(TooLargeError):
        compare(source, target, room - 1)


def test_rows_that_are_equal_take_no_room_at_the_target() -> None:
    rows = [row(number, "a") for number in range(5)]
    assert by_key(rows, rows, 1, 5 * size(rows[0])) == []
    assert as_multisets(rows, rows, 5 * size(rows[0])) == []


@pytest.mark.parametrize(
    ("source", "target", "word", "rows", "columns"),
    [
        ([row(1, "a")], [], "missing", 1, ()),
        ([row(1, "a")] * 3, [row(1, "a")], "missing", 2, ()),
        ([], [row(1, "a")] * 2, "extra", 2, ()),
        ([row(1, "a")], [row(1, "b")] * 3, "extra", 2, ()),
        ([row(1, "a")], [row(1, "b")], "changed", 1, ("name",)),
        ([row(1, "a")] * 2, [row(1, "b")] * 2, "changed", 2, ()),
    ],
)
def test_the_word_for_a_difference_and_how_many_rows_it_stands_for(
    source: list[Row], target: list[Row], word: str, rows: int, columns: tuple[str, ...]
) -> None:
    found = Difference(forms(1), tuple(source), tuple(target))
    assert (found.word, found.rows, found.columns(("id", "name"))) == (word, rows, columns)


def test_a_difference_that_just_fits_is_remembered_with_one_row_of_each_side() -> None:
    one = Difference(forms(1), (row(1, "a"),) * 3, (row(1, "b"),) * 5)
    room = size(row(1, "a")) + size(row(1, "b"))
    found = Differences(limit=10, room=room)
    found.add(one)
    assert (found.found, found.room, found.beyond) == ([one], 0, Counter())
    narrow = Differences(limit=10, room=room - 1)
    narrow.add(one)
    assert (narrow.found, narrow.room, narrow.beyond) == ([], room - 1, Counter(extra=2))


def test_differences_remember_32_mebibytes() -> None:
    assert Differences(limit=1).room == 33_554_432
