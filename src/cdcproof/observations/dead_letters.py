"""What the sinks put aside instead of writing it at the target."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from cdcproof.clients.kafka.consumer_groups import Place
from cdcproof.clients.kafka.topic_states import TopicState
from cdcproof.findings import Observation

_NONE = "no records"
_LIMITS = ("retention.ms", "retention.bytes")
_HANDLE = (
    "Reconcile with --validate-checksums and repair what it names. Then `cdcproof connectors dlq {} --clear` notes that they were handled. "
    "retention.ms=-1 and retention.bytes=-1 of the topic keep the next ones."
)


@dataclass(frozen=True)
class Expired:
    """Records that a topic had and no longer has, and the settings that delete records."""

    records: int
    limits: str

    def words(self, topic: str) -> str:
        """``3 records that are no longer in dlq (retention.ms=604800000)``."""
        one = self.records == 1
        return f"{self.records:,} record{' that is' if one else 's that are'} no longer in {topic} ({self.limits})"


def expired(state: TopicState, handled: Mapping[Place, int], ends: Mapping[Place, int]) -> Expired | None:
    """What retention may have deleted of a topic before anybody handled it; None where it has deleted nothing, or keeps all.

    Where more was handled than the topic has, it was made anew since: that counts for nothing.
    """
    records = 0
    for partition in state.partitions:
        place = state.name, partition.id
        known = handled.get(place, 0)
        records += max(0, partition.log_start - (known if known <= ends.get(place, 0) else 0))
    limits = [f"{key}={value}" for key in _LIMITS if (value := state.settings.get(key, "-1")) != "-1"]
    return Expired(records, ", ".join(limits)) if records and limits else None


@dataclass(frozen=True)
class DeadLetters:
    """The dead letter topic of every sink, empty for one that has none, and the records that each topic keeps.

    `unnamed` is sink to why its topic is not known.
    """

    topics: Mapping[str, str]
    kept: Mapping[str, int]
    """A topic that is not there yet keeps none: Connect makes it with its first record."""
    unnamed: Mapping[str, str] = field(default_factory=dict)
    expired: Mapping[str, Expired] = field(default_factory=dict)
    """Topic to the records that it no longer has, though nobody is known to have handled them."""

    def observation(self) -> Observation:
        """No topic has a record, none lost one that nobody handled, and the topic of every sink is known."""
        return Observation(self.found(), self.expected(), unknown=self.unknown())

    def expected(self) -> dict[str, str]:
        """No topic has a record."""
        return {subject: _NONE if topic else words for subject, (topic, words) in self._words().items()}

    def found(self) -> dict[str, str]:
        """Sink and topic to what is in it."""
        return {subject: words for subject, (_, words) in self._words().items()}

    def unknown(self) -> dict[str, str]:
        """Whether it is not known in which topic a sink puts records aside, or whether those that are gone were handled."""
        unnamed = "; ".join(f"{sink}: {words}" for sink, words in self.unnamed.items())
        found = {f"It is not known where every sink puts records aside. {unnamed}.": ""} if unnamed else {}
        for sink, topic in self.topics.items():
            if gone := self.expired.get(topic):
                found[f"It is not known whether anybody handled {gone.words(topic)} of {sink}."] = _HANDLE.format(
                    shlex.quote(sink)
                )
        return found

    def sinks(self) -> tuple[str, ...]:
        """Sinks whose topic has records."""
        return tuple(sink for sink, topic in self.topics.items() if topic and self.kept.get(topic))

    def rows(self) -> list[dict[str, object]]:
        """One row per sink, for the report."""
        kept: list[dict[str, object]] = [
            {"sink": sink, "dead letter topic": topic or "none", "records": self.kept.get(topic, 0) if topic else None}
            for sink, topic in self.topics.items()
        ]
        return kept + [
            {"sink": sink, "dead letter topic": f"not seen: {words}"} for sink, words in self.unnamed.items()
        ]

    def _words(self) -> dict[str, tuple[str, str]]:
        """Subject to the topic, and to what is in it."""
        found = {}
        for sink, topic in self.topics.items():
            count = self.kept.get(topic, 0)
            words = f"{count:,} {'record' if count == 1 else 'records'}" if count else _NONE
            found[f"{topic} of {sink}" if topic else sink] = (topic, words if topic else "no dead letter topic")
        return found
