"""The morning's check of freshness, on a source and a target of each kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from cdcproof.databases.contracts.health import HealthDatabase
from cdcproof.findings import Limit, Observation, Verdict
from cdcproof.monitoring.catalogue import BY_STEP
from cdcproof.monitoring.exporter import freshness
from cdcproof.observations.lag.freshness import Freshness as Seen
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


def seen(age_seconds: float | None, source_age_seconds: float | None, source_unknown: str = "") -> Seen:
    return Seen("beat", age_seconds, source_age_seconds, 60, 60, source_unknown)


def test_what_is_said_of_the_source_is_said_too_where_nothing_has_arrived() -> None:
    assert seen(None, 60.0).observation() == Observation(
        {"beat": "none has arrived"},
        {"beat": "a heartbeat"},
        {"beat": "at the source the newest is 60 s old: it is held up on its way"},
        then=(Observation({}, Limit("at most", 60, "s old"), {"beat": "at the source the newest is 60 s old: it is held up on its way"}),),
    )  # fmt: skip
    assert seen(None, 61.0).details() == {
        "beat": "at the source the newest is 61 s old: the source connector writes none"
    }


def test_a_heartbeat_of_the_future_within_the_skew_is_as_old_as_nothing() -> None:
    assert seen(-60.0, -0.4).unknown() == {}
    assert seen(-60.0, -0.4).seconds() == {"beat": 0.0}
    assert seen(1.0, -5.0).details() == {"beat": "at the source the newest is 0 s old: it is held up on its way"}


def test_what_is_not_known_is_said_with_what_helps() -> None:
    remedy = "See [freshness] in docs/PIPELINE.md: how the heartbeat is written, and as what."
    assert seen(None, None).unknown() == {"There is no heartbeat at the target, nor at the source.": remedy}
    assert seen(None, None, "and the source is down").unknown() == {
        "There is no heartbeat at the target, and the source is down.": remedy
    }
    assert seen(-61.0, 1.0).unknown() == {
        "The newest heartbeat at the target is dated 61 s into the future of the source's clock.": (
            "Compare `date` on the source's host: a clock was set back, or ran ahead. Else another server wrote that row."
        )
    }


def test_the_report_has_a_row_for_each_side() -> None:
    assert seen(1_234.56, None).rows() == [
        {"side": "source", "newest heartbeat, s old": "none"},
        {"side": "target", "newest heartbeat, s old": "1,234.6"},
    ]
    assert seen(None, 0.26).rows()[0] == {"side": "source", "newest heartbeat, s old": "0.3"}
