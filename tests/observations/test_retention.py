from __future__ import annotations

import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.observations.backups.retention import judge


@pytest.mark.parametrize("words", ["30d", "720h", "4w2d", "30d or 5GiB", "30d or 512MB"])
def test_thirty_days_are_right_however_they_are_written(words: str) -> None:
    assert judge(words) == ""


@pytest.mark.parametrize(
    ("words", "wrong"), [("15d", "less"), ("1y", "more"), ("5GiB", "no limit by time"), ("29d23h", "less")]
)
def test_another_retention_is_named_with_the_flag_that_sets_it(words: str, wrong: str) -> None:
    assert wrong in judge(words)
    assert "--storage.tsdb.retention.time=30d" in judge(words)


@pytest.mark.parametrize("words", ["", "for ever", "30", "30d and more"])
def test_other_words_are_not_taken_for_right(words: str) -> None:
    with pytest.raises(UnexpectedAnswerError):
        judge(words)


def test_what_is_wrong_is_said_whole() -> None:
    set_it = "Start it with --storage.tsdb.retention.time=30d."
    assert judge("15d") == f"The runbook keeps 30 days, and this is less. {set_it}"
    assert judge("31d") == f"The runbook keeps 30 days, and this is more. {set_it}"
    assert judge("5GiB") == f"It has no limit by time. {set_it}"
    with pytest.raises(UnexpectedAnswerError) as raised:
        judge("for ever")
    assert raised.value.message == "Prometheus words its retention in a way that is not understood: 'for ever'."


@pytest.mark.parametrize("words", ["4w1d23h59m60s", "4w2d0ms", "4w1d23h59m59s1000ms", "1w23d", "43200m", "2592000s"])
def test_thirty_days_are_summed_of_every_unit(words: str) -> None:
    assert judge(words) == ""


def test_a_year_has_365_days_as_prometheus_counts() -> None:
    assert "less" in judge("29d23h59m59s999ms")
    assert "more" in judge("30d1ms")
    assert "more" in judge("1y")


@pytest.mark.parametrize("words", ["30d or for ever", "1.5GiB or 5", "30d or 5 GiBs"])
def test_one_part_that_is_not_understood_is_enough(words: str) -> None:
    with pytest.raises(UnexpectedAnswerError):
        judge(words)


@pytest.mark.parametrize("words", ["5GiB or 30d", "1.5 GiB or 30d", "30d or 100B", "30d or 2EB", "30d or 1KB"])
def test_a_limit_by_size_may_stand_anywhere_in_every_unit(words: str) -> None:
    assert judge(words) == ""
