"""Take a deployment back: each connector gets the configuration, the state and, where possible, the position it had.

Restored positions make a connector deliver again what passed since, which repairs what a wrong configuration skipped.
Only positions that are still kept are restored. Seen with Debezium 3.4: a PostgreSQL source that is set back before
its slot's restart_lsn does not start any more, and the slot itself never goes back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from cdcproof.clients.connect.client import Connector, Offset
from cdcproof.clients.kafka.client import Kafka
from cdcproof.connectors import retention, states
from cdcproof.connectors.commands import expected_tasks, what_stays
from cdcproof.connectors.control import Control
from cdcproof.connectors.deployment.deploy import HALTED, Result, aim_of, put
from cdcproof.connectors.deployment.difference import differences
from cdcproof.connectors.journal import Change, Deployment, Journal, Status
from cdcproof.connectors.retention import Retention
from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.states import Aim, Watch
from cdcproof.core.errors import CdcproofError, CouldNotLookError, OperationError
from cdcproof.pipeline.model import Pipeline


def undo(
    deployment: Deployment, control: Control, journal: Journal, pipeline: Pipeline, settle_seconds: float
) -> tuple[Result, ...]:
    """Take it back, the last connector first, and report of each whether it is as it was.

    Raises `OperationError`, and changes nothing, when a connector was changed by somebody else since.
    """
    names = [change.connector for change in deployment.changes]
    running = control.states(*names)
    for change in deployment.changes:
        _demand_untouched(change, running.get(change.connector), journal.path(deployment))
    results = []
    for change in reversed(deployment.changes):
        try:
            result = _Undoing(change, control, pipeline, settle_seconds).result(running.get(change.connector))
        except CouldNotLookError as error:
            result = Result(change.connector, "restore", "failure", error.message, unknown=True)
        results.append(result)
        deployment = deployment.with_change(replace(change, undo=result.status))
        journal.save(deployment)
    try:
        now = control.states(*names)
    except CouldNotLookError:
        return tuple(results)  # it can be undone again
    undone = all(_is_undone(change, now.get(change.connector)) for change in deployment.changes)
    journal.save(replace(deployment, undone=undone))
    return tuple(results)


def _demand_untouched(change: Change, current: Connector | None, kept: object) -> None:
    if _is_as_before(change, current) or (current and not differences(current.config, change.after)):
        return
    if current is None:
        changed = "it was deleted"
    else:
        changed = f"it differs in {', '.join(c.key for c in differences(current.config, change.after))}"
    raise OperationError(
        f"{change.connector} was changed by somebody else since: {changed}. Nothing was undone.",
        f"How it was before the deployment is kept in {kept} (secrets in clear).",
    )


def _is_as_before(change: Change, current: Connector | None) -> bool:
    if change.before.config is None or current is None:
        return change.before.config is None and current is None
    return not differences(current.config, change.before.config)


def _is_undone(change: Change, current: Connector | None) -> bool:
    """Whether nothing is left to be taken back: an undoing that was interrupted may have left it halted."""
    halted = current is not None and current.state in HALTED and current.state != change.before.state
    return _is_as_before(change, current) and not halted


class _Undoing:
    """Taking back one connector's change."""

    def __init__(self, change: Change, control: Control, pipeline: Pipeline, settle_seconds: float) -> None:
        self._change = change
        self._name = change.connector
        self._control = control
        self._pipeline = pipeline
        self._settle_seconds = settle_seconds
        self._notes: list[str] = []

    def result(self, current: Connector | None) -> Result:
        if self._change.before.config is None:
            return self._taken_away(current)
        if _is_undone(self._change, current):
            return Result(self._name, "nothing", "success", "its configuration is as it was")
        return self._restored(current)

    def _taken_away(self, current: Connector | None) -> Result:
        """A connector that was created: its positions go too, for another try must begin with a snapshot."""
        if current is None:
            return Result(self._name, "delete", "success", "it is not there")
        topics = self._topics()
        if self._can_change_offsets():
            self._stop(current)
            self._control.order(
                f"reset the offsets of {self._name}", lambda: self._control.connect.reset_offsets(self._name)
            )
        else:
            self._notes.append(
                "Its positions stay, for this worker cannot reset them: created again, it goes on from there."
            )
        self._control.delete(self._name)
        outcome = self._control.follow({self._name: Watch(Aim(states.DELETED), current)})[self._name]
        kinds = {
            kind: [n for k, n in what_stays(current, topics) if k == kind] for kind in ("topic", "replication slot")
        }
        self._notes += [f"Stays: {kind} {', '.join(names)}" for kind, names in kinds.items() if names]
        status: Status = "success" if outcome.held else "failure"
        return Result(self._name, "delete", status, outcome.text, tuple(self._notes), outcome.unknown)

    def _restored(self, current: Connector | None) -> Result:
        before = self._change.before
        assert before.config is not None  # noqa: S101  `result` has looked
        wrong = ""
        if current and self._can_change_offsets():
            self._stop(current)
            put(self._control, self._name, before.config)
            wrong = self._restore_offsets()
            self._set_state(before.state)
        else:
            self._notes.append("Its position is as it is now, for this worker cannot change offsets.")
            put(self._control, self._name, before.config)
        watch = Watch(aim_of(before.state, expected_tasks(self._pipeline, self._name), self._settle_seconds), current)
        outcome = self._control.follow({self._name: watch})[self._name]
        now = self._control.states(self._name).get(self._name)
        if not _is_as_before(self._change, now):
            wrong = "Connect does not have the configuration from before"
        text = "; ".join([*([wrong] if wrong else []), outcome.text])
        status: Status = "success" if outcome.held and not wrong else "failure"
        return Result(self._name, "restore", status, text, tuple(self._notes), outcome.unknown and not wrong)

    def _restore_offsets(self) -> str:
        """Set the positions back, or note why not; what went wrong, for the result."""
        saved = self._change.before.offsets
        if saved is None:
            self._notes.append(
                f"Its position is as it is now; it was not known before: {self._change.before.offsets_unknown}"
            )
            return ""
        now = self._offsets()
        if _alike(now, saved):
            return ""
        kept = self._kept(saved)
        if kept.verdict != "kept":
            why = " ".join(kept.passed) or kept.unknown
            self._notes.append(f"Its position is as it is now, and not as it was, which is no longer to be had: {why}")
            return ""
        connect, name = self._control.connect, self._name
        if saved:
            known = [offset["partition"] for offset in saved]
            forgotten = [{"partition": o["partition"], "offset": None} for o in now if o["partition"] not in known]
            self._control.order(
                f"set back the offsets of {name}", lambda: connect.alter_offsets(name, [*saved, *forgotten])
            )
        else:
            self._control.order(f"reset the offsets of {name}", lambda: connect.reset_offsets(name))
        if not _alike(self._offsets(), saved):
            return "Connect took the positions from before, and reports others"
        self._notes.append("Its position is as it was before the deployment: what passed since is delivered again.")
        return ""

    def _kept(self, saved: Sequence[Offset]) -> Retention:
        """Whether what follows these positions is still there."""
        config = self._change.before.config or {}
        try:
            if "topics" in config or "topics.regex" in config:
                topics = sorted({str(offset["partition"]["kafka_topic"]) for offset in saved})
                lags = Kafka(self._pipeline.kafka).lag(connector_config.consumer_group(self._name, config), topics)
                return retention.of_sink_at(saved, lags)
            return retention.of_source(config, saved, self._pipeline)
        except CdcproofError as error:
            return Retention(unknown=error.message)

    def _set_state(self, state: str) -> None:
        if state == states.STOPPED:
            return
        connect, name = self._control.connect, self._name
        if state == states.PAUSED:
            self._control.order(f"pause {name}", lambda: connect.pause(name))
        else:
            self._control.order(f"resume {name}", lambda: connect.resume(name))

    def _stop(self, current: Connector) -> None:
        self._control.order(f"stop {self._name}", lambda: self._control.connect.stop(self._name))
        outcome = self._control.follow({self._name: Watch(Aim(states.STOPPED), current)})[self._name]
        if not outcome.held:
            raise CouldNotLookError(f"It could not be stopped: {outcome.text}")

    def _can_change_offsets(self) -> bool:
        asked = f"whether offsets of {self._name} can be changed"
        return self._control.ask(asked, lambda: self._control.connect.can_change_offsets(self._name))

    def _offsets(self) -> tuple[Offset, ...]:
        return self._control.ask(f"the offsets of {self._name}", lambda: self._control.connect.offsets(self._name))

    def _topics(self) -> tuple[str, ...]:
        try:
            return self._control.connect.topics(self._name)
        except CouldNotLookError:
            return ()  # they stay whether they are reported or not


def _alike(one: Sequence[Offset], other: Sequence[Offset]) -> bool:
    """Whether the positions are the same, in whatever order they are reported."""
    return sorted(map(_text, one)) == sorted(map(_text, other))


def _text(offset: Offset) -> str:
    return json.dumps(offset, sort_keys=True)
