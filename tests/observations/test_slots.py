"""What the replication slots of a PostgreSQL source say."""

from dataclasses import replace

import pytest

from cdcproof.databases.contracts.log import Slot
from cdcproof.findings import Finding, Limit, Observation, require_equal
from cdcproof.observations.databases.slots import Slots
from tests.pipelines import pipeline_of

MEBIBYTE = 1024 * 1024


def slots_of(*seen, slot="cdc", readers=None, **source):
    pipeline = pipeline_of("orders", source_type="postgresql")
    return Slots(seen, pipeline.source.model_copy(update={"slot": slot, **source}), readers)


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

    def test_every_slot_must_be_read_and_hold_back_no_more_than_it_may(self):
        physical = Slot("standby", False, "extended", 2_048 * MEBIBYTE)
        assert slots_of(self.own, physical).observation(1_024) == Observation(
            {"cdc": "active, WAL reserved", "standby": "inactive, WAL extended"},
            {"cdc": "active, WAL reserved", "standby": "active, WAL reserved"},
            {
                "cdc": "of database warehouse_source, holds back 0.0 MiB of WAL",
                "standby": "physical, holds back 2,048.0 MiB of WAL",
            },
            then=(Observation({"cdc": 0.0, "standby": 2_048.0}, Limit("at most", 1_024, "MiB of WAL")),),
        )
        assert slots_of(slot=None).expected() == {"a slot of the source connector": "active, WAL reserved"}

    def test_the_reader_of_a_slot(self):
        other = Slot("b", True, "reserved", 0)
        readers = {"cdc": "source-connector", "b": "another"}
        assert [slots_of(readers=readers).reader(one) for one in (self.own, other)] == ["source-connector", "another"]
        assert [slots_of(readers={}).reader(one) for one in (self.own, other)] == [
            "the pipeline's source connector",
            "",
        ]
        assert [slots_of().reader(one) for one in (self.own, other)] == ["the pipeline's source connector", None]

    def test_a_slot_that_a_connector_reads_may_be_on_the_way(self):
        away, forgotten = Slot("b", False, "reserved", 0), Slot("c", False, "reserved", 0)
        assert slots_of(self.own, away, forgotten, readers={"b": "another"}).is_on_the_way
        assert not slots_of(self.own, forgotten, readers={"b": "another"}).is_on_the_way

    def test_the_report_has_a_row_for_each_slot(self):
        physical = Slot("standby", False, "extended", 3 * MEBIBYTE // 2)
        assert slots_of(self.own, physical).rows() == [
            {"slot": "cdc", "of": "of database warehouse_source", "active": "yes", "WAL": "reserved", "held back": "0.0 MiB"},
            {"slot": "standby", "of": "physical", "active": "no", "WAL": "extended", "held back": "1.5 MiB"},
        ]  # fmt: skip
        assert slots_of().rows() == [{"slot": "none", "active": None, "WAL": None, "held back": None}]
