"""What the dead letter topics of the sinks hold."""

import pytest

from cdcproof.findings import Finding, Observation, require_equal
from cdcproof.observations.dead_letters import DeadLetters


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
