"""What the dead letter topics of the sinks hold."""

import pytest

from cdcproof.clients.kafka.topic_states import PartitionState, TopicState
from cdcproof.core.errors import CouldNotLookError
from cdcproof.findings import Finding, Observation, require, require_equal
from cdcproof.observations.dead_letters import DeadLetters, Expired, expired


class TestDeadLetters:
    def test_a_topic_with_records_is_a_difference_and_one_without_none(self):
        found = DeadLetters({"a": "dlq-a", "b": "dlq-b", "c": ""}, {"dlq-a": 1_234})

        with pytest.raises(Finding) as raised:
            require_equal(found.found(), found.expected())
        assert str(raised.value) == "dlq-a of a: expected no records, found 1,234 records"
        assert found.sinks() == ("a",)
        assert [row["records"] for row in found.rows()] == [1_234, 0, None]

    def test_sinks_without_a_topic_are_looked_at_all_the_same(self):
        found = DeadLetters({"c": ""}, {})

        require_equal(found.found(), found.expected())
        assert found.found() == {"c": "no dead letter topic"}

    def test_a_sink_whose_topic_is_not_known_is_not_checked_beside_the_others(self):
        found = DeadLetters({"a": "dlq-a"}, {"dlq-a": 1}, {"b": "it is not at Connect", "c": "a placeholder"})

        assert found.observation() == Observation(
            {"dlq-a of a": "1 record"},
            {"dlq-a of a": "no records"},
            unknown={
                "It is not known where every sink puts records aside. b: it is not at Connect; c: a placeholder.": ""
            },
        )
        assert DeadLetters({"a": "dlq-a"}, {}).observation().unknown == {}

    def test_the_report_has_a_row_for_each_sink(self):
        found = DeadLetters({"a": "dlq-a", "b": "dlq-b", "c": ""}, {"dlq-a": 2}, {"d": "it is not at Connect"})

        assert found.rows() == [
            {"sink": "a", "dead letter topic": "dlq-a", "records": 2},
            {"sink": "b", "dead letter topic": "dlq-b", "records": 0},
            {"sink": "c", "dead letter topic": "none", "records": None},
            {"sink": "d", "dead letter topic": "not seen: it is not at Connect"},
        ]
        assert found.found() == {
            "dlq-a of a": "2 records",
            "dlq-b of b": "no records",
            "c": "no dead letter topic",
        }

    def test_records_that_retention_took_before_anybody_handled_them_are_not_checked(self):
        """An empty topic looks as if all had been handled."""
        found = DeadLetters({"to a": "dlq-a"}, {"dlq-a": 0}, expired={"dlq-a": Expired(3, "retention.ms=604800000")})

        with pytest.raises(CouldNotLookError) as raised:
            require(found.observation())
        assert raised.value.message == (
            "It is not known whether anybody handled 3 records that are no longer in dlq-a (retention.ms=604800000) of to a."
        )
        assert "`cdcproof connectors dlq 'to a' --clear`" in raised.value.remedy
        assert Expired(1, "retention.ms=1").words("dlq") == "1 record that is no longer in dlq (retention.ms=1)"


WEEK = {"retention.ms": "604800000", "retention.bytes": "-1"}


@pytest.mark.parametrize(
    ("starts", "settings", "handled", "ends", "records"),
    [
        ((0, 0), WEEK, {}, (0, 0), 0),
        ((0, 0), WEEK, {}, (4, 4), 0),
        ((4, 3), WEEK, {}, (4, 4), 7),
        ((4, 3), WEEK, {("dlq", 0): 4}, (4, 4), 3),
        ((4, 3), WEEK, {("dlq", 0): 4, ("dlq", 1): 4}, (4, 4), 0),
        # the topic was made anew since
        ((2, 0), WEEK, {("dlq", 0): 9}, (4, 0), 2),
        # nothing but a person deletes there
        ((4, 3), {"retention.ms": "-1", "retention.bytes": "-1"}, {}, (4, 4), 0),
        ((4, 3), {"retention.ms": "-1", "retention.bytes": "1000"}, {}, (4, 4), 7),
        ((4, 3), {}, {}, (4, 4), 0),
        # of a partition whose end is not known nothing counts as handled
        ((4, 3), WEEK, {("dlq", 0): 4, ("dlq", 1): 1}, (4,), 3),
    ],
)
def test_what_retention_may_have_taken_is_what_the_log_no_longer_has_and_nobody_handled(
    starts, settings, handled, ends, records
):
    partitions = tuple(PartitionState(number, True, 1, 1, start) for number, start in enumerate(starts))
    found = expired(TopicState("dlq", partitions, settings), handled, {("dlq", n): end for n, end in enumerate(ends)})
    assert (found.records if found else 0) == records


def test_both_limits_are_named_where_both_delete():
    state = TopicState("dlq", (PartitionState(0, True, 1, 1, 4),), {"retention.ms": "1", "retention.bytes": "2"})
    assert expired(state, {}, {}) == Expired(4, "retention.ms=1, retention.bytes=2")
