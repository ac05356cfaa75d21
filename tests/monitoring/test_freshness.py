"""The age of the newest beat at the target, by the source's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.health import Health
from cdcproof.monitoring.exporter import freshness
from cdcproof.monitoring.exporter.freshness import TargetReading
from cdcproof.monitoring.exporter.source_metrics import SourceReading
from cdcproof.pipeline.model import Freshness
from tests.monitoring.databases import FakeDatabase

BEAT = Freshness(source="dbo.cdcproof_heartbeat", target="public.cdcproof_heartbeat")
NOON = datetime(2026, 11, 29, 12, 0, tzinfo=UTC).timestamp()


def read(value: Any) -> TargetReading:
    database = FakeDatabase(beats={("public.cdcproof_heartbeat", "beat_at"): value})
    return freshness.read(database, BEAT)  # type: ignore[arg-type]  a fake of it


@pytest.mark.parametrize(
    "value", [int(NOON * 1000), Decimal(int(NOON * 1000)), datetime.fromtimestamp(NOON).astimezone()]
)
def test_a_beat_is_milliseconds_or_a_time_with_its_zone(value: object) -> None:
    assert read(value).beat_seconds == NOON


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "no beat has arrived yet"),
        (int(NOON), "no time of milliseconds"),
        (datetime(2026, 11, 29), "no time of milliseconds"),  # noqa: DTZ001  that is the point
        ("2026-11-29T12:00:00Z", "no time of milliseconds"),
        (0, "no time of milliseconds"),
    ],
)
def test_a_value_that_does_not_say_when_is_no_beat(value: object, why: str) -> None:
    reading = read(value)
    assert reading.beat_seconds is None
    assert why in reading.why
    with pytest.raises(UnexpectedAnswerError):
        freshness.beat_seconds(value, "c")


def test_a_table_that_is_not_there_hides_nothing_else() -> None:
    reading = freshness.read(FakeDatabase(state=Health(deadlocks=3)), BEAT)  # type: ignore[arg-type]
    assert (reading.beat_seconds, reading.health.deadlocks) == (None, 3)
    assert "There is no public.cdcproof_heartbeat.beat_at" in reading.why


def age(beat: float | None, clock: float = NOON, apart: float = 0.0) -> float | None:
    """Both sides are read `apart` seconds one after the other, the target last."""
    source = SourceReading(Health(), clock, read_at=100.0)
    return freshness.age_seconds(source, TargetReading(Health(), beat, 100.0 + apart), 60)


def test_the_age_is_judged_by_the_sources_clock() -> None:
    assert age(NOON - 30) == 30
    assert age(NOON - 30, apart=2) == 32
    assert age(time.time(), clock=time.time() + 7200) == pytest.approx(7200, abs=5), (
        "whatever this machine's clock says"
    )


@pytest.mark.parametrize(("beat", "shown"), [(NOON + 1, 0.0), (NOON + 61, None), (None, None)])
def test_a_beat_of_the_future_is_no_freshness(beat: float | None, shown: float | None) -> None:
    assert age(beat) == shown


def test_without_a_side_there_is_none() -> None:
    target = TargetReading(Health(), NOON, 0.0)
    assert freshness.age_seconds(None, target, 60) is None
    assert freshness.age_seconds(SourceReading(Health(), NOON, 0.0), None, 60) is None
