"""Durations and ages in words, each form in its one place."""

from __future__ import annotations

import pytest

from cdcproof.core.durations import clock, exact, in_hours, rough


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (200, "3 min 20 s"), (3725, "1 h 2 min 5 s"), (7200, "2 h"), (93_900, "26 h 5 min")],
)
def test_exact(seconds: float, text: str) -> None:
    assert exact(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 min"),
        (59, "1 min"),
        (240, "4 min"),
        (5399, "90 min"),
        (5400, "2 h"),
        (10_800, "3 h"),
        (172_800, "2 days"),
    ],
)
def test_rough(seconds: float, text: str) -> None:
    assert rough(seconds) == text


def test_in_hours() -> None:
    assert (in_hours(5400), in_hours(4_444_200)) == ("1.5 h", "1,234.5 h")


@pytest.mark.parametrize(("seconds", "text"), [(59.9, "00:00:59"), (3723, "01:02:03"), (90_061, "1 d 01:01")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
