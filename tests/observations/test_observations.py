"""What follows from what was seen: services, lag, slots, tables, metrics, disks."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from cdcproof.clients.kafka.consumer_groups import Group, PartitionLag
from cdcproof.core.errors import CouldNotLookError
from cdcproof.databases.contracts.log import Slot
from cdcproof.databases.names import Column, TableName
from cdcproof.environments.base import FileSystem, ServiceState, Taken
from cdcproof.findings import Concern, Finding, require, require_at_most, require_below, require_equal, warn_if_any
from cdcproof.observations.databases.slots import Slots
from cdcproof.observations.dead_letters import DeadLetters
from cdcproof.observations.disks import Disks, OldFiles, size
from cdcproof.observations.lag.sink import SinkLag
from cdcproof.observations.reconciliation.metrics import MismatchMetrics
from cdcproof.observations.schema.columns import ColumnSets
from cdcproof.observations.schema.tables import TableSets
from cdcproof.observations.services import Services
from cdcproof.pipeline.model import Freshness
from tests.pipelines import pipeline_of

MEBIBYTE = 1024 * 1024


class TestServices:
    def state(self, name, *, up=True, healthy=None):
        return ServiceState(name, "kafka", up, healthy, "detail")

    def test_an_unhealthy_service_is_not_up(self):
        services = Services((self.state("a"), self.state("b", healthy=False)), ("a (kafka)", "b (kafka)"))

        assert services.verdicts() == {"a (kafka)": "up", "b (kafka)": "up, unhealthy"}
        assert services.failing() == ("b",)

    def test_a_service_the_environment_did_not_list_is_a_difference(self):
        services = Services((self.state("a"),), ("a (kafka)", "b (kafka)"))

        with pytest.raises(Finding, match=r"b \(kafka\): expected up, found absent"):
            require(services.observation())

    def test_a_log_that_cannot_be_read_is_said_so(self):
        def refuse(name):
            raise CouldNotLookError(f"no log of {name}")

        services = Services((self.state("a", up=False), self.state("b")), ())

        assert services.with_logs(refuse).logs == {"a": "not readable: no log of a"}


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


def slots_of(*seen, slot="cdc", readers=None, **source):
    pipeline = pipeline_of("orders", source_type="postgresql")
    return Slots(seen, pipeline.source.model_copy(update={"slot": slot, **source}), readers)


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


class TestSlots:
    own = Slot("cdc", True, "reserved", 0, "warehouse_source")

    def test_the_connectors_slot_must_exist(self):
        slots = slots_of()

        with pytest.raises(Finding, match="cdc: expected active, WAL reserved, found absent"):
            require_equal(slots.found(), slots.expected())

    def test_no_slot_at_all_is_a_finding_even_where_its_name_is_not_known(self):
        slots = slots_of(slot=None)
        with pytest.raises(Finding):
            require_equal(slots.found(), slots.expected())

    @pytest.mark.parametrize(
        "slot",
        [
            Slot("b", False, "reserved", 0, "warehouse_source"),
            Slot("b", True, "lost", 0, "warehouse_source"),
            Slot("b", False, "reserved", 0, "elsewhere"),
            Slot("b", False, "reserved", 0, ""),
        ],
    )
    def test_another_slot_counts_as_well(self, slot):
        assert slots_of(self.own, slot).failing() == (slot,)

    def test_a_slot_of_that_name_in_another_database_is_not_the_connectors(self):
        slot = Slot("cdc", True, "reserved", 0, "elsewhere")
        assert slots_of(slot).found() == {"cdc": "active, WAL reserved, of database elsewhere"}
        assert slots_of(slot).failing() == (slot,)

    def test_slots_that_others_look_after_and_our_own_for_a_scrub_may_rest_but_keep_their_log(self):
        resting = [Slot(name, False, "reserved", 0) for name in ("standby_1", "scrub")]
        accepted = {"other_slots": ("standby_*",), "scrub_slot": "scrub"}
        assert slots_of(self.own, *resting, **accepted).failing() == ()
        lost = Slot("scrub", False, "lost", 0)
        assert slots_of(self.own, lost, **accepted).failing() == (lost,)
        own = Slot("cdc", False, "reserved", 0, "warehouse_source")
        assert slots_of(own, other_slots=("*",)).failing() == (own,)

    @pytest.mark.parametrize(("wal", "fails"), [("reserved", False), ("extended", True), ("lost", True)])
    def test_the_slot_of_a_connector_that_does_not_run_must_keep_its_log_all_the_same(self, wal, fails):
        slot = Slot("cdc", False, wal, 0, "warehouse_source")
        slots = replace(slots_of(slot), unread=frozenset({"cdc"}))

        assert slots.failing() == ((slot,) if fails else ())
        assert (slots.found() == slots.expected()) is not fails

    def test_another_slot_is_not_excused_by_a_connector_that_does_not_run(self):
        forgotten = Slot("b", False, "reserved", 0, "warehouse_source")
        elsewhere = Slot("cdc", False, "reserved", 0, "elsewhere")

        assert replace(slots_of(self.own, forgotten), unread=frozenset({"cdc"})).failing() == (forgotten,)
        assert replace(slots_of(elsewhere), unread=frozenset({"cdc"})).failing() == (elsewhere,)

    def test_held_back_log_in_mebibytes(self):
        assert slots_of(Slot("a", True, "reserved", 3 * MEBIBYTE)).retained_mebibytes() == {"a": 3.0}


class TestTableSets:
    @pytest.fixture
    def sets(self):
        pipeline = pipeline_of("customers", "orders")

        def make(
            captured=("dbo.customers", "dbo.orders"),
            topics=("t.customers", "t.orders"),
            target=("public.customers", "public.orders"),
        ):
            return TableSets(
                pipeline, {TableName.parse(t) for t in captured}, topics, {TableName.parse(t) for t in target}
            )

        return make

    def test_the_same_everywhere(self, sets):
        assert sets().found() == sets().expected()
        assert sets().missing() == ()

    @pytest.mark.parametrize(
        ("place", "kwargs"),
        [
            ("orders: captured at the source", {"captured": ("dbo.customers",)}),
            ("orders: topic", {"topics": ("t.customers",)}),
            ("orders: target table", {"target": ("public.customers",)}),
        ],
    )
    def test_missing_at_one_place(self, sets, place, kwargs):
        found = sets(**kwargs)

        assert {k for k, v in found.found().items() if v != "present"} == {place}
        assert found.missing() == ("orders",)

    def test_captured_but_not_expected(self, sets):
        found = sets(captured=("dbo.customers", "dbo.orders", "dbo.secrets"))

        with pytest.raises(
            Finding, match=r"dbo\.secrets: captured at the source: expected not expected, found present"
        ):
            require_equal(found.found(), found.expected())

    def test_what_is_given_up_does_not_count_and_what_the_connector_passes_over_is_only_shown(self, sets):
        found = sets(captured=("dbo.customers", "dbo.orders", "dbo.old_prices", "dbo.orders_old"))
        source = found.pipeline.source.model_copy(update={"other_tables": ("dbo.old_*", "*.orders*")})
        accepting = replace(found, pipeline=found.pipeline.model_copy(update={"source": source}))
        assert accepting.found() == accepting.expected()
        assert [row["table"] for row in accepting.rows()] == ["customers", "orders", "dbo.old_prices", "dbo.orders_old"]
        # no pattern accepts that an expected table is missing
        assert replace(accepting, captured=set()).missing() == ("customers", "orders")

        beat = Freshness(source="dbo.cdcproof_heartbeat", target="public.cdcproof_heartbeat")
        beating = sets(captured=("dbo.customers", "dbo.orders", beat.source))
        assert beating.found() != beating.expected()
        known = replace(beating, pipeline=beating.pipeline.model_copy(update={"freshness": beat}))
        assert known.found() == known.expected()

        passed = replace(sets(), passed_over={TableName("dbo", "other")})
        assert passed.found() == passed.expected()
        assert passed.rows()[-1] == {"table": "dbo.other", "captured at the source": "passed over by the connector"}

    def test_more_tables_at_the_target_are_its_own_affair(self, sets):
        assert sets(target=("public.customers", "public.orders", "public.reports")).missing() == ()


class TestMismatchMetrics:
    NOW = 1_800_000_000.0

    def metrics(self, total, last_mismatch=0.0, last_match=0.0, contents=None, runs=None):
        contents = dict.fromkeys(total, 0.0) if contents is None else contents
        return MismatchMetrics(("t",), total, contents, {"t": last_mismatch}, {"t": last_match}, runs or {}, self.NOW)

    @pytest.mark.parametrize(("rows", "contents"), [({}, {"t": 0}), ({"t": 0}, {})])
    def test_an_absent_series_is_a_difference(self, rows, contents):
        metrics = self.metrics(rows, contents=contents)

        with pytest.raises(Finding, match="t: expected no standing mismatch, found absent"):
            require_equal(metrics.mismatches(), metrics.no_mismatches())

    @pytest.mark.parametrize("hours", [0.02, 30, 900])
    def test_a_mismatch_without_a_later_match_stands_however_old_it_is(self, hours):
        at = self.NOW - hours * 3600
        assert self.metrics({"t": 1}, at, at - 60).tables_not_matching() == ("t",)
        assert self.metrics({"t": 0}, at, at - 60, contents={"t": 1}).tables_not_matching() == ("t",)
        assert self.metrics({"t": 0}, at, at - 60).tables_not_matching() == ("t",), "counted or not"

    def test_a_recent_mismatch_with_a_later_match_is_a_concern(self):
        metrics = self.metrics({"t": 1}, self.NOW - 120, self.NOW - 60)

        assert metrics.tables_not_matching() == ()
        with pytest.raises(Concern):
            warn_if_any(metrics.passing_mismatches())

    def test_an_old_mismatch_that_was_resolved_is_history(self):
        metrics = self.metrics({"t": 7}, self.NOW - 90_000, self.NOW - 60)

        assert metrics.tables_not_matching() == ()
        assert metrics.passing_mismatches() == {}

    @pytest.mark.parametrize("total", [float("nan"), -1.0, float("inf")])
    def test_no_number_is_not_no_mismatch(self, total):
        assert self.metrics({"t": total}).tables_not_matching() == ("t",)
        assert self.metrics({"t": 0}, contents={"t": total}).tables_not_matching() == ("t",)

    @pytest.mark.parametrize("last_mismatch", [0.0, float("nan"), -1.0])
    def test_a_count_without_a_time_cannot_be_called_old(self, last_mismatch):
        metrics = self.metrics({"t": 2}, last_mismatch)

        assert metrics.tables_not_matching() == ("t",)
        assert metrics.rows()[0]["last mismatch"] is None

    def test_most_runs_not_looking_is_a_concern(self):
        assert self.metrics({"t": 0}, runs={"success": 3, "failure": 3}).failing_runs() == {}
        told = self.metrics({"t": 0}, runs={"success": 3, "failure": 50}).failing_runs()
        assert told == {"runs": "50 of 53 could not look at every table"}


class TestDisks:
    def test_inodes_are_judged_like_space(self):
        disks = Disks((FileSystem("/data", 10, 95, 1, 2),), None)

        with pytest.raises(Finding, match="/data inodes: expected below 80 % used, found 95 % used"):
            require_below(disks.used_percent(), 80, unit="% used")

    def test_a_file_system_without_inodes(self):
        assert Disks((FileSystem("/data", 10, None, 1, 2),), None).used_percent() == {"/data": 10}

    def test_what_the_clean_up_would_free(self):
        disks = Disks((), OldFiles(Path("/var/backups/cdc"), 7, 3, 5 * MEBIBYTE))

        assert disks.clean_up() == "3 files in /var/backups/cdc are older than 7 days: 5.0 MiB"

    def test_what_was_not_counted_to_the_end_is_told_as_at_least(self):
        taken = (Taken("big", 2 * MEBIBYTE, at_least=True), Taken("small", 1024))
        disks = Disks(
            (FileSystem("/data", 10, None, 1, 2, taken),), OldFiles(Path("/b"), 7, 3, MEBIBYTE, complete=False)
        )

        assert [row["size"] for row in disks.biggest()] == ["at least 2.0 MiB", "1.0 KiB"]
        assert disks.clean_up() == "at least 3 files in /b are older than 7 days: at least 1.0 MiB"

    @pytest.mark.parametrize(("count", "told"), [(0, "0 B"), (1536, "1.5 KiB"), (3 * 1024**4, "3.0 TiB")])
    def test_sizes(self, count, told):
        assert size(count) == told


class TestColumnSets:
    def sets(self, source, target, **table):
        [expected] = pipeline_of("orders").tables
        columns = [
            tuple(Column(n, "int", nullable=True, computed=n == "twice") for n in names) for names in (source, target)
        ]
        return ColumnSets([expected.model_copy(update=table)], {"orders": tuple(columns)})

    @pytest.mark.parametrize(
        ("source", "target", "table"),
        [
            (["id", "Name"], ["ID", "name", "more"], {}),
            (["id", "note"], ["id"], {"exclude": ("note",)}),
            (["id", "no"], ["id", "number"], {"rename": {"no": "number"}}),
            (["id", "twice"], ["id"], {}),
        ],
    )
    def test_columns_that_are_at_the_target_or_need_not_be(self, source, target, table):
        sets = self.sets(source, target, **table)
        assert sets.found() == sets.expected()

    def test_columns_that_the_target_lacks_are_named_with_the_line_that_accepts_them(self):
        sets = self.sets(["id", "note", "loyalty", "no"], ["id", "no"], exclude=("note",), rename={"no": "number"})
        assert sets.found() == {"orders": "not at the target: loyalty, no"}
        assert sets.details() == {"orders": 'exclude = ["note", "loyalty", "no"] in its [[tables]] would accept that'}

    def test_a_table_that_is_not_on_both_sides_is_not_judged_here(self):
        [orders, customers] = pipeline_of("orders", "customers").tables
        both = (Column("id", "int", nullable=False),)
        sets = ColumnSets([orders, customers], {"orders": (both, both)})
        assert sets.found() == sets.expected() == {"orders": "every column at the target"}
        assert sets.rows()[-1] == {"table": "customers", "not seen": "it is not on both sides"}
        require(sets.observation())

    def test_where_no_table_is_on_both_sides_nothing_was_compared(self):
        with pytest.raises(CouldNotLookError, match="so no columns could be compared"):
            require(ColumnSets(pipeline_of("orders").tables, {}).observation())
