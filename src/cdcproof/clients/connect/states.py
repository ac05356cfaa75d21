"""Connectors and their tasks, as Kafka Connect reported them.

Connect judges a connector apart from its tasks: a connector stays RUNNING when every task has failed. Hence the
states here are always reported for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cdcproof.clients.kafka.dead_letters import TOPIC_KEY
from cdcproof.core.secrets import inline_secrets
from cdcproof.findings import Observation

_CAUSE = "Caused by: "
_BEGINNING, _END = 200, 100
"""Characters of a long cause that are shown: Debezium prints a whole offset before it says what is wrong with it."""
_KINDS = ("source", "sink")
_OWN_KAFKA = "consumer.override.bootstrap.servers"
_ON_THE_WAY = ("UNASSIGNED", "RESTARTING")
"""States that Connect leaves by itself: it assigns and starts what has them. Kafka's `AbstractStatus.State`."""


@dataclass(frozen=True)
class Task:
    """One task. `trace` is the whole Java stack trace of a failed task, else empty."""

    id: int
    state: str
    worker: str
    trace: str = ""


@dataclass(frozen=True)
class Connector:
    """One connector. `config` is as Connect returns it, secrets included: redact before it is shown anywhere."""

    name: str
    kind: str
    """source or sink; unknown where neither Connect nor the name of its class says."""
    state: str
    worker: str
    tasks: tuple[Task, ...]
    config: Mapping[str, str] = field(repr=False)
    trace: str = ""


@dataclass(frozen=True)
class ConnectorStates:
    """Every connector of one Connect cluster, as one answer reported them. A task's subject is ``connector/id``."""

    connectors: tuple[Connector, ...]

    def observation(self, expected: Mapping[str, str], *, of_secrets: bool = False) -> Observation:
        """Every connector and task has the state that is expected; `of_secrets`: one that stands in clear is a concern."""
        return Observation(
            self.states,
            expected,
            self.details,
            concerns=self.inline_secrets() if of_secrets else {},
            no_concern="secrets through a ConfigProvider",
        )

    @property
    def states(self) -> dict[str, str]:
        """Subject to state, connectors and tasks."""
        return {subject: part.state for subject, part in self._parts().items()}

    @property
    def is_on_the_way(self) -> bool:
        """Whether Connect is assigning or restarting a connector or task, which is over in seconds where it is well."""
        return any(state in _ON_THE_WAY for state in self.states.values())

    @property
    def details(self) -> dict[str, str]:
        """Subject to the worker, and to the line of the trace that names the cause where it has one."""
        return {
            subject: f"worker {part.worker}" + (f"; {root_cause(part.trace)}" if part.trace else "")
            for subject, part in self._parts().items()
        }

    @property
    def traces(self) -> dict[str, str]:
        """Subject to whole trace, of those that have one."""
        return {subject: part.trace for subject, part in self._parts().items() if part.trace}

    def trace_pages(self) -> dict[str, str]:
        """Title to each whole trace, for the report."""
        return {f"Trace of {subject}": trace for subject, trace in self.traces.items()}

    def rows(self) -> list[dict[str, object]]:
        """One row per connector and task, for the report."""
        return [
            {"connector or task": subject, "state": part.state, "worker": part.worker}
            for subject, part in self._parts().items()
        ] or [{"connector or task": "none", "state": None, "worker": None}]

    def inline_secrets(self) -> dict[str, str]:
        """Connector to the keys whose secret stands in clear in its configuration: anybody who may ask Connect has it."""
        keys = {connector.name: inline_secrets(connector.config) for connector in self.connectors}
        return {name: f"in clear: {', '.join(found)}" for name, found in keys.items() if found}

    def get(self, name: str) -> Connector | None:
        """The connector of that name, None when there is none."""
        return next((c for c in self.connectors if c.name == name), None)

    def leaving_out(self, is_other: Callable[[str], bool]) -> ConnectorStates:
        """Without the connectors of which this holds."""
        return ConnectorStates(tuple(c for c in self.connectors if not is_other(c.name)))

    def halted(self, name: str) -> str:
        """Why a connector does not work as it should, in words: ``sink/0 is FAILED``; empty where all of it is RUNNING."""
        connector = self.get(name)
        if connector is None:
            return f"{name} is not at Connect"
        parts = {name: connector.state} | {f"{name}/{task.id}": task.state for task in connector.tasks}
        return next((f"{part} is {state}" for part, state in parts.items() if state != "RUNNING"), "") or (
            "" if connector.tasks else f"{name} has no task"
        )

    def clusters(self, sinks: Iterable[str], of_connect: str) -> dict[str, str]:
        """Sink to the id of the Kafka cluster that it reads from, which is the worker's; without those that name brokers of their own."""
        found = {name: self.get(name) for name in sinks if of_connect}
        return {name: of_connect for name, one in found.items() if one and _OWN_KAFKA not in one.config}

    def dead_letter_topics(self, sinks: Iterable[str]) -> dict[str, str]:
        """Sink to its dead letter topic, of those that have one."""
        found = {name: connector.config.get(TOPIC_KEY, "") for name in sinks if (connector := self.get(name))}
        return {name: topic for name, topic in found.items() if topic}

    def _parts(self) -> dict[str, Connector | Task]:
        parts: dict[str, Connector | Task] = {}
        for connector in self.connectors:
            parts[connector.name] = connector
            parts.update({f"{connector.name}/{task.id}": task for task in connector.tasks})
        return parts


def root_cause(trace: str) -> str:
    """The line of a Java stack trace that says most: the last "Caused by", else the first line."""
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    causes = [line.removeprefix(_CAUSE) for line in lines if line.startswith(_CAUSE)]
    line = causes[-1] if causes else lines[0] if lines else ""
    return f"{line[:_BEGINNING]} … {line[-_END:]}" if len(line) > _BEGINNING + _END else line


def read(name: str, answer: Mapping[str, Any]) -> Connector:
    """One connector of `GET /connectors?expand=status&expand=info`. Raises KeyError, TypeError, ValueError, AttributeError."""
    status, info = answer["status"], answer["info"]
    config = {str(key): str(value) for key, value in info["config"].items()}
    return Connector(
        name=name,
        kind=next((kind for kind in (status.get("type"), info.get("type")) if kind in _KINDS), _kind_by_class(config)),
        state=status["connector"]["state"],
        worker=status["connector"].get("worker_id") or "",
        tasks=tuple(
            sorted(
                (
                    Task(int(t["id"]), t["state"], t.get("worker_id") or "", t.get("trace") or "")
                    for t in status["tasks"]
                ),
                key=lambda task: task.id,
            )
        ),
        config=config,
        trace=status["connector"].get("trace") or "",
    )


def _kind_by_class(config: Mapping[str, str]) -> str:
    """By the custom that a sink's class is called so. Debezium's others are sources."""
    class_name = config.get("connector.class", "")
    if "Sink" in class_name.rpartition(".")[2]:
        return "sink"
    return "source" if "Source" in class_name or class_name.startswith("io.debezium.connector.") else "unknown"


def is_of_today(partition: Mapping[str, str], config: Mapping[str, str]) -> bool:
    """Whether a source's position is of its `topic.prefix`: Connect keeps that of an earlier one for good, beside the one of today."""
    prefix = config.get("topic.prefix", "${")
    return "${" in prefix or partition.get("server", prefix) == prefix
