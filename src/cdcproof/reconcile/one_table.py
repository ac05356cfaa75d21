"""Whether both sides are one table, which always equals itself: two names of one server, a standby beside its primary."""

from __future__ import annotations

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.names import TableName
from cdcproof.reconcile.plan.columns import TablePair


def demand_two(table: TablePair, source: Database, target: Database) -> None:
    """Raise `UnexpectedAnswerError` where source and target lead to the same rows."""
    if table.source == table.target and _are_one(table.source, source, target):
        raise UnexpectedAnswerError(
            f"Source and target are one table, {table.source} of the database {source.identity().of_database()}: that would always match.",
            "Correct host and port of one side: two names may lead to one server, and a standby has its primary's rows.",
        )


def _are_one(table: TableName, source: Database, target: Database) -> bool:
    """A copy of a server, made from its files, has its identity, and a start of its own.

    A standby shows no start. It has its primary's tables under the same numbers, which a server of one image with that primary has not.
    """
    ours, theirs = source.identity(), target.identity()
    if (ours.database, ours.made) != (theirs.database, theirs.made):
        return False
    starts = source.started(), target.started()
    if all(starts):
        return starts[0] == starts[1]
    if (ours.server, ours.history) != (theirs.server, theirs.history):
        return False
    return source.catalogue.table_identity(table) == target.catalogue.table_identity(table)
