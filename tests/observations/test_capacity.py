from __future__ import annotations

import math

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments.base import FileSystem
from cdcproof.findings import Limit, Observation, Verdict, require
from cdcproof.observations.weeks.capacity import DaysUntilFull, Growth
from checks.weekly import test_3_capacity as checks
from tests.check_in_process import judged
from tests.pipelines import pipeline_of

DAY, GIB = 86_400.0, float(1 << 30)
NOW = 1_000 * DAY


def sizes(*points: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """By days ago, in GiB."""
    return tuple((NOW - days * DAY, gib * GIB) for days, gib in points)


def growth(**series: tuple[tuple[float, float], ...]) -> Growth:
    return Growth(series, 25)


def verdict(found: Growth) -> Verdict:
    return judged(checks.test_the_source_grew_no_more_than_it_may, pipeline_of("a"), source_growth=found).verdict


def test_a_growth_within_the_limit_is_green() -> None:
    found = growth(w=sizes((14, 90), (7, 100), (0, 125)))

    assert verdict(found) is Verdict.PASSED
    assert found.rows() == [
        {"of": "w", "before": "100.0 GiB", "days ago": "7.0", "now": "125.0 GiB", "in 7 days": "+25.0 GiB"}
    ]


def test_a_growth_above_it_is_red_and_named() -> None:
    found = growth(w=sizes((7, 100), (0, 126)), other=sizes((7, 100), (0, 80)))

    record = judged(checks.test_the_source_grew_no_more_than_it_may, pipeline_of("a"), source_growth=found)

    assert record.verdict is Verdict.FAILED
    (difference,) = record.differences
    assert (difference.subject, difference.found) == ("w", "grew by 26% in 7 days, 26.0 GiB")
    assert difference.detail == "100.0 GiB 7.0 days ago, 126.0 GiB now"
    assert record.action[0].startswith("sqlcmd")


def test_a_topic_that_grew_is_red_and_named() -> None:
    check, pipeline = checks.test_topics_grew_no_more_than_they_may, pipeline_of("a")
    red = judged(check, pipeline, topic_growth=growth(orders=sizes((7, 0), (0, 10)), other=sizes((7, 10), (0, 11))))
    green = judged(check, pipeline, topic_growth=growth(orders=sizes((7, 10), (0, 11)), other=sizes((7, 10), (0, 11))))

    assert (red.verdict, green.verdict) == (Verdict.FAILED, Verdict.PASSED)
    assert [(d.subject, d.found) for d in red.differences] == [("orders", "grew from nothing in 7 days, 10.0 GiB")]
    assert red.action[0].startswith("kafka-log-dirs --bootstrap-server")


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (sizes((14, 100), (0, 150)), Verdict.PASSED),  # 25 % a week
        (sizes((14, 100), (0, 152)), Verdict.FAILED),
        (sizes((7, 100), (1, 1), (0, 120)), Verdict.PASSED),  # the size of yesterday is no week old
        (sizes((7, 0.1), (0, 0.3)), Verdict.PASSED),  # little in bytes
        (sizes((7, 0), (0, 10)), Verdict.FAILED),
        (sizes((0, 100)), Verdict.NOT_CHECKED),
        (sizes((5.9, 100), (0, 200)), Verdict.NOT_CHECKED),
    ],
)
def test_the_growth_is_of_seven_days(series: tuple[tuple[float, float], ...], expected: Verdict) -> None:
    assert verdict(growth(w=series)) is expected


def test_what_is_too_large_is_red_although_another_has_no_history() -> None:
    new = sizes((0, 1))

    assert verdict(growth(new=new, w=sizes((7, 100), (0, 200)))) is Verdict.FAILED
    assert verdict(growth(new=new, w=sizes((7, 100), (0, 101)))) is Verdict.NOT_CHECKED
    with pytest.raises(CouldNotLookError, match="known of new"):
        require(growth(new=new, w=sizes((7, 100), (0, 101))).observation())
    assert verdict(growth()) is Verdict.NOT_CHECKED


def disk(free_gib: float, path: str = "/data") -> FileSystem:
    return FileSystem(path, 50, None, int(free_gib * GIB), int(1000 * GIB))


def until_full(free_gib: float, *points: tuple[float, float]) -> DaysUntilFull:
    return DaysUntilFull((disk(free_gib),), {"/data": sizes(*points)}, 30)


def disk_verdict(found: DaysUntilFull) -> Verdict:
    return judged(checks.test_disks_last_long_enough, pipeline_of("a"), days_until_full=found).verdict


def test_days_are_what_is_free_by_a_straight_line_through_what_was_used() -> None:
    assert until_full(310, (20, 480), (10, 490), (0, 500)).days() == {"/data": pytest.approx(310)}
    # least squares of 0, 0, 30 over 0, 10, 20 days: 1.5 a day
    assert until_full(300, (20, 400), (10, 400), (0, 430)).days() == {"/data": pytest.approx(200)}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (until_full(30, (20, 480), (10, 490), (0, 500)), Verdict.PASSED),
        (until_full(29.9, (20, 480), (10, 490), (0, 500)), Verdict.FAILED),
        (until_full(5, (20, 500), (10, 500), (0, 500)), Verdict.PASSED),
        (until_full(5, (20, 510), (10, 505), (0, 500)), Verdict.PASSED),
        (until_full(0, (20, 480), (10, 490), (0, 500)), Verdict.FAILED),
        (until_full(30, (20, 480), (0, 500)), Verdict.NOT_CHECKED),
        (until_full(30, (12, 480), (6, 490), (0, 500)), Verdict.NOT_CHECKED),
        (until_full(30, (200, 480), (150, 490), (0, 500)), Verdict.NOT_CHECKED),  # older than what is fitted
        (DaysUntilFull((), {}, 30), Verdict.NOT_CHECKED),
        (DaysUntilFull((disk(30),), {}, 30), Verdict.NOT_CHECKED),
    ],
)
def test_a_disk_must_last_thirty_days(found: DaysUntilFull, expected: Verdict) -> None:
    assert disk_verdict(found) is expected


def test_one_that_fills_is_red_although_another_has_no_history() -> None:
    known = sizes((20, 480), (10, 490), (0, 500))
    found = DaysUntilFull((disk(5), disk(5, "/new")), {"/data": known, "/new": sizes((0, 1))}, 30)

    assert disk_verdict(found) is Verdict.FAILED
    assert [row["full in days"] for row in found.rows()] == ["5", None]


def test_a_disk_that_does_not_fill_has_no_last_day() -> None:
    found = until_full(5, (20, 510), (10, 505), (0, 500))

    assert math.isinf(found.days()["/data"])
    assert found.rows()[0]["full in days"] == "does not fill"


def test_growth_is_judged_beside_its_sizes_and_what_has_no_history_is_named() -> None:
    series = {"w": sizes((7, 100), (0, 126)), "less": sizes((14, 4), (0, 2))}
    new = {f"t{n}": sizes((5.9, 1), (0, 2)) for n in range(6)}
    right = "grew by at most 25% in 7 days"
    none_of = "Too short a history: no size of a week ago is known of"
    remedy = "Each weekly run keeps the sizes; run it again in a week."

    assert growth(**series, new=sizes((0, 1))).observation() == Observation(
        {"w": "grew by 26% in 7 days, 26.0 GiB", "less": right},
        {"w": right, "less": right},
        {
            "w": "100.0 GiB 7.0 days ago, 126.0 GiB now",
            "less": "4.0 GiB 14.0 days ago, 2.0 GiB now",
        },
        unknown={f"{none_of} new.": remedy},
    )
    assert growth(**series, new=sizes((0, 1))).rows()[1:] == [
        {"of": "less", "before": "4.0 GiB", "days ago": "14.0", "now": "2.0 GiB", "in 7 days": "-1.0 GiB"},
        {"of": "new", "before": "not known", "days ago": None, "now": "1.0 GiB", "in 7 days": None},
    ]
    assert growth(**new).unknown() == {f"{none_of} t0, t1, t2, t3, t4 and 1 more.": remedy}
    assert list(growth(**dict(list(new.items())[:5])).unknown()) == [f"{none_of} t0, t1, t2, t3, t4."]
    assert list(growth().unknown()) == [f"{none_of} anything."]


def test_a_size_is_a_week_old_after_six_days_and_little_in_bytes_is_no_growth() -> None:
    assert growth(w=sizes((6, 100), (0, 120))).unknown() == {}
    assert growth(w=sizes((7, 0.25), (0, 0.5))).found() == {"w": "grew by at most 25% in 7 days"}
    assert growth(w=sizes((7, 0.25), (0, 0.51))).found() == {"w": "grew by 104% in 7 days, 266.2 MiB"}
    assert growth(w=sizes((7, 0.01), (0, 100.01))).found() == {"w": "grew by 1,000,000% in 7 days, 100.0 GiB"}
    steady = growth(w=sizes((7, 1), (0, 1)))
    assert steady.rows()[0]["in 7 days"] == "+0 B"


def test_days_are_judged_by_the_limit_and_what_has_no_history_is_named() -> None:
    known = sizes((20, 480), (10, 490), (0, 500))
    disks = (disk(30), disk(5, "/new"), disk(5, "/young"))
    found = DaysUntilFull(disks, {"/data": known, "/young": sizes((0, 1))}, 30)
    needed = "3 measurements over two weeks are needed."

    assert found.observation() == Observation(
        {"/data": pytest.approx(30)},
        Limit("at least", 30, "days until full"),
        {"/data": "fills by +1.0 GiB a day, 30.0 GiB are free"},
        unknown={f"Too short a history of /new, /young: {needed}": "Each weekly run keeps one."},
    )
    assert DaysUntilFull((), {}, 30).unknown() == {
        f"Too short a history of any file system: {needed}": (
            "Each weekly run keeps one; name what holds data in paths.volumes."
        )
    }
    assert until_full(30, (20, 480), (10, 490), (0, 500)).unknown() == {}


def test_a_line_is_fitted_through_three_measurements_of_thirteen_days_within_ninety() -> None:
    assert until_full(30, (13, 487), (5, 495), (0, 500)).days() == {"/data": pytest.approx(30)}
    assert until_full(30, (12.9, 487), (5, 495), (0, 500)).days() == {}
    assert until_full(30, (90, 410), (5, 495), (0, 500)).days() == {"/data": pytest.approx(30)}
    assert until_full(30, (90.1, 410), (5, 495), (0, 500)).days() == {}


def test_the_report_has_a_row_for_each_file_system() -> None:
    known, less = sizes((20, 480), (10, 490), (0, 500)), sizes((20, 520), (10, 510), (0, 500))
    disks = (disk(1_500), disk(5, "/less"), disk(5, "/new"))
    found = DaysUntilFull(disks, {"/data": known, "/less": less}, 30)

    assert found.rows() == [
        {"path": "/data", "used": "50%", "free": "1.5 TiB", "a day": "+1.0 GiB", "full in days": "1,500", "measurements": 3},
        {"path": "/less", "used": "50%", "free": "5.0 GiB", "a day": "-1.0 GiB", "full in days": "does not fill", "measurements": 3},
        {"path": "/new", "used": "50%", "free": "5.0 GiB", "a day": None, "full in days": None, "measurements": 0},
    ]  # fmt: skip
    assert found.details() == {
        "/data": "fills by +1.0 GiB a day, 1.5 TiB are free",
        "/less": "fills by -1.0 GiB a day, 5.0 GiB are free",
    }
    assert DaysUntilFull((), {}, 30).rows() == [{"path": "none"}]
    assert DaysUntilFull((), {}, 30).details() == {}
