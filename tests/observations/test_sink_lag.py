"""What the groups of the sinks and their positions say."""

import math

import pytest

from cdcproof.clients.kafka.consumer_groups import Group, PartitionLag
from cdcproof.findings import Finding, require_at_most, require_equal
from cdcproof.observations.lag.sink import SinkLag


class TestSinkLag:
    def lag(self, *partitions, group=None):
        group = group or Group("connect-sink", "STABLE", 1)
        return SinkLag((group,), {group.name: partitions})

    def test_a_group_that_keeps_up(self):
        lag = self.lag(PartitionLag("t", 0, 10, 0, 10, 0.0))

        assert lag.groups() == lag.expected_groups()
        assert lag.records() == {"connect-sink": 0}
        assert lag.seconds() == {"connect-sink": 0}

    @pytest.mark.parametrize(
        ("group", "word"),
        [
            (Group("g", "DEAD", 0), "absent"),
            (Group("g", "EMPTY", 0), "empty, 0 members"),
            (Group("g", "STABLE", 0), "stable, 0 members"),
            (Group("g", "PREPARING_REBALANCING", 1), "consuming"),
        ],
    )
    def test_the_word_for_a_group(self, group, word):
        assert self.lag(group=group).groups() == {"g": word}

    def test_records_that_retention_deleted_unread(self):
        lag = self.lag(PartitionLag("t", 0, 10, 25, 40, 1.0))

        assert lag.lost_records() == {"connect-sink": "15 records deleted unread"}

    def test_an_age_that_could_not_be_read_is_over_any_limit(self):
        for order in (1, -1):
            partitions = [PartitionLag("a", 0, 1, 0, 1, 3.0), PartitionLag("b", 0, 0, 0, 1, None)][::order]
            assert math.isnan(self.lag(*partitions).seconds()["connect-sink"])
            with pytest.raises(Finding, match="no number"):
                require_at_most(self.lag(*partitions).seconds(), 1e9, unit="s")

    def test_a_record_dated_into_the_future_has_no_age(self):
        """A producer's clock is an hour ahead: its records hide how long the sink stands still."""
        late, ahead = PartitionLag("a", 0, 1, 0, 5, 40.0), PartitionLag("b", 0, 0, 0, 1, -3600.0)
        for partitions in ((late, ahead), (ahead, late), (ahead,)):
            assert math.isnan(self.lag(*partitions).seconds()["connect-sink"])
        assert "the next record of b/0 is dated 3,600 s into the future" in self.lag(ahead).details()["connect-sink"]
        near = self.lag(PartitionLag("b", 0, 0, 0, 1, -30.0))
        assert (near.seconds(), near.details()) == ({"connect-sink": -30.0}, {})

    def test_a_group_without_partitions_measures_nothing(self):
        with pytest.raises(Finding, match="nothing was measured"):
            require_at_most(self.lag().records(), 10, unit="records")

    @pytest.mark.parametrize("group", [Group("g", "DEAD", 0), Group("g", "EMPTY", 0)])
    def test_a_sink_that_does_not_run_need_not_consume_but_must_not_lose(self, group):
        lag = SinkLag((group,), {"g": (PartitionLag("t", 0, 10, 25, 40, 900.0),)}, idle={"g": "sink is PAUSED"})

        require_equal(lag.groups(), lag.expected_groups())
        assert lag.lost_records() != lag.no_lost_records()
        assert (lag.records(), lag.seconds()) == ({"g": 30.0}, {"g": 900.0})

    def test_a_group_that_has_nothing_to_read_is_a_difference_beside_one_that_has(self):
        busy, idle = Group("busy", "STABLE", 1), Group("idle", "STABLE", 1)
        lag = SinkLag((busy, idle), {"busy": (PartitionLag("t", 0, 10, 0, 10, 0.0),), "idle": ()})

        with pytest.raises(Finding, match="idle: expected nothing lost, found no topic to read"):
            require_equal(lag.lost_records(), lag.no_lost_records())
