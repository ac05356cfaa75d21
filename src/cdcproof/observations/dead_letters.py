"""What the sinks put aside instead of writing it at the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cdcproof.findings import Observation

_NONE = "no records"


@dataclass(frozen=True)
class DeadLetters:
    """The dead letter topic of every sink, empty for one that has none, and the records that each topic keeps.

    `unnamed` is sink to why its topic is not known.
    """

    topics: Mapping[str, str]
    kept: Mapping[str, int]
    """A topic that is not there yet keeps none: Connect makes it with its first record."""
    unnamed: Mapping[str, str] = field(default_factory=dict)

    def observation(self) -> Observation:
        """No topic has a record, and the topic of every sink is known."""
        return Observation(self.found(), self.expected(), unknown=self.unknown())

    def expected(self) -> dict[str, str]:
        """No topic has a record."""
        return {subject: _NONE if topic else words for subject, (topic, words) in self._words().items()}

    def found(self) -> dict[str, str]:
        """Sink and topic to what is in it."""
        return {subject: words for subject, (_, words) in self._words().items()}

    def unknown(self) -> dict[str, str]:
        """Whether it is not known in which topic a sink puts records aside."""
        why = "; ".join(f"{sink}: {words}" for sink, words in self.unnamed.items())
        return {f"It is not known where every sink puts records aside. {why}.": ""} if why else {}

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
