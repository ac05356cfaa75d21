"""The two hops of the fence by position: one observation of each. `position_fence` explains why two hops are enough."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from cdcproof.clients.connect.client import Connect, Connector, ConnectorStates, Offset, root_cause
from cdcproof.clients.connect.states import is_of_today
from cdcproof.clients.connect.transforms import drops_tombstones
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.consumer_groups import Place, Positions
from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.names import TableName
from cdcproof.databases.table_read import LogPosition
from cdcproof.reconcile.in_flight.dead_letters import in_dead_letter_topics

QUIET_SECONDS = 10.0
_MADE_ANEW = (
    "The topic was made anew, or has lost its end. Stop the sink and set its position back, or it passes over what comes; "
    "then let Debezium send the rows once more."
)
_MARKS_SECONDS = 2.0
_MOST_SHOWN = 3


@dataclass(frozen=True)
class Sight:
    """What a look found. `halted` is why it can never come to be done by itself."""

    done: bool
    text: str
    halted: CouldNotLookError | None = None
    by_quiet: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass
class SourceHop:
    """From the source's log into the topics: one source connector has read up to `position`."""

    connect: Connect
    kafka: Kafka
    source: Database
    connector: str
    database: str
    tables: Sequence[TableName]
    topics: frozenset[str]
    position: LogPosition
    _still: object = None
    _since: Deadline = field(default_factory=lambda: Deadline(QUIET_SECONDS))
    _beats: Mapping[Place, int] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """What is waited for."""
        return f"{self.connector} to read the source's log up to {self.position.text}"

    @property
    def remedy(self) -> str:
        """What to look at when it does not come."""
        return shlex.join(["curl", "-s", f"{_address(self.connect.url, self.connector)}/offsets"])

    def look(self) -> Sight:
        """Look at its offset, and where that says nothing, at its session."""
        found = self.connect.states().get(self.connector)
        offsets, text = self._offsets(found)
        if all(self.source.log.read_by(self.position, offset, self.tables) for offset in offsets):
            return Sight(True, "it has read it")
        if halted := halt(self.connect.url, self.connector, found):
            return Sight(False, halted.message, halted)
        session = self.source.log.received_by(self.position)
        if not session or not _runs(found):
            self._still = None
            return Sight(False, f"it is {_state(found)}, {text}")
        still = (session, text, self.kafka.end_offsets(self.topics))
        interval, beats = self._heartbeat(found)
        if still != self._still:
            self._still, self._since, self._beats = still, Deadline(max(QUIET_SECONDS, 2 * interval)), beats
        return self._idle_or_stuck(f"its session ({session}) has received it, {text}", beats)

    def _idle_or_stuck(self, text: str, beats: Mapping[Place, int]) -> Sight:
        """Whether what stands still does so because there is nothing to hand over."""
        if not self._since.passed:
            return Sight(False, text)
        if beats and beats == self._beats:
            return Sight(False, f"{text}; its heartbeat stands still: it delivers nothing that it reads")
        starved = {
            topic.name: why for topic in self.kafka.topic_states(self.topics) if (why := topic.why_records_wait())
        }
        if starved:
            words = "; ".join(f"{topic}: {'; '.join(why)}" for topic, why in starved.items())
            return Sight(False, text, CouldNotLookError(f"{self.connector} cannot deliver what it reads. {words}"))
        return Sight(True, text, by_quiet=True)

    def _heartbeat(self, found: Connector | None) -> tuple[float, Mapping[Place, int]]:
        """Seconds between two heartbeats, and where their topic ends; 0 and nothing for a connector without any."""
        config = found.config if found else {}
        milliseconds = config.get("heartbeat.interval.ms", "0")
        if not milliseconds.isdigit() or milliseconds == "0":
            return 0.0, {}
        prefix = config.get("topic.heartbeat.prefix") or config.get("heartbeat.topics.prefix") or "__debezium-heartbeat"
        topic = f"{prefix}.{config.get('topic.prefix', '')}"
        there = {topic} & self.kafka.topics().keys()
        return int(milliseconds) / 1000, self.kafka.end_offsets(there) if there else {}

    def _offsets(self, connector: Connector | None) -> tuple[list[Offset], str]:
        """Its committed offsets in this database by today's topic.prefix, one that is empty where it has none, and both as a text."""
        config = connector.config if connector else {}
        try:
            found = [
                each["offset"] or {}
                for each in self.connect.offsets(self.connector)
                if each["partition"].get("database", self.database) == self.database
                and is_of_today(each["partition"], config)
            ]
        except UnexpectedAnswerError as error:  # an older Connect; the source may know all the same
            return [{}], error.message
        return found or [{}], f"its committed offset is {json.dumps(found)}"


@dataclass
class SinkHop:
    """From the topics into the target: every sink that reads a partition has come to its end."""

    connect: Connect
    kafka: Kafka
    sinks: Mapping[str, str]
    """Connector to its consumer group."""
    ends: Mapping[Place, int]
    _done: set[tuple[str, Place]] = field(default_factory=set)
    _marks: Deadline = field(default_factory=lambda: Deadline(_MARKS_SECONDS))
    _aside: str = ""

    @property
    def what(self) -> str:
        """What is waited for."""
        return "the sinks to apply what the topics had"

    @property
    def remedy(self) -> str:
        """What to look at when it does not come."""
        return "\n".join(
            shlex.join(["curl", "-s", f"{_address(self.connect.url, sink)}/status"]) for sink in self.sinks
        )

    def look(self) -> Sight:
        """Look at what the sinks have committed."""
        readers = {sink: self.kafka.positions(group) for sink, group in self.sinks.items()}
        if cut := self._cut(readers):
            return Sight(False, cut, CouldNotLookError(cut, _MADE_ANEW))
        behind = list(self._behind(readers))
        if behind and self._marks.passed:
            self._pass_over_marks(behind)
            self._pass_over_tombstones(behind)
            self._pass_over_dead_letters(behind)
            self._marks = Deadline(_MARKS_SECONDS)
            behind = list(self._behind(readers))
        more = f"; and {len(behind) - _MOST_SHOWN} more" if len(behind) > _MOST_SHOWN else ""
        text = "; ".join(map(str, behind[:_MOST_SHOWN])) + more + self._aside
        if behind:
            states = self.connect.states()
            for sink in sorted({each.sink for each in behind if each.sink} or self.sinks):
                if halted := halt(self.connect.url, sink, states.get(sink)):
                    return Sight(False, text, CouldNotLookError(f"{halted.message} ({text})", halted.remedy))
        return Sight(not behind, text)

    def _behind(self, readers: Mapping[str, Positions]) -> Iterator[_Behind]:
        for place, end in self.ends.items():
            mine = _readers(place, readers)
            if end and not mine:
                yield _Behind("", place, None, end)
            for sink in mine:
                committed = readers[sink].committed.get(place)
                if (committed or 0) < end and (sink, place) not in self._done:
                    yield _Behind(sink, place, committed, end)

    def _cut(self, readers: Mapping[str, Positions]) -> str:
        """Where a sink has committed what its topic does not have: that proves nothing of the records that the topic has now.

        A sink that goes on while it is looked at has committed more than `ends`, but no more than where its topic ends now.
        """
        beyond = [
            (sink, place, committed)
            for place, end in self.ends.items()
            for sink in _readers(place, readers)
            if (committed := readers[sink].committed.get(place, 0)) > end
        ]
        now = self.kafka.end_offsets({topic for _, (topic, _), _ in beyond}) if beyond else {}
        return "; ".join(
            f"{sink} has committed {committed:,} in {place[0]}/{place[1]}, which ends at {now[place]:,}"
            for sink, place, committed in beyond
            if place in now and committed > now[place]
        )

    def _pass_over_marks(self, behind: Sequence[_Behind]) -> None:
        for sink, positions in _by_sink(behind).items():
            unread = self.kafka.unread(positions, self.ends)
            self._done |= {(sink, place) for place in positions if place not in unread}

    def _pass_over_tombstones(self, behind: Sequence[_Behind]) -> None:
        """A sink whose transforms drop tombstones does not commit them: Debezium's commits what it was given."""
        states = self.connect.states()
        for name, positions in _by_sink(behind).items():
            sink = states.get(name)
            if sink and drops_tombstones(sink.config):
                self._done |= {(name, place) for place in self.kafka.only_tombstones(positions, self.ends)}

    def _pass_over_dead_letters(self, behind: Sequence[_Behind]) -> None:
        """What a sink put aside it will not write: of that, nothing is in flight."""
        states = self.connect.states()
        sinks = _by_sink(behind)
        topics = states.dead_letter_topics(sinks)
        for sink, topic in topics.items():
            self._done |= {(sink, place) for place in self.kafka.put_aside(sinks[sink], self.ends, topic)}
        texts = [*in_dead_letter_topics(states, self.kafka, topics).values()]
        texts += [f"{sink} may have skipped records: its errors.tolerance is all" for sink in _skipping(states, sinks)]
        self._aside = "".join(f"; {text}" for text in texts)


def _readers(place: Place, readers: Mapping[str, Positions]) -> list[str]:
    """The sinks that read a partition, or have read it; without those that read other topics now, where another one goes on."""
    known = [sink for sink, positions in readers.items() if place[0] in positions.topics]
    return [sink for sink in known if not readers[sink].has_given_up(place[0])] or known


def _by_sink(behind: Sequence[_Behind]) -> dict[str, dict[Place, int]]:
    """Each sink that is behind to where it is, in the partitions where it is behind."""
    found: dict[str, dict[Place, int]] = {}
    for each in behind:
        if each.sink:
            found.setdefault(each.sink, {})[each.place] = each.committed or 0
    return found


def _skipping(states: ConnectorStates, sinks: Iterable[str]) -> list[str]:
    """Sinks that drop what they cannot convert, and keep it nowhere."""
    topics = states.dead_letter_topics(sinks)
    found = {name: states.get(name) for name in sorted(sinks) if name not in topics}
    return [name for name, sink in found.items() if sink and sink.config.get("errors.tolerance") == "all"]


@dataclass(frozen=True)
class _Behind:
    """A sink that has not come to the end of a partition; no name where no sink reads the topic."""

    sink: str
    place: Place
    committed: int | None
    end: int

    def __str__(self) -> str:
        topic, partition = self.place
        if not self.sink:
            return f"no sink connector of the pipeline file reads {topic}"
        committed = "nothing" if self.committed is None else f"{self.committed:,}"
        return f"{self.sink} has committed {committed} of {self.end:,} in {topic}/{partition}"


def halt(url: str, name: str, connector: Connector | None) -> CouldNotLookError | None:
    """Why a connector will not go on by itself, with the command that makes it; None where it may."""
    if connector is None:
        return CouldNotLookError(
            f"There is no connector {name} at {url}.", "Deploy it, or correct its name in the pipeline file."
        )
    address = _address(url, name)
    parts = {name: (connector.state, connector.trace)} | {f"{name}/{t.id}": (t.state, t.trace) for t in connector.tasks}
    for part, (state, trace) in parts.items():
        if state == "FAILED":
            return CouldNotLookError(
                f"{part} FAILED: {root_cause(trace) or 'Connect gives no cause'}",
                shlex.join(["curl", "-X", "POST", f"{address}/restart?includeTasks=true&onlyFailed=true"]),
            )
    if connector.state in ("PAUSED", "STOPPED"):
        return CouldNotLookError(
            f"{name} is {connector.state}.", shlex.join(["curl", "-X", "PUT", f"{address}/resume"])
        )
    return None


def _address(url: str, name: str) -> str:
    return f"{url}/connectors/{quote(name, safe='')}"


def _runs(connector: Connector | None) -> bool:
    states = {connector.state, *(task.state for task in connector.tasks)} if connector and connector.tasks else set()
    return states == {"RUNNING"}


def _state(connector: Connector | None) -> str:
    if connector is None:
        return "absent"
    return ", ".join([connector.state, *(f"task {task.id} {task.state}" for task in connector.tasks)])
