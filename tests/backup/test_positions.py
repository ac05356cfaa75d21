"""The decision about positions: every combination of what is known, and none of them skips in silence."""

from __future__ import annotations

from itertools import product

import pytest

from cdcproof.backup.parts.positions import Decision, Facts, SinkPlace, SinkStep, SourceStep, decide

KEPT = {("t", 0): SinkPlace(saved=10, saved_end=12, start=0, end=50)}
CUT = {("t", 0): SinkPlace(saved=10, saved_end=12, start=11, end=50)}
REMADE = {("t", 0): SinkPlace(saved=10, saved_end=12, start=0, end=11)}
GONE = "the replication slot is gone"
PLACES = {"kept": KEPT, "cut": CUT, "remade": REMADE, "unknown": None, "none": {}}

TABLE = {
    "both": (Facts(source=True, target=True), SourceStep.RESET, SinkStep.TO_ENDS),
    "source": (Facts(source=True, target=False), SourceStep.RESET, SinkStep.KEEP),
    "target, topics kept": (Facts(source=False, target=True, places=KEPT), SourceStep.KEEP, SinkStep.REWIND),
    "target, topics kept, log gone": (
        Facts(source=False, target=True, places=KEPT, log_kept=GONE, same_source=False),
        SourceStep.KEEP,
        SinkStep.REWIND,
    ),
    "target, topics cut, log kept": (Facts(source=False, target=True, places=CUT), SourceStep.SET, SinkStep.KEEP),
    "target, topics remade": (Facts(source=False, target=True, places=REMADE), SourceStep.SET, SinkStep.KEEP),
    "target, both gone": (
        Facts(source=False, target=True, places=CUT, log_kept=GONE),
        SourceStep.RESET,
        SinkStep.KEEP,
    ),
    "target, another source": (
        Facts(source=False, target=True, places=CUT, same_source=False),
        SourceStep.RESET,
        SinkStep.KEEP,
    ),
    "connectors lost, log kept": (
        Facts(source=False, target=False, places=KEPT, lost_connectors=True),
        SourceStep.SET,
        SinkStep.KEEP,
    ),
    "connectors and topics lost, log kept": (
        Facts(source=False, target=False, places=REMADE, lost_connectors=True),
        SourceStep.SET,
        SinkStep.RESET,
    ),
    "connectors lost, log gone": (
        Facts(source=False, target=False, places=KEPT, lost_connectors=True, log_kept=GONE),
        SourceStep.RESET,
        SinkStep.KEEP,
    ),
    "connectors lost, source restored": (
        Facts(source=False, target=False, places=KEPT, lost_connectors=True, same_source=False),
        SourceStep.RESET,
        SinkStep.KEEP,
    ),
    "nothing": (Facts(source=False, target=False, places=KEPT), SourceStep.KEEP, SinkStep.KEEP),
}


@pytest.mark.parametrize("case", TABLE)
def test_the_table(case: str) -> None:
    facts, source, sink = TABLE[case]
    decision = decide(facts)
    assert (decision.source, decision.sink, decision.start) == (source, sink, True)
    assert decision.why


def every_case() -> list[tuple[Facts, Decision]]:
    flags = (False, True)
    found = []
    for source, target, same, log, places, again, lost in product(
        flags, flags, flags, ("", GONE), PLACES.values(), flags, flags
    ):
        facts = Facts(source, target, same, log, places, again, lost)
        found.append((facts, decide(facts)))
    return found


def test_a_position_never_outlives_a_restore_of_its_source() -> None:
    for facts, decision in every_case():
        if facts.source:
            assert decision.source is SourceStep.RESET
        if decision.source is SourceStep.SET:
            assert facts.same_source
            assert not facts.log_kept


def test_what_a_restored_target_lacks_is_delivered_again() -> None:
    for facts, decision in every_case():
        if facts.target and not facts.source:
            assert decision.sink is SinkStep.REWIND or decision.source is not SourceStep.KEEP
        if decision.sink is SinkStep.REWIND:
            assert facts.places
            assert all(place.start <= place.saved <= place.end for place in facts.places.values())


def test_a_connector_that_was_lost_keeps_no_position() -> None:
    for facts, decision in every_case():
        if facts.lost_connectors:
            assert decision.source is not SourceStep.KEEP
            if facts.places is REMADE:
                assert decision.sink is not SinkStep.KEEP


def test_a_sink_that_only_inserts_is_started_by_a_person() -> None:
    for facts, decision in every_case():
        assert decision.start is (facts.writes_again or not decision.replays)


def test_events_are_only_passed_over_where_their_source_is_gone_too() -> None:
    for facts, decision in every_case():
        if decision.sink is SinkStep.TO_ENDS:
            assert facts.source
            assert facts.target
            assert decision.takes_snapshot
            assert decision.lost
