from __future__ import annotations

from typing import Any

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.findings import Concern, require
from cdcproof.validation.soak.samples import Part, Seen, Soak


def connectors(*looks: dict[str, str] | None) -> Part:
    return Part(
        "Kafka Connect",
        tuple((float(at), Seen(words=words) if words is not None else None) for at, words in enumerate(looks)),
        expected={"sink/0": "RUNNING"},
    )


def unexpected(part: Part) -> dict[str, str]:
    """What differs from what must be, and what must not be there at all."""
    must = part.must_be()
    return {subject: found for subject, found in part.found().items() if must.get(subject) != found}


RUNNING, FAILED = {"sink/0": "RUNNING"}, {"sink/0": "FAILED"}


def test_what_was_right_all_the_time() -> None:
    part = connectors(RUNNING, RUNNING, RUNNING)

    assert part.found() == part.must_be() == {"sink/0": "RUNNING throughout"}


@pytest.mark.parametrize(
    ("looks", "story"),
    [
        ([RUNNING, FAILED, FAILED, RUNNING], "FAILED from 1 s to 3 s, RUNNING again at the end"),
        ([RUNNING, FAILED, {}, RUNNING], "FAILED from 1 s to 2 s; absent from 2 s to 3 s, RUNNING again at the end"),
        ([FAILED, RUNNING, FAILED], "FAILED from 0 s to 1 s; FAILED from 2 s to the end"),
        ([RUNNING, FAILED], "FAILED from 1 s to the end"),
        ([{}, {}], "absent from 0 s to the end"),
    ],
)
def test_a_flap_is_told_with_its_time_though_it_recovered(looks: list[dict[str, str]], story: str) -> None:
    assert unexpected(connectors(*looks)) == {"sink/0": story}


@pytest.mark.parametrize(
    ("looks", "story"),
    [
        ([RUNNING, None, RUNNING], "no answer from 1 s to 2 s, answers again at the end"),
        ([RUNNING, None], "no answer from 1 s to the end"),
        ([None, None], "no answer from 0 s to the end"),
    ],
)
def test_what_did_not_answer_is_not_checked_by_name(looks: list[dict[str, str] | None], story: str) -> None:
    soak = Soak((connectors(*looks), connectors(RUNNING)), seconds=5)

    assert soak.found() == soak.must_be()
    with pytest.raises(CouldNotLookError, match=f"Kafka Connect: {story}"):
        require(soak.observation())


def test_what_was_seen_to_be_wrong_before_and_after_is_a_finding_all_the_same() -> None:
    assert unexpected(connectors(FAILED, None, RUNNING)) == {
        "sink/0": "FAILED from 0 s to 1 s, RUNNING again at the end"
    }


def test_what_answered_throughout_was_seen() -> None:
    soak = Soak((connectors(RUNNING, RUNNING), Part("alerts", (), not_watched="no [prometheus]")), seconds=5)

    with pytest.raises(Concern, match=r"alerts: expected watched, found no \[prometheus\]"):
        require(soak.observation())


def test_what_must_not_be_there_is_told_though_it_went_away() -> None:
    alert = Seen(words={"alert HighReplicationLag": "firing"})
    part = Part("alerts", ((0, Seen()), (1, alert), (2, Seen())))

    assert unexpected(part) == {"alert HighReplicationLag": "firing from 1 s to 2 s, absent again at the end"}
    assert "alert HighReplicationLag" not in part.must_be()


def test_a_restart_between_two_looks_shows_in_the_uptime() -> None:
    part = Part(
        "services",
        (
            (0, Seen(uptimes={"kafka": 100, "connect": 100})),
            (5, None),
            (10, Seen(uptimes={"kafka": 108, "connect": 3})),
        ),
    )

    assert unexpected(part)["connect: start"] == "restarted at 7 s"
    assert not [subject for subject in unexpected(part) if subject.startswith("kafka")]


def test_an_uptime_in_whole_seconds_is_no_restart() -> None:
    part = Part("services", ((0, Seen(uptimes={"kafka": 100.9})), (1, Seen(uptimes={"kafka": 100.0}))))

    assert part.found() == part.must_be()


@pytest.mark.parametrize(("levels", "reported"), [((5, 10), {}), ((5, 11, 5), {"g: records": "up to 11"})])
def test_a_level_above_its_limit_for_a_moment(levels: tuple[float, ...], reported: dict[str, str]) -> None:
    part = Part(
        "lag",
        tuple((at, Seen(levels={"g: records": level})) for at, level in enumerate(levels)),
        limits={"records": 10},
    )

    assert unexpected(part) == reported
    assert part.row()["highest"] == f"g: records {max(levels)}"


@pytest.mark.parametrize(
    ("values", "reported"),
    [
        ([{"errors": 5}, {"errors": 5}], {}),
        ([{"errors": 5}, {"errors": 7}], {"errors": "grew by 2"}),
        ([{}, {"errors": 1}], {"errors": "grew by 1"}),
        ([{"errors": 7}, {"errors": 0}, {"errors": 2}], {"errors": "grew by 2"}),
        ([{"errors": 7}, {"errors": 0}], {}),
        ([{}, {"errors": 0}], {}),
    ],
)
def test_a_counter_that_grows(values: list[dict[str, float]], reported: dict[str, Any]) -> None:
    part = Part("errors", tuple((at, Seen(counters=counters)) for at, counters in enumerate(values)))

    assert unexpected(part) == reported


NO_NUMBER = float("nan")


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ((NO_NUMBER, 1.0), ""),
        ((NO_NUMBER, NO_NUMBER, 1.0), "sink: s behind: no number at 2 of 3 looks"),
        ((NO_NUMBER,), "sink: s behind: no number at 1 of 1 looks"),
    ],
)
def test_a_level_that_could_mostly_not_be_measured_is_not_checked(levels: tuple[float, ...], said: str) -> None:
    """By a clock that runs ahead the sink's records are of the future: how long it has stood still nobody knows."""
    looks = tuple((float(at), Seen(levels={"sink: s behind": level})) for at, level in enumerate(levels))
    part = Part("sinks", looks, limits={"s behind": 10.0})

    assert part.unseen() == said
    assert part.found() == part.must_be() == {}
    assert bool(Soak((part,), 5).unknown()) is bool(said)


def test_a_level_is_judged_by_the_looks_that_measured_it() -> None:
    looks = tuple((float(at), Seen(levels={"sink: s behind": level})) for at, level in enumerate((NO_NUMBER, 11.0)))

    assert Part("sinks", looks, limits={"s behind": 10.0}).found() == {"sink: s behind": "up to 11"}


def test_a_part_that_was_not_watched_is_no_finding_and_not_forgotten() -> None:
    soak = Soak((connectors(RUNNING), Part("alerts", (), not_watched="no [prometheus]")), seconds=5)

    assert soak.found() == soak.must_be()
    assert soak.not_watched() == {"alerts": "no [prometheus]"}
    assert [row["looks"] for row in soak.rows()] == ["1 of 1", "0 of 0"]
