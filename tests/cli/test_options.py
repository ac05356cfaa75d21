from __future__ import annotations

import argparse

import pytest

from cdcproof.cli.options import minutes, seconds, seconds_or_none


@pytest.mark.parametrize(("printed", "expected"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("45", 45), ("1.5m", 90)])
def test_a_time_is_told_as_people_say_it(printed: str, expected: float) -> None:
    assert seconds(printed) == expected


@pytest.mark.parametrize(("printed", "expected"), [("0", 0), ("2m", 2), ("2", 2), ("90s", 1.5), ("1h", 60)])
def test_minutes_take_the_same_units(printed: str, expected: float) -> None:
    assert minutes(printed) == expected


def test_no_time_at_all_will_do_where_nothing_need_settle() -> None:
    assert seconds_or_none("0") == 0
    with pytest.raises(argparse.ArgumentTypeError, match="is no time"):
        seconds_or_none("nan")


@pytest.mark.parametrize("printed", ["0", "0m", "soon", "", "5d", "-5s", "1e3", "nan"])
def test_no_time_is_refused(printed: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no time; write it like"):
        seconds(printed)
