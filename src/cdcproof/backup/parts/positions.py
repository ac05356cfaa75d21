"""What becomes of the connectors' positions after a restore, and why. The judgement alone.

A position means a place in one history of the source's log. A source that is restored begins another history in which the same number may
stand for something else, or for nothing yet: Debezium then runs, and sends nothing until the log has grown past it, which no state shows.
So a position outlives a restore of the source never. A target that is restored lacks what was written since, which is
delivered again from where it still lies: the topics, the source's log, or the source's tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from cdcproof.clients.kafka.consumer_groups import Place


class SourceStep(StrEnum):
    """What is done with the source connector's position."""

    KEEP = "keep its position"
    SET = "set it to its position in the backup"
    RESET = "forget its position, so that it begins with a new snapshot"


class SinkStep(StrEnum):
    """What is done with the sink's positions."""

    KEEP = "keep its positions"
    REWIND = "set it back to its positions in the backup"
    TO_ENDS = "set it to the ends of the topics, so that events of the lost future are not written"
    RESET = "forget its positions, so that it reads the topics from their beginning"


@dataclass(frozen=True)
class SinkPlace:
    """A partition: where the sink was at the backup, where the log ended then, and what the log keeps now."""

    saved: int
    saved_end: int
    start: int
    end: int


@dataclass(frozen=True)
class Facts:
    """What is known before the restore. `source` and `target`: whether it is restored now.

    `same_source`: the source is the database that was backed up, in the same history. `log_kept`: why the source's log
    does not hold what follows the saved position, or why that is not known; empty where it does. `places` are the sink's partitions; None where its
    saved positions, or the topics, are not known. `writes_again`: writing a row again changes nothing (an upsert by key).
    `lost_connectors`: Connect has lost them, and their positions with them.
    """

    source: bool
    target: bool
    same_source: bool = True
    log_kept: str = ""
    places: Mapping[Place, SinkPlace] | None = field(default_factory=dict)
    writes_again: bool = True
    lost_connectors: bool = False


@dataclass(frozen=True)
class Decision:
    """What to do, in this order: source, sink. `why` explains it, `lost` says what does not come back. `start` is False where a person must decide."""

    source: SourceStep
    sink: SinkStep
    why: str
    lost: str = ""
    start: bool = True

    @property
    def takes_snapshot(self) -> bool:
        """Whether the source's tables are read again."""
        return self.source is SourceStep.RESET

    @property
    def replays(self) -> bool:
        """Whether anything is written to the target a second time."""
        return self.takes_snapshot or self.source is SourceStep.SET or self.sink in (SinkStep.REWIND, SinkStep.RESET)


_EXTRA = "A snapshot deletes nothing: rows of the target that the source no longer has stay, until `cdcproof reconcile repair` deletes them."
_SINCE = "What was written to the source since the backup"


def decide(facts: Facts) -> Decision:
    """The decision for these facts. None of its outcomes skips an event in silence."""
    decision = _of_lost_connectors(facts, _decided(facts)) if facts.lost_connectors else _decided(facts)
    if decision.replays and not facts.writes_again:
        return Decision(
            decision.source,
            decision.sink,
            f"{decision.why} The sink only inserts, so what is delivered again would fail or double rows.",
            decision.lost,
            start=False,
        )
    return decision


def _decided(facts: Facts) -> Decision:
    if facts.source and facts.target:
        return Decision(
            SourceStep.RESET,
            SinkStep.TO_ENDS,
            "Both databases go back, the target to a moment just before the source's, and the topics hold events from after both. "
            f"The source's positions are of a history that is gone: its tables are read again. {_EXTRA}",
            f"{_SINCE} is lost on both sides.",
        )
    if facts.source:
        return Decision(
            SourceStep.RESET,
            SinkStep.KEEP,
            "The source goes back, so its positions are of a history that is gone: a connector would wait for a log that has yet to grow to them. "
            f"The target has rows of that history. {_EXTRA}",
            f"{_SINCE} is lost there; the target still has it.",
        )
    if facts.target:
        return _target_alone(facts)
    return _connectors_alone(facts)


def _of_lost_connectors(facts: Facts, decision: Decision) -> Decision:
    """With the connectors their positions are lost, so that none can be kept; and topics that were made anew are read from their beginning."""
    source, sink, why = decision.source, decision.sink, decision.why
    if source is SourceStep.KEEP:
        kept = facts.same_source and not facts.log_kept
        source = SourceStep.SET if kept else SourceStep.RESET
        why += " Connect has lost the source's position." + ("" if kept else f" {_EXTRA}")
    if sink is SinkStep.KEEP and (remade := _remade(facts.places)):
        sink = SinkStep.RESET
        why += f" The topics were made anew ({remade})."
    return replace(decision, source=source, sink=sink, why=why)


def _target_alone(facts: Facts) -> Decision:
    missing = _not_in_topics(facts.places)
    if not missing:
        return Decision(
            SourceStep.KEEP,
            SinkStep.REWIND,
            f"{_SINCE} lies in the topics from the sink's saved positions on, in order: it is written again by key.",
        )
    if facts.same_source and not facts.log_kept:
        return Decision(
            SourceStep.SET,
            SinkStep.KEEP,
            f"The topics do not hold everything since the backup ({missing}), and the source's log does: it is read again from the saved position.",
        )
    why_not = facts.log_kept or "the source is another database than the one that was backed up, or was restored since"
    return Decision(
        SourceStep.RESET,
        SinkStep.KEEP,
        f"Neither the topics ({missing}) nor the source's log ({why_not}) hold everything since the backup: the tables are read again. {_EXTRA}",
    )


def _connectors_alone(facts: Facts) -> Decision:
    if not facts.lost_connectors:
        return Decision(SourceStep.KEEP, SinkStep.KEEP, "Nothing is restored that a position depends on.")
    if facts.same_source and not facts.log_kept:
        why = "The source is in the same history, and its log holds everything since the saved position: it is read again from there."
        return Decision(SourceStep.SET, SinkStep.KEEP, why)
    why_not = facts.log_kept or "the source is another database than the one that was backed up, or was restored since"
    why = f"The source's log cannot be read from the saved position ({why_not}): the tables are read again. {_EXTRA}"
    return Decision(SourceStep.RESET, SinkStep.KEEP, why)


def _not_in_topics(places: Mapping[Place, SinkPlace] | None) -> str:
    """Why the topics do not hold everything from the saved positions on; empty where they do."""
    if places is None:
        return "the sink's saved positions, or the topics, are not known"
    if remade := _remade(places):
        return remade
    for (topic, partition), place in sorted(places.items()):
        if place.start > place.saved:
            return f"{topic}/{partition} begins at {place.start:,}, after {place.saved:,}"
    return "" if places else "the backup has no positions of the sink"


def _remade(places: Mapping[Place, SinkPlace] | None) -> str:
    """Which topic is not the one of the backup: a log only grows."""
    for (topic, partition), place in sorted((places or {}).items()):
        if place.end < max(place.saved_end, place.saved):
            return f"{topic}/{partition} ends at {place.end:,}, and ended at {max(place.saved_end, place.saved):,} when it was backed up"
    return ""
