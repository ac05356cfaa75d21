"""Slices of a key, and when each was proven."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdcproof.errors import CouldNotLookError
from cdcproof.reconcile import proofs
from cdcproof.reconcile.proofs import SLICE_ROWS, Proofs, Proven

MORNING = "2026-11-23T06:00:00+00:00"
NOON = "2026-11-23T14:00:00+02:00"
"""Noon in UTC."""
_KEYS = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(_KEYS, _KEYS, st.integers(0, 50_000_000)), min_size=1, max_size=4), _KEYS)
def test_every_key_is_in_just_one_slice_however_often_it_is_divided(
    times: list[tuple[int, int, int]], key: int
) -> None:
    kept = Proofs("plan")
    for a, b, rows in times:
        kept = kept.divided(min(a, b), max(a, b), rows)

    assert sum(one.holds(key) for one in kept.slices) == 1


def test_a_table_is_divided_by_its_rows() -> None:
    kept = Proofs("plan").divided(1, 10_000_000, 10_000_000)

    assert len(kept.slices) == 10_000_000 // SLICE_ROWS
    assert (kept.slices[0].low, kept.slices[-1].high) == (None, None)


def test_what_was_proven_stays_so_when_a_table_grows() -> None:
    kept = Proofs("plan").divided(1, 1_000_000, 1_000_000)
    for one in kept.slices:
        kept = kept.proven(one, MORNING)
    grown = kept.divided(1, 10_000_000, 10_000_000)

    assert len(grown.slices) > 30
    assert grown.oldest_at == MORNING


def test_the_oldest_is_by_time_and_not_by_text() -> None:
    kept = Proofs("plan", (Proven(None, 5, NOON), Proven(5, None, MORNING)))

    assert kept.oldest_at == MORNING
    assert kept.next == Proven(5, None, MORNING)
    assert kept.without([4]).next == Proven(None, 5)
    assert kept.without([4]).oldest_at is None


def test_they_are_kept_in_a_file_and_are_worth_nothing_for_another_plan(tmp_path: Path) -> None:
    path = proofs.path_of(tmp_path / "proofs", "orders")
    kept = Proofs("plan", (Proven(None, 5, NOON), Proven(5, None)), "2026-11-23")
    proofs.write(kept, path)

    assert proofs.read(path, "plan") == kept
    assert proofs.read(path, "another") == Proofs("another")
    assert proofs.read(tmp_path / "none", "plan") == Proofs("plan")


@pytest.mark.parametrize(
    "text", ["", "{", '{"version": 1}', '{"version": 1, "plan": "p", "slices": 1, "latest": null}']
)
def test_a_file_that_is_none_is_named_with_the_way_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "orders.json"
    path.write_text(text)

    with pytest.raises(CouldNotLookError, match=r"orders\.json") as raised:
        proofs.read(path, "p")
    assert "rm '" in str(raised.value)
