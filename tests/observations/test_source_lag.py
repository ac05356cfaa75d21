"""What two looks at the source's log say: idle is in order, stuck is not, and nobody there is not known."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.databases.contracts.deployment import LogReading
from cdcproof.findings import Finding, Limit, Observation, require, require_at_most
from cdcproof.observations.lag.source import Progress, SourceLag
from cdcproof.pipeline.model import Thresholds

MEBIBYTE = 1024 * 1024
LIMITS = Thresholds()


def reading(
    end: int, stored: int = 0, confirmed: int = 0, sent: int = 0, session: str = "7 since noon", **more: Any
) -> LogReading:
    positions = (stored, confirmed, sent)
    return LogReading(end, stored, max(positions), positions, session=session, **more)


def lag(first: LogReading, last: LogReading, advances: int = 0) -> SourceLag:
    return SourceLag({"c": Progress(first, last, 15.0, advances, 15.0)})


def test_a_connector_that_was_given_all_reads_on_though_its_offset_stands_still() -> None:
    idle = lag(reading(1000, 10, 10, 900), reading(5000, 10, 10, 1000))
    assert idle.found() == idle.expected() == {"c": "reads on"}
    assert idle.mebibytes() == {"c": 0.0}


def test_a_connector_to_which_nothing_was_sent_stood_still() -> None:
    stuck = lag(reading(9 * MEBIBYTE, 10, 10, 900), reading(11 * MEBIBYTE, 10, 10, 900))
    assert stuck.found() == {"c": "stood still for 15 s"}
    assert "11.0 MiB" in stuck.details()["c"]


def test_a_connector_that_moves_reads_on_and_is_judged_by_how_far_behind_it_is() -> None:
    busy = lag(reading(9 * MEBIBYTE, 10, 10, 900), reading(11 * MEBIBYTE, 10, 10, MEBIBYTE), advances=2)
    assert busy.found() == busy.expected()
    assert busy.mebibytes() == {"c": 10.0}


def test_what_is_reported_late_or_committed_late_is_no_proof_that_it_reads() -> None:
    """It stood still before the first look, and then reported, and Connect committed, what it had been given until then."""
    reported = lag(reading(9 * MEBIBYTE, 10, 10, 900), reading(11 * MEBIBYTE, 10, 10, 950), advances=1)
    assert reported.found() == {"c": "stood still for 15 s"}
    committed = lag(reading(9 * MEBIBYTE, 10, 10, 900), reading(11 * MEBIBYTE, 800, 800, 900))
    assert committed.found() == {"c": "stood still for 15 s"}


def test_a_position_beyond_the_end_of_the_log_is_of_another_time() -> None:
    restored = lag(reading(5000, 9000, 100, 5000), reading(5000, 9000, 100, 5000))
    assert restored.found() == {"c": "beyond the end of the source's log"}
    # a page's header lies behind the last record: no position is there
    assert lag(reading(5000, 5040), reading(5000, 5040)).found() == {"c": "reads on"}


def test_nobody_who_reads_is_dead_and_one_whose_positions_are_hidden_is_not_known() -> None:
    assert Progress(reading(5000, session=""), reading(5000, session=""), 15).is_dead
    hidden = reading(5000, 10, 10, grant="GRANT pg_monitor TO us;")
    assert Progress(hidden, hidden, 15).blind == "GRANT pg_monitor TO us;"
    moved = reading(5000, 12, 12, grant="GRANT pg_monitor TO us;")
    assert Progress(hidden, moved, 15, advances=2).blind == ""
    assert not Progress(hidden, moved, 15, advances=2).is_dead


def test_sql_server_reports_the_age_of_what_was_not_read() -> None:
    old = reading(5000, 10, unread_seconds=400.0, session="")
    assert (lag(old, old).seconds(), lag(old, old).mebibytes()) == ({"c": 400.0}, {})
    assert not Progress(old, old, 0).is_dead
    cleaned = reading(5000, 10, unread_seconds=math.nan, session="")
    with pytest.raises(Finding, match="no number"):
        require_at_most(lag(cleaned, cleaned).seconds(), 300, unit="s")


def test_what_could_not_be_seen_is_said_and_so_is_that_there_was_nothing_to_see() -> None:
    with pytest.raises(CouldNotLookError, match="c does not run") as raised:
        require(SourceLag({}, {"c": ("c does not run.", "See morning.2-connectors.")}).observation(LIMITS))
    assert raised.value.remedy == "See morning.2-connectors."
    both = {
        "c": ("It was refused.", "Grant a."),
        "d": ("It was refused.", "Grant b."),
        "e": ("It was refused.", "Grant a."),
    }
    with pytest.raises(CouldNotLookError, match="It was refused") as raised:
        require(SourceLag({}, both).observation(LIMITS))
    assert raised.value.remedy == "Grant a.\nGrant b."  # one sentence, and what helps each connector
    with pytest.raises(CouldNotLookError, match="No source connector"):
        require(SourceLag({}).observation(LIMITS))
    require(lag(reading(1, 1), reading(1, 1)).observation(LIMITS))


def test_a_connector_must_read_on_and_be_less_behind_than_the_limit_of_its_source() -> None:
    limits = Thresholds(source_lag_mebibytes=8, source_lag_seconds=120)
    slow = lag(reading(9 * MEBIBYTE), reading(10 * MEBIBYTE, 0, 0, MEBIBYTE), advances=2)
    assert slow.observation(limits) == Observation(
        {"c": "reads on"},
        {"c": "reads on"},
        {"c": "9.0 MiB of the log were not given to it; its session: 7 since noon"},
        then=(Observation({"c": 9.0}, Limit("at most", 8, "MiB behind")),),
    )
    old = lag(reading(5000), reading(5000, unread_seconds=121.0, session=""))
    assert old.observation(limits) == Observation(
        {"c": "reads on"}, {"c": "reads on"}, then=(Observation({"c": 121.0}, Limit("at most", 120, "s behind")),)
    )


def test_a_page_header_beyond_the_end_is_not_beyond_and_a_byte_more_is() -> None:
    assert lag(reading(5000, 5064), reading(5000, 5064)).found() == {"c": "reads on"}
    assert lag(reading(5000, 5065), reading(5000, 5065)).found() == {"c": "beyond the end of the source's log"}


def test_one_that_was_given_more_than_the_log_held_is_not_behind() -> None:
    assert Progress(reading(6000, 100), reading(5000, 100, 0, 5500), 15.0).behind_mebibytes == 0.0


def test_no_source_connector_is_not_known_and_has_no_remedy() -> None:
    assert SourceLag({}).unknown() == {"No source connector of the pipeline was found at Connect.": ""}


def test_the_report_has_a_row_for_each_connector_and_for_each_that_was_not_seen() -> None:
    postgres = Progress(reading(9 * MEBIBYTE), reading(9 * MEBIBYTE, 0, 0, MEBIBYTE // 2), 15.26, 0, 14.6)
    sqlserver = Progress(reading(5000), reading(5000, unread_seconds=3.5, session=""), 0.0)
    seen = SourceLag({"p": postgres, "s": sqlserver}, {"x": ("x does not run.", "See morning.2-connectors.")})
    assert seen.rows() == [
        {"connector": "p", "seen": "stood still for 15 s", "MiB behind": "8.5", "s behind": None, "looks apart, s": "15.3"},
        {"connector": "s", "seen": "reads on", "MiB behind": None, "s behind": 3.5, "looks apart, s": "0.0"},
        {"connector": "x", "seen": "not: x does not run."},
    ]  # fmt: skip
