"""When an order to a connector has been carried out. Pure: it receives what was seen and when.

A state that Connect reports is only as fresh as the worker behind it. Seen on Connect 3.9: after a new configuration the
old state, RUNNING or FAILED, is reported for up to 0.3 s; a sink with a wrong password is RUNNING for 0.7 s (by its default
settings, 31 s) before its task fails. Hence a failure is believed only once something has changed or a few seconds have
passed, and RUNNING only when it still holds at a second look.
"""

from __future__ import annotations

from dataclasses import dataclass

from cdcproof.clients.connect.client import Connector, root_cause

RUNNING, PAUSED, STOPPED, DELETED = "RUNNING", "PAUSED", "STOPPED", "deleted"
_STALE_SECONDS = 5.0


@dataclass(frozen=True)
class Aim:
    """What must hold: a state of the connector and of each task, and that it goes on holding for `settle_seconds`.

    `tasks` is their number, None where any number but none will do. STOPPED means no tasks.
    """

    state: str
    tasks: int | None = None
    settle_seconds: float = 0.0

    def shortfall(self, seen: Connector | None) -> str:
        """What is missing, in words; empty when it holds."""
        if self.state == DELETED:
            return "" if seen is None else "it is still there"
        if seen is None:
            return "there is no such connector"
        wrong = [f"it is {seen.state}"] if seen.state != self.state else []
        if self.state == STOPPED:
            return "; ".join([*wrong, *([f"{_tasks(len(seen.tasks))} left"] if seen.tasks else [])])
        wrong += [f"task {task.id} is {task.state}" for task in seen.tasks if task.state != self.state]
        count = len(seen.tasks)
        if count != (self.tasks or max(1, count)):
            wrong.append(f"it has {_tasks(count)} of {self.tasks or 'at least 1'}")
        return "; ".join(wrong)

    def failure(self, seen: Connector | None) -> str:
        """Why it can never come to hold by itself: something has failed, and Connect starts nothing again by itself."""
        if seen is None or self.state in (STOPPED, DELETED):
            return ""
        parts = [("the connector", seen.state, seen.trace), *((f"task {t.id}", t.state, t.trace) for t in seen.tasks)]
        return "; ".join(
            f"{name} FAILED: {root_cause(trace) or 'Connect gives no cause'}"
            for name, state, trace in parts
            if state == "FAILED"
        )


@dataclass(frozen=True)
class Outcome:
    """How it ended. `unknown` says that Connect could not be asked at the end, so that nothing is known."""

    held: bool
    text: str
    seconds: float
    unknown: bool = False


@dataclass
class Watch:
    """Follows one connector from the order on. `before` is what was seen last before it."""

    aim: Aim
    before: Connector | None = None
    outcome: Outcome | None = None
    _held_since: float | None = None
    _stale_until: float = _STALE_SECONDS
    _last: Connector | None = None

    def see(self, seen: Connector | None, seconds: float) -> None:
        """Take a look, `seconds` after the order, into account."""
        if self.outcome:
            return
        if _signs(seen) != _signs(self.before):
            self._stale_until = 0.0
        self._last = seen
        if not self.aim.shortfall(seen):
            if self._held_since is None:
                self._held_since = seconds
            if seconds - self._held_since >= self.aim.settle_seconds:
                self.outcome = Outcome(True, self._described(), seconds)
            return
        self._held_since = None
        failure = self.aim.failure(seen)
        if failure and seconds >= self._stale_until:
            self.outcome = Outcome(False, failure, seconds)

    def miss(self, seconds: float) -> None:
        """Connect did not answer: what held may not hold any more, and what is reported next may be from before."""
        self._held_since = None
        self._stale_until = seconds + _STALE_SECONDS
        self.before = self._last or self.before

    def end(self, seconds: float, unseen: str = "") -> Outcome:
        """The time is up; `unseen` says why Connect could not be asked at the end, where it could not."""
        if self.outcome is None:
            text = unseen or self.aim.shortfall(self._last) or "it holds, but not for long enough to be believed"
            self.outcome = Outcome(False, f"not within {seconds:.0f} s: {text}", seconds, unknown=bool(unseen))
        return self.outcome

    def _described(self) -> str:
        return {DELETED: "gone", RUNNING: "connector and tasks RUNNING"}.get(self.aim.state, self.aim.state)


def _tasks(count: int) -> str:
    return f"{count} task" if count == 1 else f"{count} tasks"


def _signs(connector: Connector | None) -> object:
    """What Connect reports of states, without the configuration."""
    return connector and (connector.state, connector.trace, connector.tasks)
