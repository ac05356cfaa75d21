"""What the groups of the sinks and their positions say."""

import math
from dataclasses import replace

import pytest

from cdcproof.clients.kafka.consumer_groups import Group, PartitionLag
from cdcproof.findings import Finding, Limit, Observation, require, require_at_most, require_equal
from cdcproof.observations.lag.sink import SinkLag
from cdcproof.pipeline.model import Thresholds


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
            # states of KIP-848, as a client names them that knows them, and one that does not
            (Group("g", "ASSIGNING", 1), "consuming"),
            (Group("g", "RECONCILING", 2), "consuming"),
            (Group("g", "UNKNOWN", 1), "consuming"),
            (Group("g", "UNKNOWN", 0), "unknown, 0 members"),
        ],
    )
    def test_the_word_for_a_group(self, group, word):
        assert self.lag(group=group).groups() == {"g": word}

    def test_a_group_that_was_looked_at_in_another_cluster_than_its_sinks(self):
        """All else that was seen is of the wrong Kafka: also where it is right, nothing is behind, and the sink does not run."""
        right = self.lag(PartitionLag("t", 0, 10, 0, 10, 0.0))
        wrong = replace(right, cluster="A", clusters={"connect-sink": "B"}, idle={"connect-sink": "sink is PAUSED"})

        with pytest.raises(Finding) as raised:
            require(wrong.observation(Thresholds()))

        [difference] = raised.value.differences
        assert (difference.subject, difference.found, difference.expected) == (
            "connect-sink",
            "looked at in the cluster A",
            "read by its sink in the cluster B",
        )
        assert difference.detail == "the pipeline file names another Kafka than that of Kafka Connect"
        [action] = raised.value.action
        assert action.startswith("# correct kafka.bootstrap_servers or connect.url in the pipeline file")
        for same in (replace(wrong, cluster="B", idle={}), replace(wrong, cluster="", idle={}), right):
            require(same.observation(Thresholds()))

    def test_records_that_retention_deleted_unread(self):
        lag = self.lag(PartitionLag("t", 0, 10, 25, 40, 1.0))

        assert lag.lost_records() == {"connect-sink": "15 records deleted unread"}

    def test_a_topic_that_ends_before_where_it_was_read_to(self):
        """It was made anew, or lost its end with its broker: no lag is seen, and what comes next may be passed over."""
        lag = self.lag(PartitionLag("t", 0, 10, 0, 4, 0.0), PartitionLag("t", 1, 9, 0, 9, 0.0))

        assert lag.records() == {"connect-sink": 0}
        assert lag.lost_records() == {"connect-sink": "t/0 ends at 4, before 10, to which it was read"}
        both = self.lag(PartitionLag("t", 0, 10, 25, 40, 1.0), PartitionLag("t", 1, 1_010, 0, 1_004, 0.0))
        assert both.lost_records() == {
            "connect-sink": "15 records deleted unread; t/1 ends at 1,004, before 1,010, to which it was read"
        }

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

    def test_groups_then_losses_then_records_then_seconds_are_judged_each_by_its_limit(self):
        limits = Thresholds(lag_records=100, lag_seconds=60)
        put_aside = {"connect-sink": "2 records are in dlq"}
        late = replace(self.lag(PartitionLag("t", 0, 10, 25, 1_040, 61.0)), aside=put_aside)
        gone = self.lag(PartitionLag("t", 0, 0, 0, 101, 61.0), group=Group("connect-sink", "EMPTY", 0))

        assert late.observation(limits) == Observation(
            {"connect-sink": "consuming"},
            {"connect-sink": "consuming"},
            then=(
                Observation({"connect-sink": "15 records deleted unread"}, {"connect-sink": "nothing lost"}),
                Observation({"connect-sink": 1_030.0}, Limit("at most", 100, "records behind"), put_aside),
                Observation({"connect-sink": 61.0}, Limit("at most", 60, "s behind"), put_aside),
            ),
        )
        with pytest.raises(Finding, match=r"^connect-sink: expected consuming, found empty, 0 members$"):
            require(gone.observation(limits))
        require(self.lag(PartitionLag("t", 0, 0, 0, 100, 60.0)).observation(limits))

    def test_what_was_put_aside_and_each_record_of_the_future_are_said_of_their_own_group(self):
        ahead = (PartitionLag("a", 0, 0, 0, 1, -61.0), PartitionLag("b", 3, 0, 0, 1, -7_200.4))
        groups = (Group("g", "STABLE", 1), Group("h", "STABLE", 1), Group("i", "STABLE", 1))
        aside = {"g": "1 record is in dlq", "h": "4 records are in dlq"}
        lag = SinkLag(groups, {"g": ahead, "h": (), "i": (PartitionLag("c", 0, 0, 0, 1, -60.0),)}, aside=aside)

        hosts = "compare `date` on the hosts of Connect, Kafka and this one"
        assert lag.details() == {
            "g": f"1 record is in dlq; the next record of a/0 is dated 61 s into the future: {hosts}, "
            f"the next record of b/3 is dated 7,200 s into the future: {hosts}",
            "h": "4 records are in dlq",
        }
        assert lag.seconds()["i"] == -60.0, "just as far as clocks may differ"

    def test_the_report_has_a_row_for_each_partition(self):
        groups = (Group("g", "STABLE", 2), Group("h", "EMPTY", 0))
        read = (PartitionLag("t", 0, 10, 0, 15, 2.26), PartitionLag("t", 1, 10, 0, 15, None))
        lag = SinkLag(groups, {"g": read}, aside={"g": "1 record is in dlq"})

        of_group = {"group": "g", "state": "consuming", "put aside": "1 record is in dlq", "records behind": 5}
        assert lag.rows() == [
            {**of_group, "topic": "t/0", "s behind": "2.3"},
            {**of_group, "topic": "t/1", "s behind": None},
        ]
        assert replace(lag, partitions={}).rows() == [
            {"group": "g", "state": "consuming"},
            {"group": "h", "state": "empty, 0 members"},
        ]
