"""Pause, resume, stop, restart and delete a connector: the order, and whether it was carried out."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from urllib.parse import quote

from cdcproof.clients.connect.client import Connector
from cdcproof.connectors import retention, states
from cdcproof.connectors.control import Control
from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.states import Aim, Outcome, Watch
from cdcproof.core.errors import OperationError, RefusedError, UnexpectedAnswerError, UsageError
from cdcproof.pipeline.model import Pipeline


@dataclass(frozen=True)
class Done:
    """How an act ended; `notes` are sentences for the operator, `stays` what a deletion leaves behind, by kind."""

    outcome: Outcome
    notes: tuple[str, ...] = ()
    stays: tuple[tuple[str, str], ...] = ()


def named(control: Control, name: str) -> Connector:
    """The connector as it is now. Raises `UsageError` where Connect has none of that name."""
    found = control.states(name)
    connector = found.get(name)
    if connector is None:
        has = ", ".join(other.name for other in found.connectors) or "none"
        raise UsageError(f"Kafka Connect has no connector {name}.", f"It has: {has}")
    return connector


def pause(control: Control, name: str) -> Done:
    """Pause it, and wait until each task is paused."""
    before = named(control, name)
    control.order(f"pause {name}", lambda: control.connect.pause(name))
    return Done(_follow(control, name, Watch(Aim(states.PAUSED, len(before.tasks) or None), before)))


def stop(control: Control, name: str) -> Done:
    """Stop it, and wait until its tasks are gone. Raises `OperationError` on a worker that cannot."""
    before = named(control, name)
    demand_stop(control, name)
    control.order(f"stop {name}", lambda: control.connect.stop(name))
    return Done(_follow(control, name, Watch(Aim(states.STOPPED), before)))


def demand_stop(control: Control, name: str) -> None:
    """Raise `OperationError` where the worker is too old to stop a connector."""
    if not control.ask(f"whether {name} can be stopped", lambda: control.connect.can_stop(name)):
        raise OperationError(
            f"{control.connect.url} cannot stop a connector: this needs Kafka Connect 3.5 or newer.",
            "Pause it instead.",
        )


def resume(control: Control, name: str, pipeline: Pipeline, settle_seconds: float) -> Done:
    """Resume it, unless what it has not read yet is gone: then raise `OperationError`, and leave it as it is."""
    before = named(control, name)
    kept = retention.look(before, control.connect, pipeline)
    if kept.passed:
        raise OperationError(
            f"{name} is left {before.state}: resumed, it would go on after a gap. {' '.join(kept.passed)}",
            _remedy_for_a_gap(control, before),
        )
    note = f"Whether it still finds all that it has not read could not be known: {kept.unknown}" if kept.unknown else ""
    control.order(f"resume {name}", lambda: control.connect.resume(name))
    watch = Watch(Aim(states.RUNNING, expected_tasks(pipeline, name), settle_seconds), before)
    return Done(_follow(control, name, watch), (note,) if note else ())


def restart(control: Control, name: str, pipeline: Pipeline, settle_seconds: float, *, only_failed: bool) -> Done:
    """Restart connector and tasks, or those of them that failed, and wait until all run."""
    before = named(control, name)
    if before.state in (states.PAUSED, states.STOPPED):
        raise OperationError(
            f"{name} is {before.state}: there is nothing to restart.", f"cdcproof connectors resume {shlex.quote(name)}"
        )
    failed = "FAILED" in (before.state, *(task.state for task in before.tasks))
    aim = Aim(states.RUNNING, expected_tasks(pipeline, name), settle_seconds)
    if only_failed and not failed:
        done = Done(_follow(control, name, Watch(replace(aim, settle_seconds=0.0))))
        return replace(done, notes=("Nothing of it has failed, so nothing was restarted.",))
    what = f"restart {'what failed of ' if only_failed else ''}{name}"
    control.order(what, lambda: control.connect.restart(name, only_failed=only_failed))
    return Done(_follow(control, name, Watch(aim, before)))


def delete(control: Control, name: str) -> Done:
    """Delete it, and report what stays."""
    before = named(control, name)
    notes = []
    topics: tuple[str, ...] = ()
    try:
        topics = control.connect.topics(name)
    except (RefusedError, UnexpectedAnswerError) as error:
        notes.append(f"Its topics stay as well; which they are Connect does not say: {error.message}")
    control.delete(name)
    return Done(_follow(control, name, Watch(Aim(states.DELETED), before)), tuple(notes), what_stays(before, topics))


def what_stays(connector: Connector, topics: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """What Connect does not take away with a connector, as kind and name."""
    stays = [("topic", topic) for topic in topics]
    if connector.kind == "sink":
        return (
            *stays,
            ("consumer group", connector_config.consumer_group(connector.name, connector.config)),
            ("data", "every row at the target"),
        )
    stays.append(("committed position", "a connector of the same name goes on from it, without a snapshot"))
    address = connector_config.source_address(connector.config)
    if address and address.slot:
        stays.append(
            ("replication slot", f"{address.slot}: it keeps the source's log until it is dropped or read again")
        )
    history = connector_config.said(connector.config, "schema.history.internal.kafka.topic")
    return (*stays, *([("topic", history)] if history and history not in topics else []))


def expected_tasks(pipeline: Pipeline, name: str) -> int | None:
    """What the pipeline file says; None for a connector that it does not have."""
    return next((connector.tasks for connector in pipeline.connectors if connector.name == name), None)


def _follow(control: Control, name: str, watch: Watch) -> Outcome:
    return control.follow({name: watch})[name]


def _remedy_for_a_gap(control: Control, connector: Connector) -> str:
    offsets = shlex.quote(f"{control.connect.url}/connectors/{quote(connector.name, safe='')}/offsets")
    name = shlex.quote(connector.name)
    if connector.kind == "sink":
        return (
            "Snapshot the tables of these topics again, then reconcile with --validate-checksums. To go on from what "
            f"there is: cdcproof connectors stop {name}; curl -X DELETE {offsets}; then resume it."
        )
    return (
        f"A new snapshot closes the gap: cdcproof connectors stop {name}; curl -X DELETE {offsets}; "
        f"then resume it, follow it by cdcproof connectors snapshot {name}, and reconcile with "
        "--validate-checksums: rows deleted at the source meanwhile stay at the target."
    )
