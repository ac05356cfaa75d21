"""See that rows get from the source to the target: by connectors that run, and then by the rows themselves."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace

from cdcproof.clients.connect.client import root_cause
from cdcproof.core.errors import DeadlineError, OperationError
from cdcproof.core.patience import stretched
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import Deadline, wait_until
from cdcproof.environments.embedded import connectors, state
from cdcproof.environments.embedded.data import databases, stores
from cdcproof.environments.embedded.data.stores import Store
from cdcproof.environments.embedded.processes import supervision
from cdcproof.environments.embedded.state import Instance

_RECONNECT_SECONDS = 2.0
_REFILL_SECONDS = 600.0
_FEW_ROWS = 10_000
_YOUNG_SECONDS, _HEARTBEAT_SECONDS = 30.0, 30.0
_LOOKS_PER_QUESTION = 10
"""Of the looks that follow each other quickly, every so many asks Kafka Connect as well, which has better things to do."""


def establish(
    instance: Instance, progress: Progress, *, new: Collection[str] = (), lost: Collection[Store] = ()
) -> Instance:
    """See that both connectors replicate. `new` are the services whose processes were replaced, `lost` the stores made anew."""
    connectors.ensure(instance)
    if {store.service for store in lost} == {stores.TARGET}:  # the positions are there, the rows before them are not
        connectors.read_tables_again(instance)
    if databases.SERVICES["target"] in new and instance.prepared:  # a write that it interrupted fails seconds later
        connectors.restart(instance, ("target",))
    connectors.wait_until_running(instance, progress, deadline_seconds=supervision.START_SECONDS)
    if instance.prepared:
        _connect_to_databases(instance, progress)
        connectors.wait_until_consuming(instance, progress, deadline_seconds=supervision.START_SECONDS)
        if lost:
            rows = follow(instance, progress, what="read again", deadline_seconds=_REFILL_SECONDS)
            progress.done(f"the {rows:,} rows of the source are in the target")
    else:  # rows that arrive prove both connections
        rows = follow(instance, progress, what="snapshot", deadline_seconds=supervision.START_SECONDS)
        progress.done(f"both connectors run; the snapshot of {rows} rows is in the target")
        instance = replace(instance, prepared=True)
    instance = stores.marked(instance)
    state.save(instance)
    wait_for_heartbeat(instance, progress)
    return instance


def follow(instance: Instance, progress: Progress, *, what: str, deadline_seconds: float) -> int:
    """Wait until the target has as many rows as the source has now, showing how many are there; return how many.

    Raises `OperationError` as soon as a connector or a task fails: nobody would see the rows arrive any more.
    """
    total = sum(databases.counts(instance, "source").values())
    connect = connectors.client(instance)
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
                    "cdcproof up   # starts it again; cdcproof logs kafka-connect shows why",
                )
        return rows

    def report(seen: object) -> None:
        progress.count(what, seen if isinstance(seen, int) else 0, total, "rows")

    return wait_until(
        look,
        lambda rows: rows >= total,
        what=f"{total:,} rows in the target",
        deadline_seconds=deadline_seconds,
        patience=stretched,
        interval_seconds=0.05 if soon else 0.5,
        report=report,
    )


def wait_for_heartbeat(instance: Instance, progress: Progress) -> None:
    """Wait until a heartbeat of now is at the target: after a night's rest the last one there is of yesterday.

    One that does not come keeps nobody from the checks, which say so. Raises `OperationError` for a connector that keeps failing.
    """
    failures = connectors.Failures(instance)
    looked = 0

    def look() -> float | None:
        nonlocal looked
        looked += 1
        if looked % _LOOKS_PER_QUESTION == 0:
            failures.restarted()
        return databases.heartbeat_seconds(instance)

    with suppress(DeadlineError):
        wait_until(
            look,
            lambda age: age is not None and age < _YOUNG_SECONDS,
            what="a heartbeat to arrive at the target",
            deadline_seconds=_HEARTBEAT_SECONDS,
            patience=stretched,
            interval_seconds=0.1,
            report=lambda _: progress.waiting("the first heartbeat is on its way to the target"),
        )


def _connect_to_databases(instance: Instance, progress: Progress) -> None:
    """Wait until both connectors have a connection to their database.

    An idle sink does not notice that its database was away, and would fail with the next row: it is restarted.
    """
    deadline = Deadline(stretched(supervision.START_SECONDS))
    while True:
        try:
            wait_until(
                lambda: databases.disconnected(instance),
                lambda missing: not missing,
                what="both connectors to be connected to their database",
                deadline_seconds=min(_RECONNECT_SECONDS, deadline.remaining_seconds),
                report=lambda _: progress.waiting("the connectors connect to their databases"),
            )
        except DeadlineError:
            if deadline.passed:
                raise
            connectors.restart(instance, databases.disconnected(instance))
            connectors.wait_until_running(instance, progress, deadline_seconds=supervision.START_SECONDS)
        else:
            return
