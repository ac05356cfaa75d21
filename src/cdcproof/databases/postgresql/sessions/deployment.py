"""PostgreSQL: slots, publications, and what a role may do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from cdcproof.core.errors import UnexpectedAnswerError, UsageError
from cdcproof.databases.contracts.deployment import (
    CapturedTable,
    CaptureHealth,
    CaptureState,
    LogReading,
    LogStart,
    Needs,
    Rights,
)
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.postgresql.log import wal
from cdcproof.databases.postgresql.queries import deployment as queries
from cdcproof.databases.postgresql.queries.rights import grant_of_monitoring
from cdcproof.databases.postgresql.rights import rights_of
from cdcproof.databases.postgresql.session import Session


def create_publication(publication: str, tables: Iterable[TableName]) -> str:
    """The statement that makes a publication."""
    statement = sql.SQL("CREATE PUBLICATION {} FOR TABLE {};")
    return statement.format(sql.Identifier(publication), _names(tables)).as_string()


def add_to_publication(publication: str, tables: Iterable[TableName]) -> str:
    """The statement that adds tables to a publication."""
    statement = sql.SQL("ALTER PUBLICATION {} ADD TABLE {};")
    return statement.format(sql.Identifier(publication), _names(tables)).as_string()


def drop_slot(name: str) -> str:
    """The statement that drops a replication slot."""
    return sql.SQL("SELECT pg_drop_replication_slot({})").format(sql.Literal(name)).as_string()


def tables_named_like(name: str) -> str:
    """The query for tables of whatever schema whose name has this one in it."""
    statement = sql.SQL("SELECT schemaname, tablename FROM pg_tables WHERE tablename ILIKE {}")
    return statement.format(sql.Literal(f"%{name}%")).as_string()


def set_logged(table: TableName) -> str:
    """The statement by which the log has a table's rows. It writes the table anew, under a lock."""
    return sql.SQL("ALTER TABLE {} SET LOGGED;").format(sql.Identifier(table.schema, table.table)).as_string()


def add_column(table: TableName, column: Column) -> str:
    """The statement that adds a column as another PostgreSQL has it; empty for a type that has to be made there first."""
    if column.type in ("array", "enum", "composite", "range", "multirange"):
        return ""
    numbers = [column.precision, column.scale] if column.type == "numeric" and column.precision else [column.length]
    size = ", ".join(str(number) for number in numbers if number is not None)
    statement = sql.SQL("ALTER TABLE {} ADD COLUMN {} {};")
    return statement.format(
        sql.Identifier(table.schema, table.table),
        sql.Identifier(column.name),
        sql.SQL(f"{column.type}({size})" if size else column.type),
    ).as_string()


def publish_everything(publication: str) -> str:
    """The statement that makes a publication publish every operation."""
    statement = sql.SQL("ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate');")
    return statement.format(sql.Identifier(publication)).as_string()


def _names(tables: Iterable[TableName]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(table.schema, table.table) for table in tables)


def _identified(table: CapturedTable, refused: Sequence[tuple[str, str]]) -> CapturedTable:
    return replace(
        table,
        unidentified=", ".join(word for word, _ in refused),
        identified=" ".join(statement for _, statement in refused),
    )


def _together(parts: Sequence[CapturedTable]) -> CapturedTable:
    """A partitioned table, of which every partition is captured by itself."""
    return CapturedTable(
        frozenset(name for part in parts for name in part.names),
        tuple(dict.fromkeys(column for part in parts for column in part.left_out)),
        " / ".join(dict.fromkeys(part.condition for part in parts if part.condition)),
        ", ".join(part.unidentified for part in parts if part.unidentified),
        " ".join(dict.fromkeys(part.whole for part in parts if part.condition or part.left_out)),
        " ".join(part.identified for part in parts if part.identified),
    )


class PostgreSQLDeployment(Session):
    """A PostgreSQL session that shows what a deployment needs."""

    def log_starts(self) -> tuple[LogStart, ...]:
        """The slots of this database, each with the position from which the log is kept for it."""
        return tuple(LogStart(name, position) for name, position in self.query(queries.LOG_STARTS))

    def log_end(self) -> int:
        """Where the next record goes; not known at a standby."""
        return int(self.query(wal.POSITION)[0][0] or 0)

    def log_reading(self, slot: str, offset: Mapping[str, Any], tables: Collection[TableName]) -> LogReading:
        """By the committed offset, the slot's confirmed position, and what the slot's session was sent."""
        del tables  # the log has one position for all
        stored = wal.committed(offset)
        [(insert, block_bytes, segment_bytes)] = self.query(wal.POSITION)
        if insert is None:
            [(seconds,)] = self.query(queries.REPLAYED_AGE)
            age = (
                "has replayed no transaction since its start"
                if seconds is None
                else f"replayed the last one {seconds:,.0f} s ago"
            )
            raise UnexpectedAnswerError(
                f"{self.place} is a standby, which {age}: where its log is does not say where the primary's is.",
                "Name the primary under [source]: the connector reads from it.",
            )
        rows = self.query(queries.READING, (slot,))
        confirmed, written, session, hidden = rows[0] if rows else (0, 0, "", False)
        positions = (stored, confirmed, written)
        return LogReading(
            wal.end_of_log(insert, block_bytes, segment_bytes),
            stored,
            max(positions),
            positions,
            session=session,
            grant=grant_of_monitoring(self.database.user) if hidden else "",
        )

    def capture_state(self, publication: str, slot: str) -> CaptureState:
        """The settings that logical decoding needs, the publication's tables, and the slot's plug-in."""
        wal_level, free, is_there, plugin = self.query(queries.CAPTURE, (publication, slot))[0]
        settings = {
            "wal_level": str(wal_level),
            f"publication {publication}": "present" if is_there else "absent",
            f"slot {slot}": str(plugin) if plugin else f"absent, {free} free",
        }
        operations = [
            operation
            for row in self.query(queries.OPERATIONS, (publication,))
            for operation, has in zip(("insert", "update", "delete", "truncate"), row, strict=True)
            if has
        ]
        parts: dict[TableName, set[TableName]] = {}
        for schema, table, *leaf in self.query(queries.PARTS):
            parts.setdefault(TableName(schema, table), set()).add(TableName(*leaf))
        partitions = {root: frozenset(leaves) for root, leaves in parts.items()}
        published = self._published(publication, partitions)
        return CaptureState(settings, published, frozenset(operations), partitions=partitions)

    def _published(
        self, publication: str, parts: Mapping[TableName, frozenset[TableName]]
    ) -> dict[TableName, CapturedTable]:
        published: dict[TableName, CapturedTable] = {}
        for schema, table, condition, left_out, *added in self.query(queries.PUBLISHED, (publication,)):
            name = TableName(schema, table)
            whole = sql.SQL("ALTER PUBLICATION {0} DROP TABLE {1}; ALTER PUBLICATION {0} ADD TABLE {1};").format(
                sql.Identifier(publication), sql.Identifier(*added)
            )
            published[name] = CapturedTable(frozenset({name}), tuple(left_out), condition, whole=whole.as_string())
        refused = self._unidentified({leaf for name in published for leaf in parts.get(name, {name})})
        published = {
            name: _identified(table, [refused[leaf] for leaf in sorted(parts.get(name, {name})) if leaf in refused])
            for name, table in published.items()
        }
        covered = {
            name: _together([published[leaf] for leaf in sorted(leaves)])
            for name, leaves in parts.items()
            if name not in published and leaves <= published.keys()
        }
        return published | covered

    def _unidentified(self, tables: set[TableName]) -> dict[TableName, tuple[str, str]]:
        """Table to why its rows have no identity, and the statement that gives them one."""
        return {
            TableName(schema, table): (
                f"{word} ({schema}.{table})",
                sql.SQL("ALTER TABLE {} REPLICA IDENTITY {};")
                .format(sql.Identifier(schema, table), sql.SQL("DEFAULT" if has_key else "FULL"))
                .as_string(),
            )
            for schema, table, word, has_key in self.query(queries.UNIDENTIFIED, ([str(table) for table in tables],))
        }

    def rights(self, account: str, needs: Needs) -> Rights:
        """The role's rights; any session may ask for those of any role."""
        obstacles = self.obstacles(account, writes=bool(needs.write or needs.create_in))
        return rights_of(self, account, needs, obstacles)

    def capture_health(self) -> CaptureHealth:
        """PostgreSQL decodes its log by itself."""
        raise UsageError("PostgreSQL has no capture job.")

    def obstacles(self, account: str, *, writes: bool) -> dict[str, str]:
        """No LOGIN or CONNECT, a password that has expired; a standby, or a default that makes every transaction read-only."""
        role, database = sql.Identifier(account), sql.Identifier(self.database.database)
        found: dict[str, sql.Composed | str] = {}
        for may_log_in, has_expired, until, may_connect in self.query(queries.LOGIN, (account,)):
            if not may_log_in:
                found["login"] = sql.SQL("ALTER ROLE {} LOGIN;").format(role)
            if has_expired:
                found[f"login, its password has expired on {until}"] = sql.SQL(
                    "ALTER ROLE {} VALID UNTIL 'infinity';"
                ).format(role)
            if not may_connect:
                found[f"CONNECT on database {self.database.database}"] = sql.SQL(
                    "GRANT CONNECT ON DATABASE {} TO {};"
                ).format(database, role)
        if writes and self.query("SELECT pg_is_in_recovery()")[0][0]:
            found["write: the server is a standby"] = "# Let the sink connector write to the primary."
        elif writes and (statement := self._read_only_by(account)):
            found["write: default_transaction_read_only is on"] = statement
        return {what: how if isinstance(how, str) else how.as_string() for what, how in found.items()}

    def _read_only_by(self, account: str) -> sql.Composed | str:
        """The statement that lets an account's sessions write; empty where they can."""
        reset = sql.SQL("SET transaction_read_only = off; ALTER {} RESET default_transaction_read_only;")
        database = sql.SQL("DATABASE {}").format(sql.Identifier(self.database.database))
        role = sql.SQL("ROLE {}").format(sql.Identifier(account))
        for of_role, of_database, is_on in self.query(queries.READ_ONLY, (account,)):
            what = (
                sql.SQL("{} IN {}").format(role, database) if of_role and of_database else role if of_role else database
            )
            return reset.format(what) if is_on else ""
        if self._reads_only_by_default():
            return "ALTER SYSTEM SET default_transaction_read_only = off;\nSELECT pg_reload_conf();"
        return ""

    def _reads_only_by_default(self) -> bool:
        """What the server's configuration says, as a session without our settings shows it, unless our own role overrides that."""
        if self.query(queries.READ_ONLY, (self.database.user,)):
            return False
        where = {key: value for key, value in conninfo_to_dict(self.address().reveal()).items() if key != "options"}
        try:
            with psycopg.connect(**where, autocommit=True) as plain:  # type: ignore[arg-type]
                return plain.execute("SHOW default_transaction_read_only").fetchall() == [("on",)]
        except psycopg.Error as error:
            raise self._not_connected(error) from None
