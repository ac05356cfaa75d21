"""Deploy connectors: validate all, keep how each is, give each its configuration, and follow them until all run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cdcproof.clients.connect.client import Connector, Offset
from cdcproof.clients.connect.validation import FieldError
from cdcproof.connectors import states
from cdcproof.connectors.commands import expected_tasks
from cdcproof.connectors.control import Control
from cdcproof.connectors.deployment.difference import differences
from cdcproof.connectors.deployment.plan import Step
from cdcproof.connectors.journal import Before, Change, Journal, Status
from cdcproof.connectors.states import Aim, Outcome, Watch
from cdcproof.core.errors import CouldNotLookError, OperationError
from cdcproof.pipeline.model import Pipeline

HALTED = (states.PAUSED, states.STOPPED)


@dataclass(frozen=True)
class Result:
    """How it ended for one connector. `action` is create, update, nothing, restore or delete."""

    name: str
    action: str
    status: Status
    text: str
    notes: tuple[str, ...] = ()
    unknown: bool = False


def exit_status(results: Sequence[Result]) -> int:
    """1 when one failed, else 3 when of one it could not be known, else 0."""
    if any(result.status == "failure" and not result.unknown for result in results):
        return 1
    return 3 if any(result.status != "success" for result in results) else 0


@dataclass(frozen=True)
class Validated:
    """Connector to what Connect says is wrong with its configuration, and to keys that its plug-in does not read; without those of which there is nothing."""

    errors: Mapping[str, tuple[FieldError, ...]]
    unread: Mapping[str, tuple[FieldError, ...]]

    def warnings(self) -> dict[str, tuple[str, ...]]:
        """Connector to its keys that nothing reads."""
        return {name: tuple(f"{key.field}: {key.text}" for key in keys) for name, keys in self.unread.items()}


def validate(steps: Sequence[Step], control: Control) -> Validated:
    """What Connect says of the configuration of each step's file."""
    found = {
        step.name: control.ask(
            f"the validation of {step.name}",
            lambda step=step: control.connect.validated({"name": step.name, **step.definition.config}),  # type: ignore[misc]
        )
        for step in steps
    }
    return Validated(
        {name: errors for name, (errors, _) in found.items() if errors},
        {name: unread for name, (_, unread) in found.items() if unread},
    )


def apply(
    steps: Sequence[Step],
    control: Control,
    journal: Journal,
    pipeline: Pipeline,
    *,
    settle_seconds: float,
    command: str,
) -> tuple[Result, ...]:
    """Make what runs equal to the files, and report of every connector of theirs whether it runs.

    What is equal already is left alone. Raises `OperationError`, and has changed nothing, when the journal cannot be
    written, or a connector is there that the plan takes for new.
    """
    _demand_new(steps, control)
    changed = [step for step in steps if step.changes]
    refused: dict[str, str] = {}
    deployment = None
    if changed:
        changes = tuple(
            Change(step.name, before(control, step.running), dict(step.definition.config)) for step in changed
        )
        deployment = journal.begin(command, changes)
        for step in changed:
            try:
                if step.running is None and step.definition.initial_state:
                    _create(control, step)
                else:
                    put(control, step.name, step.definition.config)
            except CouldNotLookError as error:
                refused[step.name] = error.message
    outcomes = _follow([step for step in steps if step.name not in refused], control, pipeline, settle_seconds)
    results = []
    for step in steps:
        if step.name in refused:
            result = Result(step.name, step.action, "failure", refused[step.name])
        else:
            result = _judged(step, outcomes[step.name], control)
        results.append(result)
        if deployment and step.changes:
            change = next(c for c in deployment.changes if c.connector == step.name)
            deployment = deployment.with_change(replace(change, status=result.status, why=result.text))
    if deployment:
        journal.save(deployment)
    return tuple(results)


def _demand_new(steps: Sequence[Step], control: Control) -> None:
    """Undone, a connector that was wrongly taken for new would be deleted."""
    new = [step.name for step in steps if step.running is None]
    if not new:
        return
    now = control.states(*new)
    there = [name for name in new if now.get(name)]
    if there:
        raise OperationError(
            f"{', '.join(there)} is there, and was not when the plan was made. Nothing was changed.", "Run it again."
        )


def before(control: Control, connector: Connector | None) -> Before:
    """All that `undo` needs to know of a connector that is about to be changed."""
    if connector is None:
        return Before()
    offsets: tuple[Offset, ...] | None = None
    unknown = ""
    try:
        offsets = control.ask(f"the offsets of {connector.name}", lambda: control.connect.offsets(connector.name))
    except CouldNotLookError as error:
        unknown = error.message
    return Before(dict(connector.config), connector.state, offsets, unknown)


def put(control: Control, name: str, config: Mapping[str, str]) -> None:
    """Give a connector its configuration, or create it with that."""
    control.order(f"deploy {name}", lambda: control.connect.put_config(name, config))


def _create(control: Control, step: Step) -> None:
    """Create a connector in the state that its file says."""
    definition = step.definition
    control.order(
        f"create {step.name}, {definition.initial_state}",
        lambda: control.connect.create(step.name, definition.config, definition.initial_state),
    )


def _state_before(step: Step) -> str:
    """The state that a connector keeps: that in which it is, or in which its file has it created."""
    return step.running.state if step.running else step.definition.initial_state


def aim_of(state: str, tasks: int | None, settle_seconds: float) -> Aim:
    """What a connector must come to that was in this state before: one that was halted stays so."""
    if state == states.STOPPED:
        return Aim(state)
    return Aim(state) if state == states.PAUSED else Aim(states.RUNNING, tasks, settle_seconds)


def _follow(steps: Sequence[Step], control: Control, pipeline: Pipeline, settle_seconds: float) -> dict[str, Outcome]:
    watches = {}
    for step in steps:
        was = _state_before(step)
        tasks = expected_tasks(pipeline, step.name)
        # what was not touched need not prove itself anew
        watches[step.name] = (
            Watch(aim_of(was, tasks, settle_seconds), step.running) if step.changes else Watch(aim_of(was, tasks, 0.0))
        )
    return control.follow(watches)


def _judged(step: Step, outcome: Outcome, control: Control) -> Result:
    if not outcome.held:
        return Result(step.name, step.action, "failure", outcome.text, unknown=outcome.unknown)
    try:
        now = control.states(step.name).get(step.name)
    except CouldNotLookError as error:
        return Result(step.name, step.action, "failure", error.message, unknown=True)
    other = differences(now.config if now else None, step.definition.config)
    if other:
        keys = ", ".join(change.key for change in other)
        return Result(step.name, step.action, "failure", f"Connect now has another configuration, in {keys}")
    was = _state_before(step)
    if was in HALTED:
        text = f"{was}, as {'it was' if step.running else 'the file says'}: nothing proves yet that it runs"
        return Result(
            step.name, step.action, "unproved", text, (f"cdcproof connectors resume {shlex.quote(step.name)}",)
        )
    return Result(step.name, step.action, "success", outcome.text)
