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
