"""The morning's check of freshness, on a source and a target of each kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from cdcproof.databases.contracts.health import HealthDatabase
from cdcproof.findings import Verdict
from cdcproof.monitoring.catalogue import BY_STEP
from cdcproof.monitoring.exporter import freshness
from cdcproof.pipeline import model
from cdcproof.pipeline.model import Freshness
from cdcproof.reporting.record import StepRecord
from checks.morning.test_7_lag import test_the_target_is_fresh as check
from tests.check_in_process import judged
from tests.monitoring.databases import FakeDatabase
from tests.pipelines import pipeline_of

BEAT = ("public.beat", "beat_at")
PIPELINE = pipeline_of("orders").model_copy(update={"freshness": Freshness(source=BEAT[0], target=BEAT[0])})


Side = Callable[[], FakeDatabase]


def beating(age_seconds: float | None, **more: Any) -> Side:
    """A database whose newest heartbeat is so old by this machine's clock; None: the table is empty."""

    def made() -> FakeDatabase:
        beat = None if age_seconds is None else int((time.time() - age_seconds) * 1000)
        return FakeDatabase(beats={BEAT: beat}, **more)

    return made


def look(of_source: Side, of_target: Side) -> Callable[[], Any]:
    source, target = of_source(), of_target()

    def opened(database: model.Database) -> HealthDatabase:
        return source if database is PIPELINE.source else target  # type: ignore[return-value]  fakes of it

    assert PIPELINE.freshness
    beat = PIPELINE.freshness
    return lambda: freshness.look(PIPELINE, beat, opened)


def verdict(source: Side, target: Side) -> StepRecord:
    return judged(check, PIPELINE, freshness=look(source, target))


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (beating(1), beating(3), Verdict.PASSED),
        (beating(1), beating(59), Verdict.PASSED),
        (beating(1), beating(62), Verdict.FAILED),
        (beating(70), beating(70), Verdict.FAILED),
        (beating(1), beating(-50), Verdict.PASSED),  # within the skew that clocks may have
        (beating(1), beating(-62), Verdict.NOT_CHECKED),
        (beating(1), beating(None), Verdict.FAILED),
        (beating(None), beating(None), Verdict.NOT_CHECKED),
        (beating(None), beating(3), Verdict.PASSED),
        (FakeDatabase, beating(3), Verdict.PASSED),  # the source's own is only a hint
        (FakeDatabase, beating(62), Verdict.FAILED),
        (FakeDatabase, beating(None), Verdict.NOT_CHECKED),
        (beating(1), FakeDatabase, Verdict.NOT_CHECKED),
        (beating(1), lambda: FakeDatabase(beats={BEAT: 17}), Verdict.NOT_CHECKED),
        (beating(1), beating(1, is_up=False), Verdict.NOT_CHECKED),
        (beating(1, is_up=False), beating(1), Verdict.NOT_CHECKED),
        (beating(1, ahead_seconds=3600), beating(1), Verdict.FAILED),  # an hour old by the source's clock
    ],
)
def test_each_case(source: Side, target: Side, expected: Verdict) -> None:
    record = verdict(source, target)

    assert record.verdict is expected, record
    if source().is_up and target().is_up:  # that a database is down is another check's finding
        assert expected is Verdict.PASSED or record.action


@pytest.mark.parametrize(
    ("source", "target", "word"),
    [
        (beating(1), beating(200), "at the source the newest is 1 s old: it is held up on its way"),
        (beating(200), beating(200), "at the source the newest is 200 s old: the source connector writes none"),
        (FakeDatabase, beating(200), "of the source it is not known: There is no public.beat.beat_at."),
        (beating(None), beating(200), "of the source it is not known: its table is empty"),
    ],
)
def test_the_finding_says_where_to_look(source: Side, target: Side, word: str) -> None:
    [difference] = verdict(source, target).differences

    assert (difference.subject, difference.expected, difference.detail) == (BEAT[0], "at most 60 s old", word)
    assert difference.found.startswith("200")


def test_nothing_that_arrived_is_said() -> None:
    [difference] = verdict(beating(1), beating(None)).differences

    assert (difference.expected, difference.found) == ("a heartbeat", "none has arrived")


def test_a_pipeline_without_a_heartbeat_has_no_such_check() -> None:
    bare = PIPELINE.model_copy(update={"freshness": None})
    collected = BY_STEP["morning.7-freshness"].only_where.holds
    assert collected(PIPELINE)
    assert not collected(bare)
