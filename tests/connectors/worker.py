"""A Connect worker that exists in memory: it keeps to the rules that the tests of deployments rely on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cdcproof.clients.connect.client import Connector, ConnectorStates, Offset, Task
from cdcproof.clients.connect.validation import FieldError
from cdcproof.clients.http import NotFoundError
from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError

BROKEN = "broken"
"""A configuration with this key is taken, and its task then fails."""


class Worker:
    """Connectors by name, with offsets. `stops` and `changes_offsets`: what this worker's version can do."""

    def __init__(self, *, stops: bool = True, changes_offsets: bool = True) -> None:
        self.url = "http://worker"
        self.configs: dict[str, dict[str, str]] = {}
        self.target_states: dict[str, str] = {}
        self.positions: dict[str, list[Offset]] = {}
        self.orders: list[str] = []
        self.refuses: dict[str, CouldNotLookError] = {}
        self.stops = stops
        self.changes_offsets = changes_offsets

    def add(self, name: str, state: str = "RUNNING", **config: str) -> None:
        self.configs[name] = {"name": name, **config}
        self.target_states[name] = state
        self.positions[name] = []

    def states(self, sure_of: object = ()) -> ConnectorStates:
        return ConnectorStates(tuple(self._connector(name) for name in sorted(self.configs)))

    def validated(self, config: Mapping[str, str]) -> tuple[tuple[FieldError, ...], tuple[FieldError, ...]]:
        unread = (FieldError("tpics", "is it topics?"),) if "tpics" in config else ()
        return (FieldError("topics", "must be set"),) if "topics" not in config else (), unread

    def offsets(self, name: str) -> tuple[Offset, ...]:
        if not self.stops:
            raise UnexpectedAnswerError("this needs Kafka Connect 3.5 or newer")
        return tuple(self.positions[name])

    def topics(self, name: str) -> tuple[str, ...]:
        return ("t",)

    def can_stop(self, name: str) -> bool:
        return self.stops

    def can_change_offsets(self, name: str) -> bool:
        return self.changes_offsets

    def put_config(self, name: str, config: Mapping[str, str]) -> None:
        self._take(f"put {name}")
        self.configs[name] = {"name": name, **config}
        self.target_states.setdefault(name, "RUNNING")
        self.positions.setdefault(name, [])

    def create(self, name: str, config: Mapping[str, str], initial_state: str) -> None:
        self.put_config(name, config)
        self.target_states[name] = initial_state

    def alter_offsets(self, name: str, offsets: Sequence[Offset]) -> None:
        self._take(f"alter {name}", must_be_stopped=name)
        for reported in offsets:
            self.positions[name] = [o for o in self.positions[name] if o["partition"] != reported["partition"]]
            if reported["offset"] is not None:
                self.positions[name].append(reported)

    def reset_offsets(self, name: str) -> None:
        self._take(f"reset {name}", must_be_stopped=name)
        self.positions[name] = []

    def delete(self, name: str) -> None:
        self._take(f"delete {name}")
        del self.configs[name], self.target_states[name]

    def stop(self, name: str) -> None:
        self._to(name, "stop", "STOPPED")

    def pause(self, name: str) -> None:
        self._to(name, "pause", "PAUSED")

    def resume(self, name: str) -> None:
        self._to(name, "resume", "RUNNING")

    def _to(self, name: str, order: str, state: str) -> None:
        self._take(f"{order} {name}")
        self.target_states[name] = state

    def _take(self, order: str, must_be_stopped: str = "") -> None:
        self.orders.append(order)
        if order in self.refuses:
            raise self.refuses[order]
        if order.split()[1] not in self.configs and not order.startswith("put"):
            raise NotFoundError(f"no connector {order.split()[1]}")
        if must_be_stopped and self.target_states[must_be_stopped] != "STOPPED":
            raise UnexpectedAnswerError("Connectors must be in the STOPPED state before their offsets can be modified")

    def _connector(self, name: str) -> Connector:
        config, state = self.configs[name], self.target_states[name]
        task: Any = "FAILED" if BROKEN in config and state == "RUNNING" else state
        tasks = () if state == "STOPPED" else (Task(0, task, "w", "E: broken" if task == "FAILED" else ""),)
        return Connector(name, config.get("kind", "sink"), state, "w", tasks, dict(config))
