"""Which backups go: by age and number, and never the newest good one."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cdcproof.backup.retention import Candidate, to_delete
from tests.backup.made import NOW


def backup(days: float, *, good: bool = True, remnant: bool = False) -> Candidate:
    return Candidate(f"{days:g}", NOW - timedelta(days=days), good, remnant)


def test_those_too_old_go_and_so_many_of_the_newest_stay() -> None:
    found = [backup(days) for days in (1, 6, 8, 20, 40)]

    assert to_delete(found, NOW, 7, 1) == ("40", "20", "8")
    assert to_delete(found, NOW, 7, 3) == ("40", "20")
    assert to_delete(found, NOW, 7, 9) == ()


def test_after_weeks_without_a_backup_the_last_good_one_is_left() -> None:
    assert to_delete([backup(60), backup(50), backup(40, good=False)], NOW, 7, 1) == ("60", "40")
    assert to_delete([backup(60, good=False), backup(50, good=False)], NOW, 7, 1) == ()


def test_a_half_deleted_one_goes_and_one_of_a_later_format_stays_while_it_is_young() -> None:
    found = [
        backup(2, good=False, remnant=True),
        backup(3, good=False),
        backup(1),
        backup(0.5, good=False, remnant=True),
    ]

    assert to_delete(found, NOW, 7, 1) == ("2",)


candidates = st.builds(
    lambda days, good, remnant, name: Candidate(name, NOW - timedelta(days=days), good, remnant and not good),
    st.floats(-3, 100),
    st.booleans(),
    st.booleans(),
    st.uuids().map(str),
)


@given(st.lists(candidates, max_size=12), st.floats(0.1, 60), st.integers(1, 5))
def test_the_newest_good_one_always_stays(found: list[Candidate], keep_days: float, keep_count: int) -> None:
    gone = set(to_delete(found, NOW, keep_days, keep_count))
    good = sorted((one for one in found if one.good), key=lambda one: (one.taken_at, one.name))

    assert not gone & {one.name for one in good[-keep_count:]}
    if not good:
        assert not gone
    assert {one.name for one in good if one.taken_at < _limit(keep_days)} - {o.name for o in good[-keep_count:]} <= gone


def _limit(keep_days: float) -> datetime:
    return NOW - timedelta(days=keep_days)
