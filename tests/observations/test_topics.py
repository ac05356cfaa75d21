"""What is wrong with a topic, and which settings would be right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdcproof.clients.kafka.topic_states import PartitionState, TopicState
from cdcproof.core.errors import CouldNotLookError
from cdcproof.findings import Finding, Observation, require
from cdcproof.observations.schema.topics import IN_ORDER, Topics, connects_own

GOOD = PartitionState(0, True, 3, 3)


def topic(name: str, *partitions: PartitionState, **settings: str) -> TopicState:
    return TopicState(
        name,
        partitions or (GOOD,),
        {"min.insync.replicas": "2", **{k.replace("_", "."): v for k, v in settings.items()}},
    )


def look(one: TopicState) -> Topics:
    return Topics((one,), history=["h"], own=["o"])


FOR_EVER = {"cleanup_policy": "delete", "retention_ms": "-1", "retention_bytes": "-1"}


@pytest.mark.parametrize(
    "one",
    [
        topic("t", cleanup_policy="delete", retention_ms="604800000"),
        topic("t", cleanup_policy="compact"),
        topic("t"),
        topic("h", **FOR_EVER),
        topic("h", **{**FOR_EVER, "retention_ms": str(2**63 - 1)}),
        topic("o", cleanup_policy="compact"),
        topic("t", PartitionState(0, True, 1, 1), min_insync_replicas="1"),
    ],
)
def test_topics_in_order(one: TopicState) -> None:
    found = Topics((one,), history=["h"] if one.name == "h" else [], own=["o"])
    assert (found.found(), found.under_replicated(), found.changes()) == ({one.name: IN_ORDER}, {}, {})


@pytest.mark.parametrize(
    ("one", "found", "changes"),
    [
        (topic("t", PartitionState(0, False, 3, 0)), "partition 0 without a leader", {}),
        (topic("t", GOOD, PartitionState(1, True, 3, 1)), "partition 1: 1 in sync, min.insync.replicas is 2", {}),
        (
            topic("t", PartitionState(0, True, 1, 1), PartitionState(1, True, 1, 1)),
            "partitions 0, 1: 1 in sync, min.insync.replicas is 2",
            {"min.insync.replicas": "1"},
        ),
        (topic("o", cleanup_policy="delete"), "cleanup.policy is delete, not compact", {"cleanup.policy": "compact"}),
        (topic("o", cleanup_policy="compact, delete"), "cleanup.policy is compact, delete, not compact", {"cleanup.policy": "compact"}),
        (topic("h", **{**FOR_EVER, "cleanup_policy": "compact"}), "cleanup.policy is compact, not delete", {"cleanup.policy": "delete"}),
        (topic("h", **{**FOR_EVER, "retention_ms": "604800000"}), "retention.ms is 604800000, not -1", {"retention.ms": "-1"}),
        (topic("h", **{**FOR_EVER, "retention_bytes": "1"}), "retention.bytes is 1, not -1", {"retention.bytes": "-1"}),
        (topic("h", GOOD, GOOD, **FOR_EVER), "2 partitions, not 1", {}),
        (topic("h", PartitionState(0, True, 3, 3, 1_234), **FOR_EVER), "1,234 records of its beginning are deleted", {}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_what_would_be_right(one: TopicState, found: str, changes: dict[str, str]) -> None:
    seen = look(one)
    assert seen.found()[one.name] == found
    assert seen.changes() == ({one.name: changes} if changes else {})
    assert one.name in seen.details()


def test_missing_replicas_that_keep_nobody_waiting_are_a_risk() -> None:
    seen = look(topic("t", GOOD, PartitionState(1, True, 3, 2)))
    assert seen.found()["t"] == IN_ORDER
    assert seen.under_replicated() == {"t": "partition 1: 2 of 3 replicas in sync"}


def test_a_schema_history_that_is_gone_is_a_finding_and_another_topic_that_is_gone_is_not() -> None:
    assert Topics((), history=["h"], own=["o"]).found() == {"h": "absent"}


@pytest.mark.parametrize(
    ("name", "is_own"),
    [
        ("connect-offsets", True),
        ("_connect-configs", True),
        ("my_connect_statuses", True),
        ("docker-connect-status", True),
        ("connect-cluster-offset", True),
        ("shop.public.connect_status", False),
        ("orders", False),
        ("disconnected", False),
        ("connect-offsets-of-june", False),
    ],
)
def test_connects_own_topics_are_known_by_their_names(name: str, is_own: bool) -> None:
    assert (name in connects_own([name])) is is_own


def test_what_connect_could_not_name_was_not_checked_but_what_was_seen_to_be_wrong_is_said_first() -> None:
    blind = Topics((topic("o", cleanup_policy="delete"),), own=["o"], unnamed={"": "Kafka Connect does not answer."})
    assert blind.found()["o"] == "cleanup.policy is delete, not compact"
    with pytest.raises(Finding, match=r"o: expected in order, found cleanup\.policy is delete"):
        require(blind.observation())
    with pytest.raises(CouldNotLookError, match="schema history and dead letters is not known"):
        require(replace(blind, seen=(topic("o", cleanup_policy="compact"),)).observation())


def test_a_topic_that_one_connector_does_not_name_is_in_the_evidence() -> None:
    seen = Topics((topic("t"),), unnamed={"source": "it is not at Connect"})
    require(seen.observation())
    assert seen.rows()[-1] == {"topic": "of source", "found": "not seen: it is not at Connect"}


def test_every_topic_must_be_in_order_and_have_its_replicas() -> None:
    seen = Topics(
        (
            topic("t", PartitionState(0, True, 3, 1)),
            topic("h", GOOD, GOOD, **FOR_EVER),
            topic("o", PartitionState(0, True, 3, 2), PartitionState(1, True, 3, 2), cleanup_policy="delete"),
            topic("fine", PartitionState(0, False, 3, 2), PartitionState(1, True, 3, 3)),
        ),
        history=["h", "z", "gone"],
        own=["o"],
        unnamed={"": "Kafka Connect does not answer.", "source": "it is not at Connect"},
    )
    unknown = (
        "All topics that were seen are in order; which ones hold schema history and dead letters is not known. "
        "Kafka Connect does not answer."
    )
    assert seen.observation() == Observation(
        {
            "t": "partition 0: 1 in sync, min.insync.replicas is 2",
            "h": "2 partitions, not 1",
            "o": "cleanup.policy is delete, not compact",
            "fine": "partition 0 without a leader",
            "gone": "absent",
            "z": "absent",
        },
        dict.fromkeys(("t", "h", "o", "fine", "gone", "z"), "in order"),
        {
            "t": "producers wait: changes stay in the connector, which is RUNNING",
            "h": "the source connector cannot start again without its schema history",
            "o": "positions, configurations or states are forgotten after a while",
            "fine": "producers wait: changes stay in the connector, which is RUNNING",
        },
        concerns={"o": "partitions 0, 1: 2 of 3 replicas in sync"},
        no_concern="all replicas in sync",
        unknown={unknown: ""},
    )
    assert seen.rows()[-2:] == [
        {"topic": "of every connector", "found": "not seen: Kafka Connect does not answer."},
        {"topic": "of source", "found": "not seen: it is not at Connect"},
    ]


def test_all_that_is_wrong_with_a_topic_is_said() -> None:
    first_gone = PartitionState(0, True, 3, 3, 1)
    seen = look(topic("h", first_gone, PartitionState(1, False, 3, 3), cleanup_policy="compact", retention_ms="1"))
    assert seen.found()["h"] == (
        "partition 1 without a leader; cleanup.policy is compact, not delete; retention.ms is 1, not -1; "
        "2 partitions, not 1; 1 records of its beginning are deleted"
    )
    assert seen.changes() == {"h": {"cleanup.policy": "delete", "retention.ms": "-1"}}


def test_a_history_must_be_kept_for_five_years_at_the_least() -> None:
    """Debezium itself demands as much."""
    years = 5 * 365 * 24 * 3600 * 1000
    assert look(topic("h", **{**FOR_EVER, "retention_ms": str(years)})).found()["h"] == IN_ORDER
    assert look(topic("h", **{**FOR_EVER, "retention_ms": str(years - 1)})).found()["h"] == (
        f"retention.ms is {years - 1}, not -1"
    )
    assert "retention.bytes" in look(topic("h", **{**FOR_EVER, "retention_bytes": str(years)})).found()["h"]


def test_a_setting_that_the_broker_does_not_show_is_not_called_wrong() -> None:
    assert look(topic("h")).found()["h"] == IN_ORDER
    assert look(topic("o", cleanup_policy=" compact ")).found()["o"] == IN_ORDER


def test_the_report_has_a_row_for_each_topic() -> None:
    two = topic("t", GOOD, PartitionState(1, True, 3, 2), cleanup_policy="delete", retention_ms="604800000")
    none = TopicState("empty", (), {})
    assert Topics((two, none)).rows() == [
        {
            "topic": "t",
            "partitions": 2,
            "replicas in sync": 2,
            "cleanup.policy": "delete",
            "retention.ms": "604800000",
            "min.insync.replicas": "2",
            "found": "in order",
        },
        {
            "topic": "empty",
            "partitions": 0,
            "replicas in sync": None,
            "cleanup.policy": None,
            "retention.ms": None,
            "min.insync.replicas": None,
            "found": "in order",
        },
    ]


def test_a_topic_whose_partitions_are_not_known_needs_no_other_setting() -> None:
    assert Topics((TopicState("t", (), {"min.insync.replicas": "2"}),)).changes() == {}
