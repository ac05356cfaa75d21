"""Sums of both sides, chunk by chunk."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdcproof.databases.table_read import Chunking, ChunkSum
from cdcproof.reconcile.checksums.balance import Balance, Extent

RANGES, BUCKETS = Chunking(width=10), Chunking(buckets=10)


def _differing(balance: Balance) -> list[int]:
    return [chunk for group in balance.groups(RANGES, 25) for chunk in group.chunks]


def test_what_comes_to_nothing_is_forgotten_whatever_the_order_and_the_parts() -> None:
    source = [ChunkSum(c, 2, 7 - c) for c in range(-5, 5)]
    target = [ChunkSum(c, 1, n) for c in range(-5, 5) for n in (3, 4 - c)]
    balance = Balance()
    balance.add_target(target)
    balance.add_source(source)
    assert _differing(balance) == []
    assert (balance.source_rows, balance.target_rows) == (20, 20)


@pytest.mark.parametrize(
    ("at_source", "at_target"),
    [
        pytest.param(ChunkSum(3, 2, 5), ChunkSum(3, 1, 5), id="a row whose hash is nothing"),
        pytest.param(ChunkSum(3, 2, 5), ChunkSum(3, 2, 6), id="a changed row"),
        pytest.param(ChunkSum(3, 2, 2**63), ChunkSum(3, 2, 0), id="a changed first bit"),
    ],
)
def test_a_chunk_differs_by_its_rows_or_by_its_hashes(at_source: ChunkSum, at_target: ChunkSum) -> None:
    balance = Balance()
    balance.add_source([at_source, ChunkSum(4, 1, 1)])
    balance.add_target([at_target, ChunkSum(4, 1, 1)])
    assert _differing(balance) == [3]


def test_what_differs_is_told_as_a_whole() -> None:
    balance = Balance()
    balance.add_source([ChunkSum(9, 5, 1), ChunkSum(-2, 4, 1), ChunkSum(3, 2, 2)])
    balance.add_target([ChunkSum(9, 5, 2), ChunkSum(-2, 1, 1), ChunkSum(3, 2, 2), ChunkSum(7, 6, 0)])
    balance.doubt([3])
    assert balance.extent() == Extent((-2, 3, 7, 9), rows=4 + 6 + 5, lacking=3 + 6)


def test_sums_are_equal_modulo_the_width_of_a_hash() -> None:
    balance = Balance()
    balance.add_source([ChunkSum(3, 2, 2**64 - 1), ChunkSum(3, 1, 2), ChunkSum(4, 1, -1)])
    balance.add_target([ChunkSum(3, 3, 1), ChunkSum(4, 1, 2**64 - 1)])
    assert _differing(balance) == []


def test_a_balance_goes_on_from_what_was_left() -> None:
    before = Balance()
    before.add_source([ChunkSum(1, 2, 5), ChunkSum(2, 1, 1), ChunkSum(3, 1, 1)])
    before.add_target([ChunkSum(2, 1, 1)])
    after = Balance.restored(before.left(), before.source_rows, before.target_rows)
    after.add_target([ChunkSum(1, 2, 5)])
    assert _differing(after) == [3]
    assert (after.source_rows, after.target_rows) == (4, 3)


def test_a_chunk_in_doubt_differs_though_its_sums_are_equal() -> None:
    balance = Balance()
    balance.doubt([2, 5])
    balance.add_source([ChunkSum(2, 1, 1), ChunkSum(3, 1, 1)])
    balance.add_target([ChunkSum(2, 1, 1)])
    assert _differing(balance) == [2, 3, 5]


def test_a_chunk_of_one_side_differs() -> None:
    balance = Balance()
    balance.add_source([ChunkSum(1, 1, 1)])
    balance.add_target([ChunkSum(2, 1, 1)])
    assert _differing(balance) == [1, 2]


def test_ranges_are_read_in_groups_that_fit_into_memory() -> None:
    balance = Balance()
    balance.add_source([ChunkSum(c, 10, c + 1) for c in range(4)] + [ChunkSum(9, 70, 1)])
    balance.add_target([ChunkSum(8, 20, 1)])
    groups = balance.groups(RANGES, 25)
    assert [(g.chunks, g.rows) for g in groups] == [((0, 1), 20), ((2, 3), 20), ((8,), 20), ((9,), 70)]
    assert [(g.chunks, g.rows) for g in balance.groups(BUCKETS, 25)] == [((0, 1, 2, 3, 8, 9), 130)]
    assert Balance().groups(BUCKETS, 25) == ()


def test_groups_grow_with_what_was_read_before_and_have_every_chunk_once() -> None:
    balance = Balance()
    balance.add_source([ChunkSum(chunk, 100, 1) for chunk in range(1_000)])
    groups = balance.groups(RANGES, 5_000)
    assert [chunk for group in groups for chunk in group.chunks] == list(range(1_000))
    sizes = [group.rows for group in groups]
    assert sizes[:9] == [2_000] * 8 + [2_200]  # an eighth of 18,000 is more
    assert sizes[:-1] == sorted(sizes[:-1])
    assert sizes[-2] == 5_000


def test_both_sides_may_be_added_from_several_threads() -> None:
    balance = Balance()
    sums = [ChunkSum(i % 50, 1, i) for i in range(20_000)]

    def add(source: bool) -> None:
        mixed = random.Random(source).sample(sums, len(sums))
        (balance.add_source if source else balance.add_target)(mixed)

    threads = [threading.Thread(target=add, args=(side,)) for side in (True, False, True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _differing(balance) == []
    assert balance.source_rows == balance.target_rows == 40_000


_hashes = st.integers(0, 2**64 - 1)
_sums = st.lists(st.builds(ChunkSum, st.integers(-3, 3), st.integers(1, 3), _hashes), max_size=6)


@given(st.lists(st.tuples(_sums, _sums), max_size=5), st.randoms(use_true_random=False))
def test_balances_of_slices_come_to_the_balance_of_the_table_in_any_order_and_in_any_tree(
    slices: list[tuple[list[ChunkSum], list[ChunkSum]]], order: random.Random
) -> None:
    whole, parts = Balance(), list[Balance]()
    for number, sides in enumerate(slices):
        source, target = ([one._replace(chunk=one.chunk + 10 * number) for one in side] for side in sides)
        parts.append(Balance())
        for balance in (whole, parts[-1]):
            balance.add_source(source)
            balance.add_target(target)
    while len(parts) > 1:
        order.shuffle(parts)
        one = parts.pop()
        parts[0].merge(one.left(), one.source_rows, one.target_rows)
    merged = parts[0] if parts else Balance()
    assert sorted(merged.left()) == sorted(whole.left())
    assert (merged.source_rows, merged.target_rows) == (whole.source_rows, whole.target_rows)


def test_what_one_balance_lacks_and_another_has_too_much_of_comes_to_nothing() -> None:
    balance = Balance.restored([(4, 1, 2**64 - 1, 1)], 1, 0)
    balance.merge([(4, -1, 1, 0)], 0, 1)
    assert balance.left() == []
    assert (balance.source_rows, balance.target_rows) == (1, 1)


def test_what_is_left_is_kept_as_rows_that_the_target_lacks_their_hashes_and_rows_of_the_source() -> None:
    """Files of interrupted runs hold these numbers."""
    balance = Balance()
    balance.add_source([ChunkSum(3, 5, 7), ChunkSum(9, 1, 4)])
    balance.add_target([ChunkSum(3, 2, 9), ChunkSum(4, 2, 1)])
    assert sorted(balance.left()) == [(3, 3, 2**64 - 2, 5), (4, -2, 2**64 - 1, 0), (9, 1, 4, 1)]


def test_a_sum_of_no_rows_is_nothing() -> None:
    balance = Balance()
    balance.add_source([ChunkSum(3, 0, 0)])
    balance.merge([(4, 0, 0, 0)], 0, 0)
    assert (balance.left(), balance.source_rows, _differing(balance)) == ([], 0, [])


def test_a_group_is_no_larger_than_an_eighth_of_what_was_read_before() -> None:
    balance = Balance()
    balance.add_source([ChunkSum(0, 15_007, 1), ChunkSum(1, 1_000, 1), ChunkSum(2, 1_001, 1)])
    assert [group.rows for group in balance.groups(RANGES, 5_000)] == [15_007, 1_000, 1_001]  # 16,007 / 8 < 2,001
