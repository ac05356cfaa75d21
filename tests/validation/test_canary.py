from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.databases.contracts.test_rows import SingleRow, Values
from cdcproof.pipeline.model import Pipeline
from cdcproof.validation.round_trip.canary import follow
from cdcproof.validation.round_trip.journey import ARRIVED, Journey
from tests.pipelines import pipeline_of

START = datetime(2026, 11, 23, 6, tzinfo=UTC)


class Side:
    """A database whose canary row follows a script, the last value for ever; None for no row."""

    def __init__(self, *values: Any) -> None:
        self.values = list(values)
        self.asked: list[SingleRow] = []

    def find(self, row: SingleRow) -> tuple[Values, ...]:
        self.asked.append(row)
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        return () if value is None else ((value,),)


def pipeline(**more: Any) -> Pipeline:
    table = {"name": "beats", "source": "dbo.beats", "target": "public.beats", "topic": "b", "key": ["id"], **more}
    canary = {"table": "beats", "key": {"id": 1}, "column": "at"}
    limits = {"hop_seconds": 0.2, "deadline_seconds": 0.2, "canary": canary}
    return pipeline_of(tables=[table], round_trip=limits)


def followed(source: Side, target: Side, reported: Callable[[str], None] = print, **more: Any) -> Journey:
    made = pipeline(**more)
    assert made.round_trip.canary
    return follow(made.round_trip.canary, made, source, target, reported)  # type: ignore[arg-type]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_the_next_beat_is_seen_at_the_target() -> None:
    journey = followed(Side(at(0), at(0), at(1)), Side(at(0), at(0), at(1)))

    assert journey.found() == journey.expected() == {"beats: beat": ARRIVED}
    assert journey.seconds().keys() == {"beats: beat"}


def test_an_older_beat_at_the_target_is_not_the_one() -> None:
    journey = followed(Side(at(0), at(1)), Side(at(0)))

    assert journey.found() == {"beats: beat": "not within 0.2 s: an older beat"}


def test_a_later_beat_will_do() -> None:
    journey = followed(Side(at(0), at(1)), Side(at(0), at(7)))

    assert journey.found() == journey.expected()


def test_a_row_that_is_not_at_the_target() -> None:
    assert followed(Side(1, 2), Side(None)).found() == {"beats: beat": "not within 0.2 s: no row"}


def test_a_canary_that_does_not_beat_shows_nothing() -> None:
    with pytest.raises(CouldNotLookError, match=r"dbo\.beats\.at did not beat within 0\.2 s"):
        followed(Side(at(5)), Side(at(5)))


def test_a_canary_that_is_not_there() -> None:
    with pytest.raises(CouldNotLookError, match="has 0 rows for the canary"):
        followed(Side(None), Side(None))


def test_a_column_without_an_order() -> None:
    with pytest.raises(UnexpectedAnswerError, match="times or numbers that grow"):
        followed(Side(1, "x"), Side(1))


def test_it_is_asked_for_by_the_names_of_the_target() -> None:
    target = Side(2)

    followed(Side(1, 2), target, rename={"id": "beat_id", "at": "beat_at"})

    assert (target.asked[0].key, target.asked[0].columns) == ({"beat_id": 1}, ("beat_at",))


@pytest.mark.parametrize("canary", [{"table": "other", "key": {"id": 1}}, {"table": "beats", "key": {"no": 1}}])
def test_a_canary_sits_in_a_table_of_the_pipeline(canary: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"round_trip\.canary must name one of the tables"):
        pipeline_of("beats", round_trip={"canary": {**canary, "column": "at"}})
