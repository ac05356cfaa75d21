"""Follow the rows from the source to the target."""

from __future__ import annotations

from contextlib import suppress

from cdcproof.clients.connect.client import root_cause
from cdcproof.core.errors import DeadlineError, OperationError
from cdcproof.core.patience import stretched
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import wait_until
from cdcproof.environments.embedded import connectors, databases
from cdcproof.environments.embedded.state import Instance

_FEW_ROWS = 10_000
_YOUNG_SECONDS, _HEARTBEAT_SECONDS = 30.0, 30.0
_LOOKS_PER_QUESTION = 10
"""Of the looks that follow each other quickly, every so many asks Kafka Connect as well, which has better things to do."""


def follow(instance: Instance, progress: Progress, *, what: str, deadline_seconds: float) -> int:
    """Wait until the target has as many rows as the source has now, showing how many are there; return how many.

    Raises `OperationError` as soon as a connector or a task fails: nobody would see the rows arrive any more.
    """
    total = sum(databases.counts(instance, "source").values())
    connect = connectors.door(instance)
    soon = total < _FEW_ROWS
    looked = 0

    def look() -> int:
        nonlocal looked
        looked += 1
        rows = sum(databases.counts(instance, "target").values())
        if rows < total and (not soon or looked % _LOOKS_PER_QUESTION == 0):
            seen = connect.states()
            for subject, trace in seen.traces.items():
                raise OperationError(
                    f"{subject} failed with {rows:,} of {total:,} rows in the target: {root_cause(trace)}",
                    "cdcproof up   # starts it again; cdcproof logs kafka-connect tells more",
                )
        return rows

    def tell(seen: object) -> None:
        progress.count(what, seen if isinstance(seen, int) else 0, total, "rows")

    return wait_until(
        look,
        lambda rows: rows >= total,
        what=f"{total:,} rows in the target",
        deadline_seconds=deadline_seconds,
        patience=stretched,
        interval_seconds=0.05 if soon else 0.5,
        tell=tell,
    )


def wait_for_heartbeat(instance: Instance, progress: Progress) -> None:
    """Wait until a heartbeat of now is at the target: after a night's rest the last one there is of yesterday.

    One that does not come keeps nobody from the checks, which say so.
    """
    with suppress(DeadlineError):
        wait_until(
            lambda: databases.heartbeat_seconds(instance),
            lambda age: age is not None and age < _YOUNG_SECONDS,
            what="a heartbeat to arrive at the target",
            deadline_seconds=_HEARTBEAT_SECONDS,
            patience=stretched,
            interval_seconds=0.1,
            tell=lambda _: progress.waiting("the first heartbeat is on its way to the target"),
        )
