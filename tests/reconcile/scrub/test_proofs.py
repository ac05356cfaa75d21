"""Slices of a key, and when each was proven."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdcproof.core.errors import CouldNotLookError
from cdcproof.databases.table_read import Slice
from cdcproof.reconcile.scrub import proofs
from cdcproof.reconcile.scrub.proofs import SLICE_ROWS, Latest, Logs, Proofs, Proven
from cdcproof.reconcile.slices.division import WHOLE_TABLE, holds
from cdcproof.reconcile.slices.store import VERSION, SliceSums

MORNING = "2026-11-23T06:00:00+00:00"
NOON = "2026-11-23T14:00:00+02:00"
"""Noon in UTC."""
ABOUT = {"the source": "here", "the target": "there"}
_KEYS = st.integers(-(2**63), 2**63 - 1)


def _result(at: str) -> SliceSums:
    """Of a slice that was equal."""
    return SliceSums((), 3, 3, at, at, 7, "here")


def _proven(low: int | None, high: int | None, at: str) -> Proven:
    return Proven(Slice(low, high), _result(at))


@given(st.lists(st.tuples(_KEYS, _KEYS, st.integers(0, 50_000_000)), min_size=1, max_size=4), _KEYS)
def test_every_key_is_in_just_one_slice_however_often_it_is_divided(
    times: list[tuple[int, int, int]], key: int
) -> None:
    kept = Proofs(ABOUT)
    for a, b, rows in times:
        kept = kept.divided(min(a, b), max(a, b), rows)

    assert sum(holds(one.slice, key) for one in kept.slices) == 1


def test_a_table_is_divided_by_its_rows() -> None:
    kept = Proofs(ABOUT).divided(1, 10_000_000, 10_000_000)

    assert len(kept.slices) == 10_000_000 // SLICE_ROWS
    assert (kept.slices[0].slice.low, kept.slices[-1].slice.high) == (None, None)


def test_what_was_proven_stays_so_when_a_table_grows() -> None:
    kept = Proofs(ABOUT).divided(1, 1_000_000, 1_000_000)
    for one in kept.slices:
        kept = kept.proven(one.slice, _result(MORNING))
    grown = kept.divided(1, 10_000_000, 10_000_000)

    assert len(grown.slices) > 30
    assert grown.oldest_at == MORNING


@pytest.mark.parametrize(
    ("low", "high", "rows", "cuts"),
    [
        (1, 100, SLICE_ROWS, []),
        (1, 100, 0, []),
        (1, 100, 3 * SLICE_ROWS - 1, []),  # what is not much too large is left as it is
        (1, 100, 3 * SLICE_ROWS, [35, 69]),
        (1, 4, 4 * SLICE_ROWS, [2, 3, 4]),
        (1, 3, 4 * SLICE_ROWS, [2, 3]),
        (1, 2, 4 * SLICE_ROWS, []),
        (-2, 1, 4 * SLICE_ROWS, [-1, 0, 1]),
        (7, 7, 9 * SLICE_ROWS, []),
        (0, 99, 4 * SLICE_ROWS, [25, 50, 75]),
    ],
)
def test_where_a_table_is_cut(low: int, high: int, rows: int, cuts: list[int]) -> None:
    kept = Proofs(ABOUT).divided(low, high, rows)

    assert [one.slice.high for one in kept.slices[:-1]] == cuts
    assert [one.slice.low for one in kept.slices[1:]] == cuts


@pytest.mark.parametrize(
    ("bound", "cuts"),
    [
        (400, [400]),  # 400 values a slice are no more than two steps of 200
        (401, [134, 268, 401]),
        (399, [399, 533, 667]),
        (500, [167, 334, 500]),
        (1_000, [200, 400, 600, 1_000]),  # of the second one no value is there
        (-5, [-5, 200, 400, 600]),
    ],
)
def test_a_slice_that_is_much_too_large_is_divided_by_the_values_that_it_may_hold(bound: int, cuts: list[int]) -> None:
    begun = Proofs(ABOUT, (_proven(None, bound, MORNING), _proven(bound, None, NOON)))
    kept = begun.divided(0, 799, 4 * SLICE_ROWS)

    assert [one.slice.high for one in kept.slices[:-1]] == cuts
    assert [one.at for one in kept.slices] == [
        MORNING if one.slice.high is not None and one.slice.high <= bound else NOON for one in kept.slices
    ]


def test_a_slice_is_proven_or_lost_for_itself_alone() -> None:
    kept = Proofs(ABOUT, (Proven(Slice(None, 5)), Proven(Slice(5, 9)), _proven(9, None, NOON)))

    proven = kept.proven(Slice(5, 9), _result(MORNING))
    assert proven.slices == (Proven(Slice(None, 5)), _proven(5, 9, MORNING), _proven(9, None, NOON))
    assert proven.without([9, 20]).slices == (*proven.slices[:2], Proven(Slice(9, None)))
    assert proven.without([]).slices == proven.slices


def test_of_distrusted_proofs_only_the_slices_are_left() -> None:
    kept = Proofs(
        ABOUT, (_proven(None, 5, NOON), _proven(5, None, MORNING)), (Latest(NOON, "3"),), 7, NOON, 3, Logs(9, 9)
    )

    assert kept.unproven() == replace(kept, slices=(Proven(Slice(None, 5)), Proven(Slice(5, None))))


def test_it_is_a_slices_turn_when_it_is_not_proven_and_then_by_age() -> None:
    slices = [_proven(None, 5, NOON), Proven(Slice(5, 9)), _proven(9, 12, MORNING), Proven(Slice(12, None))]

    assert [one.slice.low for one in sorted(slices, key=lambda one: one.turn)] == [5, 12, 9, None]
    assert Proven(WHOLE_TABLE).turn == (False, 0)


def test_a_pipeline_has_a_folder_of_its_own_whatever_it_is_called(tmp_path: Path) -> None:
    assert proofs.folder_of(tmp_path, "shop/eu", ("a", "b")) == tmp_path / "shop%2Feu"
    assert proofs.folder_of(tmp_path, "", ("pg://a:1/x", "b")) == tmp_path / "pg%3A%2F%2Fa%3A1%2Fx%20b"
    assert proofs.path_of(tmp_path, "a/X") == tmp_path / "a%2FX.json"


def test_a_place_where_nothing_can_be_kept_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "t.json"
    for keep in (lambda: proofs.write(Proofs(ABOUT), path), lambda: proofs.alone(path.parent).__enter__()):
        with pytest.raises(CouldNotLookError, match="cannot be kept in") as raised:
            keep()
        assert str(tmp_path / "file") in raised.value.message
        assert raised.value.message.endswith(("File exists", "Not a directory"))
        assert raised.value.remedy == "Make room there."


def test_the_oldest_is_by_time_and_not_by_text() -> None:
    kept = Proofs(ABOUT, (_proven(None, 5, NOON), _proven(5, None, MORNING)))

    assert kept.oldest_at == MORNING
    assert kept.next == _proven(5, None, MORNING)
    assert kept.without([4]).next == Proven(Slice(None, 5))
    assert kept.without([4]).oldest_at is None


def test_they_are_kept_in_a_file_and_are_worth_nothing_for_anything_else(tmp_path: Path) -> None:
    path = proofs.path_of(tmp_path / "proofs", "odd/../name")
    assert path.parent == tmp_path / "proofs"
    kept = Proofs(
        ABOUT,
        (_proven(None, 5, NOON), Proven(Slice(5, None))),
        (Latest(NOON, "3"),),
        1 << 70,
        MORNING,
        7,
        Logs(9, None),
    )
    proofs.write(kept, path)

    assert proofs.read(path, ABOUT) == (kept, "")
    other = {**ABOUT, "the target": "another", "the filters": "x > 1"}
    assert proofs.read(path, other) == (Proofs(other), "the filters, the target changed since")
    assert proofs.read(tmp_path / "none", ABOUT) == (Proofs(ABOUT), "")
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 1}))
    assert proofs.read(path, ABOUT) == (Proofs(ABOUT), "they were written by another version of cdcproof")


def test_a_result_of_which_something_is_left_is_no_proof(tmp_path: Path) -> None:
    differs = Proven(WHOLE_TABLE, replace(_result(MORNING), left=((3, 1, 77, 1),)))
    proofs.write(Proofs(ABOUT, (differs,)), tmp_path / "t.json")

    kept, _ = proofs.read(tmp_path / "t.json", ABOUT)
    assert (kept.slices, kept.oldest_at, kept.any_proven) == ((differs,), None, False)


def test_while_a_scrub_is_at_work_no_other_one_is(tmp_path: Path) -> None:
    with proofs.alone(tmp_path / "a"):
        with pytest.raises(CouldNotLookError, match="Another scrub"), proofs.alone(tmp_path / "a"):
            raise AssertionError("two at once")
        with proofs.alone(tmp_path / "b"):
            pass
    with proofs.alone(tmp_path / "a"):
        pass


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (Logs(5, 5), Logs(5, 6), ""),
        (Logs(5, 5), Logs(4, 5), "the source"),
        (Logs(5, 5), Logs(4, 4), "the source and the target"),
        (Logs(None, 5), Logs(4, None), ""),
    ],
)
def test_a_log_that_ends_earlier_was_set_back(before: Logs, now: Logs, told: str) -> None:
    assert before.set_back(now) == told


def test_the_update_column_is_asked_from_its_value_an_hour_ago() -> None:
    begin = datetime.fromisoformat(MORNING)
    kept, asked = Proofs(ABOUT), []
    for minutes in (0, 30, 59, 60, 90, 200):
        now = begin + timedelta(minutes=minutes)
        since = kept.since(now)
        asked.append(since and since.value)
        kept = kept.with_latest(now, f"at {minutes}")

    assert asked == [None, "at 0", "at 0", "at 0", "at 30", "at 90"], "the first one, as long as none is old enough"
    assert [one.value for one in kept.latest] == ["at 90", "at 200"]


@pytest.mark.parametrize(
    ("change", "is_needed"),
    [
        ({}, True),
        ({"followed_at": "2026-11-23T05:00:00+00:00"}, True),
        ({"followed_at": "2026-11-23T04:59:00+00:00"}, False),
        ({"about": {proofs.SOURCE: "another"}}, False),
        ({"position": None}, False),
        ({"slices": (Proven(WHOLE_TABLE),)}, False),
    ],
)
def test_a_position_is_needed_while_proofs_that_are_not_too_old_go_on_from_it(
    tmp_path: Path, change: dict[str, Any], is_needed: bool
) -> None:
    kept = Proofs({proofs.SOURCE: "here"}, (_proven(None, None, MORNING),), (), 17, MORNING)
    proofs.write(replace(kept, **change), tmp_path / "a.json")
    proofs.write(replace(kept, position=3), tmp_path / "mine.json")
    for name in ("0.json", "broken.json", "zz.json"):  # a folder is read in any order
        (tmp_path / name).write_text("{")
    now = datetime.fromisoformat(MORNING)

    assert proofs.needed(tmp_path, [tmp_path / "mine.json"], "here", now, 1.0) == ([17] if is_needed else [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        f'{{"version": {VERSION}}}',
        json.dumps(
            {
                "version": VERSION,
                "about": {},
                "latest": [],
                "position": 1,
                "followed_at": None,
                "dropped": None,
                "logs": {},
                "slices": [[None, None, {**asdict(_result("soon"))}]],
            }
        ),
        f'{{"version": {VERSION}, "about": {{}}, "slices": 1, "latest": []}}',
    ],
)
def test_a_file_that_is_none_is_named_with_the_way_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "orders.json"
    path.write_text(text)

    with pytest.raises(CouldNotLookError) as raised:
        proofs.read(path, ABOUT)
    assert re.fullmatch(rf"The proofs in {re.escape(str(path))} cannot be read: \w+Error .+", raised.value.message)
    assert raised.value.remedy == f"rm '{path}'   (every row of the table is then proven anew)"
