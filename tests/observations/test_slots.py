"""What the replication slots of a PostgreSQL source say."""

from dataclasses import replace

import pytest

from cdcproof.databases.contracts.log import Slot
from cdcproof.findings import Finding, require_equal
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
