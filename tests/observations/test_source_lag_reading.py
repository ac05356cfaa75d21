"""Looks at the log: when the last is made, and who is not judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from cdcproof.clients.connect.client import Connect, Connector, ConnectorStates
from cdcproof.connectors.settings.accounts import accounts
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.deployment import LogReading
from cdcproof.observations.lag import source_reading as source_lag
from cdcproof.observations.lag.source import SourceLag
from tests.connectors.looks import connector
from tests.connectors.test_capture import POSTGRES
from tests.pipelines import pipeline_of

PIPELINE = pipeline_of("orders", source_type="postgresql")


class Worker:
    """A Connect with these connectors, whose offset is at `stored`."""

    def __init__(self, *connectors: Connector, stored: int = 10) -> None:
        self.connectors = connectors
        self.stored = stored

    def states(self) -> ConnectorStates:
        return ConnectorStates(self.connectors)

    def offsets(self, name: str) -> tuple[dict[str, Any], ...]:
        return ({"partition": {"server": name}, "offset": {"lsn_proc": self.stored}},)


class Log:
    """A source whose log is read as `look` says, by the number of the look."""

    def __init__(self, look: Callable[[int, Mapping[str, Any]], LogReading]) -> None:
        self.look = look
        self.looks = 0

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def log_reading(self, slot: str, offset: Mapping[str, Any], tables: object) -> LogReading:
        assert slot == "s"
        self.looks += 1
        return self.look(self.looks, offset)


RUNNING = connector("RUNNING", "RUNNING", name="c", kind="source")


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SourceLag]:
    """The waits take no time: each look is a second later."""
    clock = iter(range(10_000))
    monkeypatch.setattr("cdcproof.core.waiting.time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("cdcproof.core.waiting.time.sleep", lambda _: None)

    def look(log: Log, *connectors: Connector, **config: str) -> SourceLag:
        monkeypatch.setattr(source_lag, "open_database", lambda _: log)
        of = accounts({"c": POSTGRES | {key.replace("__", "."): value for key, value in config.items()}}, PIPELINE)
        return source_lag.look(of, cast(Connect, Worker(*connectors)), PIPELINE)

    return look


def reading(sent: int, end: int = 100, **more: Any) -> LogReading:
    return LogReading(end, 10, max(10, sent), (10, sent), session=more.pop("session", "7"), **more)


def test_the_second_look_is_made_when_the_log_was_given_to_the_connector(looked: Callable[..., SourceLag]) -> None:
    log = Log(lambda number, _: reading(100 if number == 4 else 20))
    found = looked(log, RUNNING)
    assert found.found() == {"c": "reads on"}
    assert log.looks == 4


def test_one_that_stands_still_is_waited_for_longer_than_an_idle_one_is_silent(
    looked: Callable[..., SourceLag],
) -> None:
    [by_default] = looked(Log(lambda *_: reading(20)), RUNNING).seen.values()
    assert by_default.word().startswith("stood still")
    assert by_default.waited_seconds > 15
    [slow] = looked(Log(lambda *_: reading(20)), RUNNING, status__update__interval__ms="40000").seen.values()
    assert slow.waited_seconds > 60


def test_one_that_stood_still_just_before_the_first_look_and_reports_what_it_was_given_stands_still(
    looked: Callable[..., SourceLag],
) -> None:
    [late] = looked(Log(lambda number, _: reading(20 if number < 4 else 30)), RUNNING).seen.values()
    assert late.word().startswith("stood still for")
    assert late.still_seconds < late.waited_seconds


def test_one_that_is_far_behind_and_reports_twice_reads_on(looked: Callable[..., SourceLag]) -> None:
    found = looked(Log(lambda number, _: reading(20 if number < 4 else 30 if number < 7 else 40)), RUNNING)
    assert found.found() == {"c": "reads on"}


@pytest.mark.parametrize(
    "state", [connector("PAUSED", "PAUSED", name="c", kind="source"), connector("RUNNING", "FAILED", name="c")]
)
def test_one_that_does_not_run_is_not_judged(looked: Callable[..., SourceLag], state: Connector) -> None:
    found = looked(Log(lambda *_: reading(20)), state)
    assert (dict(found.seen), list(found.unseen)) == ({}, ["c"])
    assert list(looked(Log(lambda *_: reading(20))).unseen) == ["c"]  # it is not at Connect


def test_one_that_nobody_serves_or_cannot_be_seen_is_not_judged(looked: Callable[..., SourceLag]) -> None:
    def standby(*_: object) -> LogReading:
        raise UnexpectedAnswerError("a standby", "Name the primary.")

    for log, why in (
        (Log(lambda *_: reading(20, session="")), "Nobody reads"),
        (Log(lambda *_: reading(20, grant="GRANT …")), "may be idle, or stand still"),
        (Log(standby), "a standby"),
    ):
        [(text, _)] = looked(log, RUNNING).unseen.values()
        assert why in text


def test_a_position_beyond_the_log_and_an_age_need_no_second_look(looked: Callable[..., SourceLag]) -> None:
    beyond = Log(lambda *_: LogReading(100, 900, 900, (900,), session="7"))
    assert looked(beyond, RUNNING).found() == {"c": "beyond the end of the source's log"}
    aged = Log(lambda *_: reading(20, unread_seconds=1.0))
    assert looked(aged, RUNNING).seconds() == {"c": 1.0}
    assert (beyond.looks, aged.looks) == (1, 1)


class Positions:
    """A Connect that has kept these offsets."""

    def __init__(self, *partitions: dict[str, str]) -> None:
        self.partitions = partitions

    def offsets(self, name: str) -> tuple[dict[str, Any], ...]:
        assert name == "c"
        return tuple({"partition": one, "offset": {"at": number}} for number, one in enumerate(self.partitions))


@pytest.mark.parametrize(
    ("prefix", "partitions", "at"),
    [
        ("new", [{"server": "old"}, {"server": "new"}], 1),  # of an earlier prefix, which Connect never forgets
        ("new", [{"server": "old", "database": "w"}, {"server": "new", "database": "w"}], 1),
        ("new", [{"server": "new", "database": "v"}, {"server": "new", "database": "w"}], 1),
        ("old", [{"server": "old"}, {"server": "new"}], 0),
        ("", [{"server": "old"}], 0),  # Debezium 1 has another key
        ("${env:PREFIX}", [{"server": "old"}], 0),
        ("new", [{}], 0),
        ("new", [{"server": "old"}], None),
    ],
)
def test_the_position_is_that_of_todays_prefix(prefix: str, partitions: list[dict[str, str]], at: int | None) -> None:
    config = {"topic.prefix": prefix} if prefix else {}

    found = source_lag.offset_of(cast(Connect, Positions(*partitions)), "c", "w", config)

    assert found == ({} if at is None else {"at": at})
