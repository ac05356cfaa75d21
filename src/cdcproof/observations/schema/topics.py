"""Topics that the pipeline writes, reads and remembers by: whether they take what is produced, and keep what must be kept."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cdcproof.clients.kafka.topic_states import TopicState, partition_ids
from cdcproof.findings import Observation

IN_ORDER = "in order"
_OF_CONNECT = re.compile(r"[\w-]*connect[\w-]*[-_](offsets?|configs?|configurations?|status(es)?)", re.IGNORECASE)
"""How Connect's own topics are called: which ones they are it does not say."""
_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_YEARS_MS = 5 * 365 * 86_400_000
"""What Debezium itself demands of a history topic at the least."""
_COMPACTED = {"cleanup.policy": "compact"}


def connects_own(topics: Iterable[str]) -> frozenset[str]:
    """Topics in which Connect keeps offsets, configurations and states, by their names."""
    return frozenset(topic for topic in topics if _OF_CONNECT.fullmatch(topic))


@dataclass(frozen=True)
class Topics:
    """The topics seen. `history` are those of schema history, `own` those of Connect; a history topic may be absent.

    `unnamed` is connector to why its topics of schema history or dead letters are not known; `""` stands for all connectors.
    """

    seen: tuple[TopicState, ...]
    history: Collection[str] = ()
    own: Collection[str] = ()
    unnamed: Mapping[str, str] = field(default_factory=dict)

    def observation(self) -> Observation:
        """Every topic is in order, and it is known which ones there are; missing replicas are a concern."""
        return Observation(
            self.found(),
            self.expected(),
            self.details(),
            concerns=self.under_replicated(),
            no_concern="all replicas in sync",
            unknown=self.unknown(),
        )

    def expected(self) -> dict[str, str]:
        """Every topic is in order."""
        return dict.fromkeys(self.found(), IN_ORDER)

    def found(self) -> dict[str, str]:
        """Topic to ``in order`` or all that is wrong with it."""
        found = {topic.name: "; ".join(self._wrong(topic)) or IN_ORDER for topic in self.seen}
        return found | {name: "absent" for name in sorted(self.history) if name not in found}

    def details(self) -> dict[str, str]:
        """Topic to what follows."""
        why = {}
        for topic in self.seen:
            if not all(topic.takes_records(p) for p in topic.partitions):
                why[topic.name] = "producers wait: changes stay in the connector, which is RUNNING"
            elif topic.name in self.history:
                why[topic.name] = "the source connector cannot start again without its schema history"
            elif topic.name in self.own:
                why[topic.name] = "positions, configurations or states are forgotten after a while"
        return why

    def under_replicated(self) -> dict[str, str]:
        """Topic to partitions that miss replicas, and still take records."""
        found = {}
        for topic in self.seen:
            behind = [p for p in topic.partitions if p.in_sync < p.replicas and topic.takes_records(p)]
            if behind:
                found[topic.name] = (
                    f"{partition_ids(behind)}: {behind[0].in_sync} of {behind[0].replicas} replicas in sync"
                )
        return found

    def unknown(self) -> dict[str, str]:
        """Why Connect could not say which topics of schema history and of dead letters there are."""
        seen = "All topics that were seen are in order; which ones hold schema history and dead letters is not known."
        return {f"{seen} {self.unnamed['']}": ""} if "" in self.unnamed else {}

    def changes(self) -> dict[str, dict[str, str]]:
        """Topic to the settings that would be right."""
        found: dict[str, dict[str, str]] = {}
        for topic in self.seen:
            wrong = {key: right for key, right in self._settings(topic.name).items() if _differs(topic, key, right)}
            most = max((p.replicas for p in topic.partitions), default=topic.least_in_sync)
            if most < topic.least_in_sync:
                wrong["min.insync.replicas"] = str(most)
            if wrong:
                found[topic.name] = wrong
        return found

    def rows(self) -> list[dict[str, object]]:
        """One row per topic, for the report."""
        keys = ("cleanup.policy", "retention.ms", "min.insync.replicas")
        seen: list[dict[str, object]] = [
            {
                "topic": t.name,
                "partitions": len(t.partitions),
                "replicas in sync": min((p.in_sync for p in t.partitions), default=None),
                **{key: t.settings.get(key) for key in keys},
                "found": self.found()[t.name],
            }
            for t in self.seen
        ]
        return seen + [
            {"topic": f"of {name or 'every connector'}", "found": f"not seen: {why}"}
            for name, why in self.unnamed.items()
        ]

    def _settings(self, name: str) -> Mapping[str, str]:
        return _FOR_EVER if name in self.history else _COMPACTED if name in self.own else {}

    def _wrong(self, topic: TopicState) -> list[str]:
        wrong = topic.why_records_wait()
        wrong += [
            f"{key} is {topic.settings.get(key)}, not {right}"
            for key, right in self._settings(topic.name).items()
            if _differs(topic, key, right)
        ]
        if topic.name in self.history:
            if len(topic.partitions) != 1:
                wrong.append(f"{len(topic.partitions)} partitions, not 1")
            if cut := [p for p in topic.partitions if p.log_start]:
                wrong.append(f"{cut[0].log_start:,} records of its beginning are deleted")
        return wrong


def _differs(topic: TopicState, key: str, right: str) -> bool:
    """Whether a setting that is known is not what it must be. Debezium makes its history with the longest time there is."""
    setting = topic.settings.get(key, right).replace(" ", "")
    if key == "retention.ms" and setting.isdigit() and int(setting) >= _YEARS_MS:
        return False
    return setting != right
