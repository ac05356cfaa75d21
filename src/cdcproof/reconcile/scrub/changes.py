"""The rows of the source that were written since the last scrub: found by a feed or by the update column, and proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from cdcproof.core.waiting import Deadline, side_by_side
from cdcproof.databases.contracts.change_feed import ChangeFeed, Changes, Followed
from cdcproof.databases.names import TableName
from cdcproof.databases.table_read import Since
from cdcproof.reconcile.scrub.proofs import OVERLAP, is_waited_for
from cdcproof.reconcile.scrub.table import Work
from cdcproof.reconcile.slices.reading import log_end

CHANGES_PER_READING = 50_000
_FENCES_AT_ONCE = 16
"""Each asks Kafka and Kafka Connect again and again."""
_EVERY_CHUNK = (-2, -1, 0, 1, 2)
_WIDEST = 1 << 62  # with chunks as wide as this, those are all there are
_OVERLAP_HOURS = OVERLAP.total_seconds() / 3600


def follow(works: Sequence[Work], feed: ChangeFeed | None) -> None:
    """Find out what shows each table's changes: the feed, else its update column, else nothing."""
    by_table: dict[TableName, tuple[str, ...]] = {}
    for work in works:
        by_table.setdefault(work.plan.source.table, work.key_names)
    following = feed.following(by_table) if feed else {}
    for work in works:
        table, column = work.plan.source.table, work.comparison.table.update_column
        if feed and by_table[table] != work.key_names:
            work.not_followed = f"Another table of the pipeline reads {table} by another key, and the feed gives one."
        elif feed:
            work.not_followed = following[table].why_not
        if feed and not work.not_followed:
            unused = f"; the update column {column} is not used beside it" if column else ""
            work.is_followed, work.shown_by = True, following[table].by
            work.changes_by = f"{feed.name}{unused}"
        elif column and not work.plan.multiset:
            work.by_update_column, work.shown_by, work.not_followed = True, f"the update column {column}", ""
            work.changes_by = (
                f"the update column {column}, which shows neither deletions nor a value that is written {_OVERLAP_HOURS:g} h "
                "or more after greater ones: these are found when their slice has its turn"
            )
        elif column:
            work.changes_by = "slices only: the update column does not show rows of a table without a key"
        else:
            work.changes_by = "no change feed and no update column: slices only"


def prove_followed(works: Sequence[Work], feed: ChangeFeed, needed: Sequence[int], most_hours: float) -> None:
    """Prove what the feed shows of the tables that it follows, and let it forget what no table needs any more.

    `needed` are positions that tables outside of this scrub go on from. A table that fails stays where it was: its changes come again.
    So do those that are written from now on: while a fence is crossed, a busy source writes more than a reading has.
    """
    followed = [work for work in works if work.is_followed]
    goal = log_end(followed[0].comparison.source.database) if followed else None
    while going := [work for work in followed if not work.error]:
        changes = feed.read(_asked(going), CHANGES_PER_READING)
        _let_arrive(going, changes)
        for work in going:
            if not work.error:
                with work.failing():
                    _prove(work, changes)
        waited = [work.proofs.position or 0 for work in followed if is_waited_for(work.proofs, work.now(), most_hours)]
        dropped = feed.release(min([changes.until, *waited, *needed]))
        for work in going:
            if not work.error:
                work.proofs = replace(work.proofs, dropped=dropped)
                work.keep()
        if changes.is_last or (goal is not None and changes.until >= goal):
            return


def _asked(works: Sequence[Work]) -> Mapping[TableName, Followed]:
    """Of a table that two of the pipeline's read, what the one that is further behind needs."""
    asked: dict[TableName, Followed] = {}
    for work in works:
        table, proofs = work.plan.source.table, work.proofs
        one = Followed(work.key_names, proofs.position, proofs.dropped)
        other = asked.get(table)
        if other is None or (one.behind is not None and (other.behind is None or one.behind < other.behind)):
            asked[table] = one
    return asked


def _let_arrive(works: Sequence[Work], changes: Changes) -> None:
    """Cross a fence for each table that has something to prove. All of them ask at one time, and so share the hop into the topics.

    A row that was A, became B and is A again is equal while B is on its way. Where the change back was lost, B arrives after the
    look, and no later change shows it. So nothing is looked at that may still be changed by what the feed has shown.
    """
    waiting = []
    for work in works:
        if _is_news(work, changes) and (work.arrived is None or work.arrived < changes.until):
            with work.failing():
                work.fence.demand_seen("what is equal stays so, or a change of it")
                waiting.append(work)
    if not waiting:
        return
    until, asked = max(changes.until, log_end(waiting[0].comparison.source.database) or 0), Deadline(0)
    for start in range(0, len(waiting), _FENCES_AT_ONCE):
        some = waiting[start : start + _FENCES_AT_ONCE]
        side_by_side({work.comparison.table.name: partial(work.let_arrive, until, asked) for work in some})


def _is_news(work: Work, changes: Changes) -> bool:
    """Whether rows are to be proven: all of them, where nothing is known of what was written before."""
    table = work.plan.source.table
    return work.proofs.position is None or table in changes.unknown or bool(changes.keys.get(table))


def _prove(work: Work, changes: Changes) -> None:
    table, position = work.plan.source.table, work.proofs.position
    keys = changes.keys.get(table, frozenset())
    if position is not None and table in changes.unknown:
        work.distrust(changes.unknown[table])
    elif position is not None and keys and not work.key_names:
        work.distrust("it was written to, and its rows have no key")
    elif position is not None:
        work.prove_written(sorted(keys, key=str))
    is_ahead = position is not None and position > changes.until and table not in changes.unknown
    work.proofs = replace(
        work.proofs,
        position=position if is_ahead else changes.until,
        followed_at=work.now().isoformat(timespec="seconds"),
    )
    work.keep()


def prove_since(work: Work) -> None:
    """Rows whose update column is not below its greatest value some time ago. Deleted rows are left to the slices."""
    column, now = work.comparison.table.update_column, work.now()
    source = work.comparison.source.database
    latest = source.catalogue.latest(work.plan.source.table, column)
    since = work.proofs.since(now)
    if since and since.value is None and latest is not None:
        work.distrust("the table was empty")
    elif since and since.value is not None and latest is not None:
        chunking = replace(work.plan.source.chunking, width=_WIDEST) if work.plan.range_column else None
        scan = replace(work.plan.source, since=Since(column, since.value))
        if chunking:
            scan = replace(scan, chunking=chunking)
        chunks = _EVERY_CHUNK if chunking else range(work.plan.source.chunking.buckets)
        with source.rows.chunk_rows(scan, chunks) as rows:
            keys = [row.forms[: scan.key_width] for row in rows]
        work.prove_keys(keys)
    work.proofs = work.proofs.with_latest(now, latest)
    work.keep()
