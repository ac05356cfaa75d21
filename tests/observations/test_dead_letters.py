"""What the dead letter topics of the sinks hold."""

import pytest

from cdcproof.findings import Finding, require_equal
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
