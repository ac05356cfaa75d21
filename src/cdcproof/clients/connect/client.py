"""The client of Kafka Connect's REST interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from cdcproof.clients.connect.states import Connector, ConnectorStates, Task, read, root_cause
from cdcproof.clients.connect.validation import FieldError, field_errors, unread_keys
from cdcproof.clients.http import (
    ConflictError,
    Http,
    NotFoundError,
    NotServedError,
    ServiceFailedError,
    despite_rebalance,
)
from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.secrets import learn
from cdcproof.pipeline.model import HttpService

__all__ = ["Connect", "Connector", "ConnectorStates", "Offset", "Plugin", "Task", "Version", "root_cause"]

T = TypeVar("T")
Offset = dict[str, Any]
"""A committed position as Connect returns it: ``{"partition": {…}, "offset": {…}}``."""

SERVICE_NAME = "Kafka Connect"


@dataclass(frozen=True)
class Version:
    """What `GET /` returns; `kafka_cluster_id` is empty where Connect does not say."""

    version: str
    kafka_cluster_id: str


@dataclass(frozen=True)
class Plugin:
    """A connector class that the worker has installed."""

    class_name: str
    kind: str
    version: str


class Connect:
    """Kafka Connect at one address. Errors as `cdcproof.clients.http.Http`; a worker that is starting is `UnreachableError`.

    Writes are tried again for `patience_seconds` while Connect is rebalancing (with 0 that is a `ConflictError` at once);
    they return when Connect has taken the order, which is not yet when it is done.
    """

    def __init__(
        self,
        service: HttpService,
        timeout_seconds: tuple[float, float] = (3.0, 10.0),
        patience_seconds: float = 20.0,
        silence_seconds: float = 0.0,
    ) -> None:
        self.url = service.url
        self._http = _Worker.to(SERVICE_NAME, service, timeout_seconds, silence_seconds)
        self._patience_seconds = patience_seconds

    def version(self) -> Version:
        """Version and Kafka cluster of the worker that answers."""
        answer = self._object(self._http.get_json("/"), "/")
        if "version" not in answer:
            raise UnexpectedAnswerError(f"{self.url} answers, but not as Kafka Connect does: no version in its answer.")
        return Version(str(answer["version"]), str(answer.get("kafka_cluster_id") or ""))

    def kafka_cluster(self) -> str:
        """The id of the Kafka cluster that the worker works with; empty where it does not return it."""
        try:
            return self.version().kafka_cluster_id
        except CouldNotLookError:
            return ""

    def states(self, sure_of: Iterable[str] = ()) -> ConnectorStates:
        """Every connector, its tasks and its configuration, by one request (Connect 2.3 or newer).

        A worker that is starting leaves out what it has not loaded yet; while it reads its log of configurations past a
        deletion it returns `"info": null`, and so it does of a connector that is deleted while it answers: both are left out
        here. So `sure_of` names those whose absence must mean that they do not exist: it is asked of the herder, which has
        read all configurations before it answers. Raises `UnreachableError` when one of them exists and its state is not returned.
        """
        answer = self._object(
            self._http.get_json("/connectors", {"expand": ["status", "info"]}), "/connectors?expand=status&expand=info"
        )
        try:
            connectors = tuple(read(name, one) for name, one in sorted(answer.items()) if one["info"] is not None)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnexpectedAnswerError(
                f"{self.url}/connectors describes a connector in a form we do not know: {type(error).__name__} {error}"
            ) from None
        for connector in connectors:
            learn(connector.config)
        read_names = {connector.name for connector in connectors}
        for name in sure_of:
            if name not in read_names and self._exists(name):
                raise UnreachableError(
                    f"{self.url} does not report the state of {name} yet, which exists: the worker is starting.",
                    "Wait until it has started.",
                )
        return ConnectorStates(connectors)

    def plugins(self) -> tuple[Plugin, ...]:
        """Connector classes installed at the worker that answers."""
        answer = self._http.get_json("/connector-plugins")
        try:
            return tuple(Plugin(p["class"], p["type"], str(p.get("version") or "")) for p in answer)
        except (KeyError, TypeError, AttributeError):
            raise UnexpectedAnswerError(f"{self.url}/connector-plugins answers in a form we do not know.") from None

    def loggers(self) -> dict[str, str]:
        """Logger to its level, of those that the worker that answers was given one for. Connect 2.4 or newer."""
        answer = self._object(self._http.get_json("/admin/loggers"), "/admin/loggers")
        try:
            return {name: str(logger["level"]) for name, logger in answer.items()}
        except (KeyError, TypeError):
            raise UnexpectedAnswerError(f"{self.url}/admin/loggers answers in a form we do not know.") from None

    def topics(self, name: str) -> tuple[str, ...]:
        """Topics the connector has used since it was made or they were reset; sorted.

        Raises `RefusedError` where the worker does not track them (`topic.tracking.enable=false`).
        """
        answer = self._object(self._http.get_json(f"{_path(name)}/topics"), f"{_path(name)}/topics")
        try:
            return tuple(sorted(answer[name]["topics"]))
        except (KeyError, TypeError):
            raise UnexpectedAnswerError(f"{self.url}{_path(name)}/topics answers in a form we do not know.") from None

    def validate(self, config: Mapping[str, str]) -> tuple[FieldError, ...]:
        """What the plug-in says is wrong with a configuration; most plug-ins connect to the database to find out."""
        return self.validated(config)[0]

    def validated(self, config: Mapping[str, str]) -> tuple[tuple[FieldError, ...], tuple[FieldError, ...]]:
        """What the plug-in says is wrong, and the keys that it probably does not read (`unread_keys`)."""
        learn(config)
        path = f"/connector-plugins/{quote(config.get('connector.class', ''), safe='')}/config/validate"
        try:
            answer = self._http.put_json(path, dict(config))
        except ServiceFailedError as error:
            if "Failed to find any class" not in error.message:
                raise
            installed = ", ".join(sorted(plugin.class_name for plugin in self.plugins()))
            return (FieldError("connector.class", f"the worker has no such plug-in; it has: {installed}"),), ()
        found = self._object(answer, path)
        return field_errors(found), unread_keys(found, config)

    def offsets(self, name: str) -> tuple[Offset, ...]:
        """Committed positions. Connect 3.5 or newer."""
        try:
            answer = self._object(self._http.get_json(f"{_path(name)}/offsets"), f"{_path(name)}/offsets")
        except NotFoundError as error:
            if "HTTP 404" not in error.message:  # Connect's own words for an address it does not know
                raise
            raise UnexpectedAnswerError(
                f"{self.url} shows no offsets: this needs Kafka Connect 3.5 or newer."
            ) from None
        return tuple(answer.get("offsets") or ())

    def can_stop(self, name: str) -> bool:
        """Whether this worker can stop a connector (Connect 3.5 or newer); asked of it, not read off its version."""
        return "PUT" in self._http.methods(f"{_path(name)}/stop")

    def can_change_offsets(self, name: str) -> bool:
        """Whether this worker can alter and reset offsets (Connect 3.6 or newer)."""
        return {"PATCH", "DELETE"} <= self._http.methods(f"{_path(name)}/offsets")

    def alter_offsets(self, name: str, offsets: Sequence[Offset]) -> None:
        """Set these positions of a stopped connector; ``"offset": None`` forgets one."""
        self._write(lambda: self._http.patch_json(f"{_path(name)}/offsets", {"offsets": list(offsets)}))

    def reset_offsets(self, name: str) -> None:
        """Forget every position of a stopped connector."""
        self._write(lambda: self._http.delete(f"{_path(name)}/offsets"))

    def put_config(self, name: str, config: Mapping[str, str]) -> None:
        """Create the connector, or give it this configuration."""
        learn(config)
        self._write(lambda: self._http.put_json(f"{_path(name)}/config", dict(config)))

    def create(self, name: str, config: Mapping[str, str], initial_state: str) -> None:
        """Create the connector in a state: RUNNING, PAUSED or STOPPED. Connect 3.7 or newer.

        May be repeated: one that is there, by an answer that was lost, is given the configuration.
        """
        learn(config)
        body = {"name": name, "config": dict(config), "initial_state": initial_state}
        try:
            self._write(lambda: self._http.post("/connectors", body))
        except ConflictError:  # a rebalance, or it exists
            if not self._exists(name):
                raise
            self.put_config(name, config)

    def delete(self, name: str) -> None:
        """Delete the connector; its topics and its consumer group stay."""
        self._write(lambda: self._http.delete(_path(name)))

    def pause(self, name: str) -> None:
        """Pause connector and tasks."""
        self._write(lambda: self._http.put_json(f"{_path(name)}/pause"))

    def resume(self, name: str) -> None:
        """Resume what was paused or stopped."""
        self._write(lambda: self._http.put_json(f"{_path(name)}/resume"))

    def stop(self, name: str) -> None:
        """Stop the connector: its tasks go, its offsets can be changed. Connect 3.5 or newer."""
        self._write(lambda: self._http.put_json(f"{_path(name)}/stop"))

    def restart(self, name: str, *, include_tasks: bool = True, only_failed: bool = False) -> None:
        """Restart the connector, with its tasks and only those that failed where so asked. Connect 3.0 or newer."""
        flags = {"includeTasks": str(include_tasks).lower(), "onlyFailed": str(only_failed).lower()}
        self._write(lambda: self._http.post(f"{_path(name)}/restart", params=flags))

    def _exists(self, name: str) -> bool:
        try:
            self._http.get_json(f"{_path(name)}/config")
        except NotFoundError:
            return False
        return True

    def _write(self, request: Callable[[], T]) -> T:
        if not self._patience_seconds:
            return request()
        return despite_rebalance(request, deadline_seconds=self._patience_seconds)

    def _object(self, answer: Any, path: str) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise UnexpectedAnswerError(
                f"{self.url}{path} does not answer with a JSON object, as Kafka Connect 2.3 and newer do.",
                "Check that connect.url is the address of Kafka Connect.",
            )
        return answer


class _Worker(Http):
    """A Connect worker. Seen on 3.9: from the moment its port is open until it has joined, every address is a bare 404."""

    def _request(self, method: str, path: str, **asked: Any) -> Any:
        try:
            return super()._request(method, path, **asked)
        except NotServedError:
            raise UnreachableError(
                f"{self._place(self.base_url + path)} does not answer as Kafka Connect does: 404, without a word. "
                "A worker that is starting answers so.",
                "Wait until it has started; else check that connect.url is the address of Kafka Connect.",
            ) from None


def _path(name: str) -> str:
    return f"/connectors/{quote(name, safe='')}"
