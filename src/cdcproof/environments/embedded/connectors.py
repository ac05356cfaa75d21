"""The two connectors of the embedded pipeline, made from fixtures/connectors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cdcproof.clients.connect.client import Connect, Connector, ConnectorStates, root_cause
from cdcproof.clients.http import NotFoundError
from cdcproof.clients.kafka.client import Kafka
from cdcproof.core.errors import CouldNotLookError, DeadlineError, OperationError, UnreachableError
from cdcproof.core.files import write_whole
from cdcproof.core.patience import stretched
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import Deadline, side_by_side, wait_until
from cdcproof.environments.embedded import folders
from cdcproof.environments.embedded.data.databases import Side
from cdcproof.environments.embedded.processes.ports import HOST
from cdcproof.environments.embedded.state import Instance
from cdcproof.pipeline.model import HttpService, group_of
from cdcproof.pipeline.model import Kafka as Cluster

SOURCE = "postgres-source-connector"
SINK = "postgres-sink-connector"
_FILES = {SOURCE: "embedded-source.json", SINK: "embedded-sink.json"}
_OF_SIDE: Mapping[Side, str] = {"source": SOURCE, "target": SINK}
_FORGET_SECONDS = 60.0
_BELIEF_SECONDS = 5.0
_TRIES = 3
_EXPECTED = {SOURCE: "RUNNING", f"{SOURCE}/0": "RUNNING", SINK: "RUNNING", f"{SINK}/0": "RUNNING"}


def client(instance: Instance) -> Connect:
    """The instance's Kafka Connect."""
    return Connect(HttpService(url=instance.url("kafka-connect")))


def config(instance: Instance, connector: str) -> dict[str, str]:
    """A connector's configuration with the instance's addresses; passwords by name only."""
    text = (folders.fixtures() / "connectors" / _FILES[connector]).read_text(encoding="utf-8")
    values: Mapping[str, object] = {
        "host": HOST,
        "topic_prefix": instance.topic_prefix,
        "secrets": instance.folders.secrets,
        "registry": instance.url("schema-registry", "/apis/registry/v2"),
        **instance.ports,
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    settings: dict[str, str] = json.loads(text)["config"]
    return settings


def files(instance: Instance) -> Path:
    """The directory of the connectors' files, as `ensure` writes them."""
    return instance.folders.settings / "connectors"


def ensure(instance: Instance) -> None:
    """Create what is missing, correct what differs, and start again what has failed. Write each to its file as well."""
    found = client(instance).states()
    side_by_side({name: partial(_ensure, instance, name, found.get(name)) for name in _FILES})


def restart(instance: Instance, sides: Iterable[Side]) -> None:
    """Restart the connectors of these sides, with their tasks."""
    connect = client(instance)
    for side in sides:
        connect.restart(_OF_SIDE[side], include_tasks=True)


def read_tables_again(instance: Instance) -> None:
    """Forget the source connector's position, so that it takes a new snapshot."""
    connect = client(instance)
    connect.stop(SOURCE)

    def forget() -> bool:
        connect.reset_offsets(SOURCE)
        return True

    wait_until(
        forget,
        bool,
        what="Kafka Connect to forget the source connector's position",
        deadline_seconds=_FORGET_SECONDS,
        patience=stretched,
    )
    connect.resume(SOURCE)


def delete(instance: Instance) -> None:
    """Delete both; their topics stay."""
    side_by_side({name: partial(_delete, instance, name) for name in _FILES})


def wait_until_consuming(instance: Instance, progress: Progress, *, deadline_seconds: float) -> None:
    """Wait until the sink is in its consumer group. When all was killed at once, Connect reports the RUNNING of before for a while."""
    kafka = Kafka(Cluster(bootstrap_servers=instance.address("kafka")))
    failures = Failures(instance)

    def look() -> int:
        members = kafka.group(group_of(SINK)).members
        if not members:
            failures.restarted()
        return members

    wait_until(
        look,
        lambda members: members > 0,
        what="the sink to read its topics",
        deadline_seconds=deadline_seconds,
        patience=stretched,
        report=lambda _: progress.waiting("the sink joins its consumer group"),
    )


def wait_until_running(instance: Instance, progress: Progress, *, deadline_seconds: float) -> None:
    """Wait until both connectors and their tasks run; what failed is restarted.

    Raises `OperationError` with the cause as soon as something fails again for the same one.
    """
    failures = Failures(instance)

    def report(seen: ConnectorStates | CouldNotLookError) -> None:
        states = seen.states if isinstance(seen, ConnectorStates) else {}
        progress.waiting(
            "connectors: " + ", ".join(f"{s} {states.get(s, 'absent')}" for s in (f"{SOURCE}/0", f"{SINK}/0"))
        )

    try:
        wait_until(
            failures.restarted,
            lambda seen: {s: seen.states.get(s) for s in _EXPECTED} == _EXPECTED,
            what="both connectors to run",
            deadline_seconds=deadline_seconds,
            patience=stretched,
            report=report,
        )
    except DeadlineError:
        seen = client(instance).states()
        not_running = "; ".join(
            f"{s} {state} ({seen.details[s]})" for s, state in seen.states.items() if state != "RUNNING"
        )
        raise OperationError(
            f"The connectors do not run after {stretched(deadline_seconds):.0f} s: {not_running or 'they are not there'}",
            _way_out(instance),
        ) from None


@dataclass
class Failures:
    """The failures during one wait. The first may be left of a fault that is over, so what failed is restarted; the next is no chance."""

    instance: Instance
    _tried: dict[str, tuple[Deadline, list[str]]] = field(default_factory=dict)
    """Connector to the time for which Connect may still report what was before its restart, and the causes so far."""

    def restarted(self) -> ConnectorStates:
        """Look at the connectors, and restart those that failed. Raises `OperationError` for one that failed again for the same cause."""
        connect = client(self.instance)
        seen = connect.states()
        for name in self._to_restart(seen):
            connect.restart(name, only_failed=True)
        return seen

    def _to_restart(self, seen: ConnectorStates) -> list[str]:
        failed = {s.partition("/")[0]: s for s in _EXPECTED if seen.states.get(s) == "FAILED"}
        for name in self._tried.keys() - failed.keys():
            self._tried[name] = Deadline(0), self._tried[name][1]  # it was restarted: what fails now is new
        restart = []
        for name, subject in failed.items():
            believed, causes = self._tried.get(name, (Deadline(0), []))
            if not believed.passed:
                continue
            cause = root_cause(seen.traces.get(subject, ""))
            if cause in causes or len(causes) == _TRIES:
                raise OperationError(f"{subject} failed, and again after a restart: {cause}", _way_out(self.instance))
            self._tried[name] = Deadline(_BELIEF_SECONDS), [*causes, cause]
            restart.append(name)
        return restart


def _way_out(instance: Instance) -> str:
    return (
        f"cdcproof logs kafka-connect{instance.option}   # the whole trace; `cdcproof up{instance.option}` restarts what failed; "
        f"anew, with test data: cdcproof down --remove{instance.option}; cdcproof up{instance.option}"
    )


def _ensure(instance: Instance, name: str, present: Connector | None) -> None:
    connect = client(instance)
    wanted = config(instance, name)
    content = {"name": name, "config": wanted}
    write_whole(files(instance) / f"{name}.json", json.dumps(content, indent=2) + "\n")
    if present is None or {k: v for k, v in present.config.items() if k != "name"} != wanted:
        _put(connect, name, wanted)
    elif "FAILED" in (present.state, *(task.state for task in present.tasks)):
        connect.restart(name, only_failed=True)
    elif present.state in ("PAUSED", "STOPPED"):
        connect.resume(name)


def _delete(instance: Instance, name: str) -> None:
    with suppress(NotFoundError):
        client(instance).delete(name)


def _put(connect: Connect, name: str, wanted: Mapping[str, str]) -> None:
    """Connect validates a configuration while it holds the request, which on a cold machine outlasts our timeout."""

    def look() -> CouldNotLookError | None:
        try:
            connect.put_config(name, wanted)
        except UnreachableError:
            raise
        except CouldNotLookError as refusal:
            return refusal
        return None

    refusal = wait_until(
        look, lambda _: True, what=f"Kafka Connect to take {name}", deadline_seconds=60, patience=stretched
    )
    if refusal:
        raise refusal
