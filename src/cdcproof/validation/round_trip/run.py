"""The round trip: insert, update and delete a test row at the source, and see each at the target.

A row with a test row's key that is not ours is never touched, and then nothing is written at all. Ours is a row with our
values, before or after the update: so a later run knows what a killed one left lying there.

Where deletes are soft, a deleted row stays at the target and no longer fits the table's target_filter. The filter is looked
through, so that the delete is seen, and what is left of our row is then taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from cdcproof.core.acts import written_down
from cdcproof.core.errors import CouldNotLookError, DeadlineError, OperationError, UnreachableError, UsageError
from cdcproof.core.time_limit import time_to_clean_up
from cdcproof.core.waiting import Deadline, wait_until
from cdcproof.databases.contracts.test_rows import Rows, Writer
from cdcproof.pipeline.model import RoundTrip
from cdcproof.validation.round_trip.journey import ACTS, Act, Hop, Journey, Traveller

_INTERVAL_SECONDS = 0.01
_MARKED = "the row, marked as deleted"
_CLEAN_UP_SECONDS = 5.0
"""How long replication is given to remove a test row at the target before we do it."""
_REMOVING_SECONDS = 60.0
"""When nothing more is begun to take test rows away, of many tables that are locked, say: those that are left are named."""


@dataclass(frozen=True)
class Ends:
    """Both databases. `write_down` is given each act before it is done, then how it ended; `report` what is being waited for."""

    source: Writer
    target: Writer
    limits: RoundTrip
    write_down: Callable[[str], None]
    report: Callable[[str], None]


def travel(travellers: Sequence[Traveller], ends: Ends) -> Journey:
    """Send the test rows on their way, all tables at once, and clean up whatever happens.

    Rows are inserted in the order given and deleted in the opposite one, so that a row may refer to one before it.
    Raises `UsageError` when a key is taken by a row that is not ours, `CouldNotLookError` when a database cannot be asked.
    """
    if not travellers:
        raise UsageError(
            "No table of the pipeline has a test row.",
            "Add test_row and test_update to one of its [[tables]]; docs/PIPELINE.md shows how.",
        )
    rows, leftovers = look_before(travellers, ends.source, ends.target)
    _must_be_removed(_remove(rows, ends), "An earlier run was cut short.")
    hops: list[Hop] = []
    try:
        for act in ACTS:
            hops += _act_and_watch(act, rows, hops, ends)
    except Exception as error:
        _must_be_removed(_remove(rows, ends), str(error))
        raise
    except BaseException:  # Ctrl-C, or the run's time is over
        with time_to_clean_up(2 * _REMOVING_SECONDS):
            _remove(rows, ends)
        raise
    return Journey(tuple(hops), ends.limits.deadline_seconds, leftovers, _remove(rows, ends))


def look_before(
    travellers: Sequence[Traveller], source: Rows, target: Rows
) -> tuple[tuple[Traveller, ...], tuple[str, ...]]:
    """The test rows with the target's own names, and sentences about those of ours that lie there already.

    Raises `UsageError` when a key is taken by a row that is not ours. Nothing is written.
    """
    rows = tuple(_with_names_at_the_target(row, target) for row in travellers)
    found = []
    for row in rows:
        for side, session, place in (("source", source, row.source), ("target", target, row.target)):
            there = session.find(place.whatever_holds())
            is_live = not place.condition or bool(session.find(place))
            is_ours = row.is_ours if is_live else row.is_left_of_ours
            if any(not is_ours(one) for one in there) or len(there) > 1:
                raise UsageError(
                    f"{place.table} at the {side} has a row with {row.key} that is not ours. Nothing was written.",
                    f"Give {row.table} a test_row with a free key in the pipeline file, or remove that row if nobody needs it.",
                )
            if there:
                described = row.described(there) if is_live else _MARKED
                found.append(f"{place.table} at the {side}: {described}, with {row.key}")
    return rows, tuple(found)


def _act_and_watch(act: Act, rows: Sequence[Traveller], hops: Sequence[Hop], ends: Ends) -> list[Hop]:
    """One act on every table. A row that never arrived cannot show whether its update or its deletion does."""
    arrived = {hop.table for hop in hops if hop.act == "insert" and hop.seconds is not None}
    watched = [row for row in rows if act == "insert" or row.table in arrived]
    clocks: dict[Traveller, Deadline] = {}
    for row in reversed(rows) if act == "delete" else watched:  # one that stayed might refer to one that goes
        _do(act, row, ends)
        clocks[row] = Deadline(0)
    seconds = _watch(act, {row: clocks[row] for row in watched}, ends, ends.limits.deadline_seconds)
    return [Hop(row.table, act, seconds[row]) if row in seconds else _missed(act, row, ends) for row in watched]


def _do(act: Act, row: Traveller, ends: Ends) -> None:
    place = row.source.table
    with written_down(ends.write_down, f"{act} at the source: the test row of {place} with {row.key}"):
        _do_at_the_source(act, row, ends)


def _do_at_the_source(act: Act, row: Traveller, ends: Ends) -> None:
    place = row.source.table
    if act == "insert":
        if not ends.source.insert(row.source, row.is_ours, row.values):
            raise UsageError(
                f"{place} does not give back the test row as it was inserted, so that it could not be known again. "
                "It was not inserted.",
                f"Write each value of {row.table}'s test_row in its column's own type and length; leave out what a trigger sets.",
            )
        return
    done = (
        ends.source.update(row.source, row.is_ours, row.changes)
        if act == "update"
        else ends.source.delete(row.source, row.is_ours)
    )
    if not done:
        raise OperationError(
            f"The {act} was not made: the test row of {place} with {row.key} is not, or would not be, as the pipeline file has it.",
            f"Write test_update of {row.table} in the columns' own types; look whether somebody else uses that key.",
        )


def _watch(
    act: Act,
    started: Mapping[Traveller, Deadline],
    ends: Ends,
    deadline_seconds: float,
    seen: dict[Traveller, float] | None = None,
) -> dict[Traveller, float]:
    """Seconds until each was seen; one that was not seen before the deadline is left out.

    Raises `CouldNotLookError` when the deadline is over and one of them could not be looked at; `seen` has the others.
    """
    seen = {} if seen is None else seen

    def look() -> list[str]:
        failed: CouldNotLookError | None = None
        for row, clock in started.items():
            if row in seen:
                continue
            try:
                if row.has_arrived(act, ends.target.find(row.target)):
                    seen[row] = clock.elapsed_seconds
            except UnreachableError:
                raise
            except CouldNotLookError as error:  # its table is locked, say: the others are looked at all the same
                failed = error
        if failed:
            raise failed
        return [row.table for row in started if row not in seen]

    try:
        wait_until(
            look,
            lambda missing: not missing,
            what=f"the {act}",
            deadline_seconds=deadline_seconds,
            interval_seconds=_INTERVAL_SECONDS,
            report=lambda seen: ends.report(f"{act}: {', '.join(seen) if isinstance(seen, list) else seen}"),
        )
    except DeadlineError:
        look()  # what could not be asked must not be called missing
    return seen


def _missed(act: Act, row: Traveller, ends: Ends) -> Hop:
    return Hop(row.table, act, None, row.described(ends.target.find(row.target)))


def _remove(rows: Sequence[Traveller], ends: Ends) -> dict[str, str]:
    """Remove the test rows on both sides, each as far as it can be; table to why its row is still there."""
    clock = Deadline(_REMOVING_SECONDS)
    remains: dict[str, str] = {}
    on_their_way: dict[Traveller, Deadline] = {}

    def each(these: Sequence[Traveller], of: str, remove: Callable[[Traveller], None]) -> None:
        for row in these:
            if clock.passed:
                remains.setdefault(row.table, f"{of} may still be there: no time was left after {clock.seconds:g} s")
                continue
            try:
                remove(row)
            except CouldNotLookError as error:
                remains[row.table] = f"{of} may still be there: {error.message}"

    def at_the_source(row: Traveller) -> None:
        if any(row.is_ours(one) for one in ends.source.find(row.source)):
            what = f"delete at the source: the test row of {row.source.table} with {row.key}"
            with written_down(ends.write_down, what):
                ends.source.delete(row.source, row.is_ours)
        if ends.target.find(row.target):
            on_their_way[row] = Deadline(0)

    def at_the_target(row: Traveller) -> None:
        what = f"delete at the target: the test row of {row.target.table} with {row.key}"
        with written_down(ends.write_down, what):
            ends.target.delete(row.target, row.is_ours)
        there = ends.target.find(row.target)
        if there:
            remains[row.table] = f"the target has {row.described(there)}"

    each(rows[::-1], "it", at_the_source)
    gone: dict[Traveller, float] = {}
    with suppress(CouldNotLookError):  # whoever is not seen to go is removed below
        _watch("delete", on_their_way, ends, min(_CLEAN_UP_SECONDS, ends.limits.deadline_seconds), gone)
    each([row for row in on_their_way if row not in gone], "the target's", at_the_target)
    soft = [row for row in rows if row.target.condition]
    each(soft, "the target's, marked as deleted,", lambda row: _remove_marked(row, ends, remains))
    return remains


def _remove_marked(row: Traveller, ends: Ends, remains: dict[str, str]) -> None:
    """Remove what a soft delete leaves of the row."""
    whole = row.target.whatever_holds()
    if row.table in remains or not ends.target.find(whole):
        return
    what = f"delete at the target: the test row of {row.target.table}, marked as deleted, with {row.key}"
    with written_down(ends.write_down, what):
        ends.target.delete(whole, row.is_left_of_ours)
    if ends.target.find(whole):
        remains[row.table] = f"the target has {_MARKED}"


def _must_be_removed(remains: Mapping[str, str], why: str) -> None:
    if remains:
        left = "; ".join(f"{table}: {reason}" for table, reason in remains.items())
        raise OperationError(f"{why}\nA test row could not be removed: {left}", "Remove it by hand, then try again.")


def _with_names_at_the_target(row: Traveller, target: Rows) -> Traveller:
    """The row with the target's own spelling of its columns, where it differs in case alone."""
    names = [column.name for column in target.columns(row.target.table)]
    spelling = {**{name.lower(): name for name in names}, **{name: name for name in names}}

    def spelt(column: str) -> str:
        return spelling.get(column, spelling.get(column.lower(), column))

    return replace(
        row,
        target=replace(
            row.target,
            key={spelt(column): value for column, value in row.target.key.items()},
            columns=tuple(spelt(column) for column in row.target.columns),
        ),
    )
