"""Each role that logs in to a database, and what it needs there. docs/ACCOUNTS.md and `monthly.1-accounts` both follow from this."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cdcproof.databases.contracts.deployment import Needs
from cdcproof.databases.names import TableName
from cdcproof.pipeline.engines import Engine

Tables = tuple[TableName, ...]


def source_reader(tables: Iterable[TableName], *, backs_up: bool = False) -> Needs:
    """The account of `[source]`. `backs_up`: it makes the backups too."""
    return Needs(read=tuple(tables), reads_log=True, sees_server=True, backs_up=backs_up)


def target_reader(tables: Iterable[TableName], *, backs_up: bool = False) -> Needs:
    """The account of `[target]`."""
    return Needs(read=tuple(tables), sees_server=True, backs_up=backs_up)


def source_writer(tables: Iterable[TableName]) -> Needs:
    """The account of `[round_trip.source]`."""
    written = tuple(tables)
    return Needs(written, written, ("INSERT", "UPDATE", "DELETE"))


def target_sweeper(tables: Iterable[TableName]) -> Needs:
    """The account of `[round_trip.target]`."""
    swept = tuple(tables)
    return Needs(swept, swept, ("DELETE",))


def backup(tables: Iterable[TableName]) -> Needs:
    """The account of `[backup.source]` or `[backup.target]`: it reads everything, and writes nothing."""
    return Needs(read=tuple(tables), backs_up=True)


@dataclass(frozen=True)
class Role:
    """One role. `named_by` is where a pipeline or a connector names its account; `why` is what it does with which right.

    `needs` are made of tables and the heartbeat's table. `judged`: the step that looks for rights it has beyond them, or what else does.
    """

    title: str
    side: str
    account: str
    named_by: str
    why: str
    needs: Callable[[Tables, Tables], Needs]
    engines: tuple[Engine, ...] = ("postgresql", "sqlserver")
    judged: str = "monthly.1-accounts"


ROLES = (
    Role(
        "Reader of the source, and exporter",
        "source",
        "cdcproof",
        "`[source] user`",
        "Checks, reconciliation, diagnostics and `cdcproof exporter` read by it. REPLICATION lets the exporter count what the connector "
        "has not read, and a scrub keep a slot of its own. pg_monitor, VIEW SERVER STATE and the jobs in msdb show who reads the log, and "
        "whether it is captured. VIEW DEFINITION shows security policies, by which rows may be hidden.",
        lambda tables, beat: source_reader((*tables, *beat)),
    ),
    Role(
        "Reader of the target, and exporter",
        "target",
        "cdcproof",
        "`[target] user`",
        "The same for the target. pg_monitor shows sessions and locks to the exporter and to `cdcproof diagnose`.",
        lambda tables, beat: target_reader((*tables, *beat)),
        ("postgresql",),
    ),
    Role(
        "Writer of test rows",
        "source",
        "round_trip",
        "`[round_trip.source] user`",
        "The round trip inserts, changes and deletes its own test rows. A `canary` needs none of this: it only follows a row that others change.",
        lambda tables, _: source_writer(tables),
    ),
    Role(
        "Sweeper of test rows",
        "target",
        "round_trip",
        "`[round_trip.target] user`",
        "Deletes a test row that replication left lying at the target.",
        lambda tables, _: target_sweeper(tables),
        ("postgresql",),
    ),
    Role(
        "Repairer",
        "target",
        "repairer",
        "`cdcproof reconcile repair --as-user`",
        "Writes single rows of the target. It reads the source by the reader's account. Only the command names it, and without `--as-user` it is the "
        "account of `[target]`, which monthly.1-accounts judges as a reader.",
        lambda tables, _: source_writer(tables),
        ("postgresql",),
        judged="the command, before it writes",
    ),
    Role(
        "Backup",
        "source",
        "backup",
        "`[backup.source] user`, `[backup.target] user`",
        "`pg_dump` reads everything: for the account of the target the statements of PostgreSQL are run in its database. BACKUP DATABASE wants the role "
        "db_backupoperator. db_datareader lets it sum each table, and CREATE ANY DATABASE verify the file (RESTORE VERIFYONLY).",
        lambda tables, beat: backup((*tables, *beat)),
    ),
    Role(
        "Debezium's capture account",
        "source",
        "cdc",
        "`database.user` of the source connector",
        "Reads the tables for the snapshot and the log for changes, and writes its heartbeat's row. An administrator makes publication and slot, or "
        "captures the tables: with `publication.autocreate.mode=filtered` Debezium alters the publication itself, which only the owner of the tables may.",
        lambda tables, beat: Needs(read=(*tables, *beat), write=beat, privileges=("INSERT", "UPDATE"), reads_log=True),
        judged="connectors.5-permissions-excessive, monthly.1-accounts",
    ),
    Role(
        "The sink's account",
        "target",
        "sink",
        "`connection.username` or `connection.user` of the sink connector",
        "Writes rows as `insert.mode`, `delete.enabled` and `truncate.enabled` say. CREATE is for a sink that makes tables (`schema.evolution=basic`, "
        "`auto.create=true`); to add columns to a table it has to own that table.",
        lambda tables, beat: Needs(
            (*tables, *beat),
            (*tables, *beat),
            ("INSERT", "UPDATE", "DELETE"),
            tuple(sorted({table.schema for table in tables})),
        ),
        ("postgresql",),
        judged="connectors.5-permissions-excessive, monthly.1-accounts",
    ),
)
"""In the order of the page."""
