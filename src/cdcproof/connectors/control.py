"""Acts on connectors: each order is written down first, insisted upon, and followed until it is carried out.

A rebalance, a worker that is gone for a while and one that is starting are all waited for, under one deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from cdcproof.clients.connect.client import Connect, ConnectorStates
from cdcproof.clients.http import ConflictError, NotFoundError, ServiceFailedError
from cdcproof.connectors.states import DELETED, Outcome, Watch
from cdcproof.core.acts import written_down
from cdcproof.core.errors import CouldNotLookError, DeadlineError, UnreachableError
from cdcproof.core.waiting import Deadline, wait_until

T = TypeVar("T")
_PASSING = (UnreachableError, ConflictError, ServiceFailedError)
_INTERVAL_SECONDS = 0.25


@dataclass(frozen=True)
class Control:
    """Acts on one Connect, whose client must not wait by itself (`patience_seconds=0`).

    `write_down` is given each order before it goes out, and then how it ended; `report` what is being waited for.
    """

    connect: Connect
    deadline: Deadline
    write_down: Callable[[str], None]
    report: Callable[[str], None]

    def order(self, what: str, request: Callable[[], T]) -> T:
        """Give an order until Connect takes it. Every order here may be repeated: it says what shall be, not what to change.

        Raises `DeadlineError` when Connect was still rebalancing or did not answer at the end, any other refusal at once.
        """
        with written_down(self.write_down, f"{what} at {self.connect.url}", ended="taken"):
            return self.ask(what, request)

    def ask(self, what: str, request: Callable[[], T]) -> T:
        """The same for what only looks."""

        def look() -> T | CouldNotLookError:
            try:
                return request()
            except _PASSING:
                raise
            except CouldNotLookError as refusal:
                return refusal

        last: list[CouldNotLookError] = []

        def report(seen: object) -> None:
            if isinstance(seen, CouldNotLookError):
                last.append(seen)
                self.report(f"{what}: {_reason(seen)}")

        try:
            seen = wait_until(
                look,
                lambda _: True,
                what=what,
                deadline_seconds=self.deadline.remaining_seconds,
                interval_seconds=_INTERVAL_SECONDS,
                report=report,
            )
        except DeadlineError as error:
            reason = _reason(last[-1]) if last else error.message
            raise DeadlineError(
                f"{what}: not taken within {self.deadline.seconds:g} s. {reason}",
                "Look at the workers, then give the order again; --deadline makes it wait for longer.",
            ) from None
        if isinstance(seen, CouldNotLookError):
            raise seen
        return seen

    def delete(self, name: str) -> None:
        """Delete a connector; that it is gone when the order is repeated means that it was taken."""
        tries = 0

        def request() -> None:
            nonlocal tries
            tries += 1
            try:
                self.connect.delete(name)
            except NotFoundError:
                if tries == 1:
                    raise

        self.order(f"delete {name}", request)

    def states(self, *names: str) -> ConnectorStates:
        """What Connect reports now, as soon as it answers; of these names absence is certain."""
        return self.ask("the connectors' states", lambda: self.connect.states(names))

    def follow(self, watches: Mapping[str, Watch]) -> dict[str, Outcome]:
        """Look until it is decided of each connector whether it came to what it should, or the deadline passes."""
        began = self.deadline.elapsed_seconds
        deleted = [name for name, watch in watches.items() if watch.aim.state == DELETED]
        unseen = ""

        def seconds() -> float:
            return self.deadline.elapsed_seconds - began

        def look() -> bool:
            nonlocal unseen
            try:
                states = self.connect.states(deleted)
            except CouldNotLookError as error:
                unseen = _reason(error)
                for watch in watches.values():
                    watch.miss(seconds())
                self.report(unseen)
                return False
            unseen = ""
            for name, watch in watches.items():
                watch.see(states.get(name), seconds())
            waiting = _waiting(watches, states)
            if waiting:
                self.report(waiting)
            return not waiting

        with suppress(DeadlineError):  # what was seen last is reported for each
            wait_until(
                look,
                bool,
                what="the connectors",
                deadline_seconds=self.deadline.remaining_seconds,
                interval_seconds=_INTERVAL_SECONDS,
            )
        return {name: watch.end(seconds(), unseen) for name, watch in watches.items()}


def exit_status(outcomes: Iterable[Outcome]) -> int:
    """1 when something was seen not to hold, else 3 when something could not be seen, else 0."""
    outcomes = tuple(outcomes)
    if any(not outcome.held and not outcome.unknown for outcome in outcomes):
        return 1
    return 3 if any(not outcome.held for outcome in outcomes) else 0


def _reason(error: CouldNotLookError) -> str:
    if isinstance(error, ConflictError):
        return f"Kafka Connect is rebalancing: {error.message}"
    return error.message


def _waiting(watches: Mapping[str, Watch], states: ConnectorStates) -> str:
    waiting = {name: watch.aim.shortfall(states.get(name)) for name, watch in watches.items() if not watch.outcome}
    return "; ".join(f"{name}: {short or 'looking again'}" for name, short in waiting.items())
