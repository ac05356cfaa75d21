"""What is wrong with a topic, and which settings would be right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdcproof.clients.kafka.topic_states import PartitionState, TopicState
from cdcproof.core.errors import CouldNotLookError
from cdcproof.findings import Finding, require
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
