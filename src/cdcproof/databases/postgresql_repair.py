"""Repairing single rows of a PostgreSQL target: SQL to be read first, each statement guarded by the values it expects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from cdcproof.databases import canonical, tsql
from cdcproof.databases.base import TableName
from cdcproof.databases.kinds import TOLD_BY_HASH, Kind
from cdcproof.databases.postgresql import PostgreSQL
from cdcproof.databases.postgresql_forms import Server, sent
from cdcproof.databases.scan import Row, Scan, Told
from cdcproof.engines import Engine
from cdcproof.errors import UnexpectedAnswerError


@dataclass(frozen=True)
class Repair:
    """One row's difference: its one row at the source and its one row at the target, None where there is none."""

    key: tuple[bytes | None, ...]
    source: Row | None
    target: Row | None


class PostgreSQLRepairer(PostgreSQL):
    """A session that writes repairs, and nothing else."""

    def statement(self, scan: Scan, repair: Repair) -> str:
        """The SQL that makes the target's row the source's. It does nothing unless the target's row is as it was seen.

        Raises `UnexpectedAnswerError` for a value so long that its bytes were never read.
        """
        return _composed(scan, repair, self._server()).as_string(self._session)

    def apply(self, scan: Scan, repair: Repair) -> bool:
        """Do it; whether the target's row was as it was seen."""
        statement = _composed(scan, repair, self._server())
        with self._our_errors(scan.table), self._session.transaction():
            self._session.execute("SET TRANSACTION READ WRITE")
            return self._session.execute(statement).rowcount == 1

    def _grant(self, table: TableName) -> str:
        grant = sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {};")
        user = sql.Identifier(self._database.user)
        return grant.format(sql.Identifier(table.schema, table.table), user).as_string()

    def __enter__(self) -> PostgreSQLRepairer:
        super().__enter__()
        self._session.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        return self


def _composed(scan: Scan, repair: Repair, server: Server) -> sql.Composed:
    table = sql.Identifier(scan.table.schema, scan.table.table)
    if repair.source is None and repair.target is not None:
        return sql.SQL("DELETE FROM {}\n WHERE {};").format(table, _as_seen(scan, repair.target, server))
    if repair.source is not None and repair.target is None:
        return sql.SQL("INSERT INTO {} ({})\nSELECT {}\n WHERE NOT EXISTS (SELECT FROM {} WHERE {});").format(
            table,
            sql.SQL(", ").join(_name(told) for told in scan.columns),
            sql.SQL(", ").join(_value(scan, told, part) for told, part in _pairs(scan, repair.source)),
            table,
            sql.SQL(" AND ").join(_is(told, part, server) for told, part in zip(scan.key, repair.key, strict=True)),
        )
    if repair.source is None or repair.target is None:
        raise ValueError("a repair needs a row at one side")
    changes = [
        sql.SQL("{} = {}").format(_name(told), _value(scan, told, ours))
        for told, ours, theirs in zip(scan.columns, repair.source.forms, repair.target.forms, strict=True)
        if ours != theirs
    ]
    return sql.SQL("UPDATE {}\n   SET {}\n WHERE {};").format(
        table, sql.SQL(", ").join(changes), _as_seen(scan, repair.target, server)
    )


def _as_seen(scan: Scan, row: Row, server: Server) -> sql.Composed:
    return sql.SQL("\n   AND ").join(_is(told, part, server) for told, part in _pairs(scan, row))


def _is(told: Told, part: bytes | None, server: Server) -> sql.Composed:
    """A condition that holds for just this value, to the last bit: floats and long values by their canonical bytes."""
    if part is None:
        return sql.SQL("{} IS NULL").format(_name(told))
    by_bytes = told.form.kind in (Kind.FLOAT, Kind.SINGLE) or told.form.long
    if by_bytes or told.column.type in ("character", "citext"):  # these two take other texts for equal
        return sql.SQL("{} = {}").format(sent(told, server), sql.Literal(f"\\x{part.hex()}"))
    return sql.SQL("{} = {}").format(_name(told), sql.Literal(_text(told, part)))


def _value(scan: Scan, told: Told, part: bytes | None) -> sql.Composable:
    if part is None:
        return sql.SQL("NULL")
    if told.form.long and part[:1] == TOLD_BY_HASH:
        raise UnexpectedAnswerError(
            f"{scan.table}: a value of {told.column.name} is too long to be written here: {canonical.told(told.form, part)}.",
            "Let Debezium send the row again: cdcproof reconcile repair --signal",
        )
    return sql.Literal(_text(told, part))


def _text(told: Told, part: bytes) -> str:
    text = canonical.told(told.form, part)
    return f"\\x{text}" if told.form.kind is Kind.BINARY else text


def _pairs(scan: Scan, row: Row) -> Sequence[tuple[Told, bytes | None]]:
    return list(zip(scan.columns, row.forms, strict=True))


def _name(told: Told) -> sql.Identifier:
    return sql.Identifier(told.column.name)


def condition_of(engine: Engine, scan: Scan, keys: Sequence[tuple[bytes | None, ...]]) -> str:
    """SQL of the source that holds for the rows of these keys."""
    return " OR ".join(
        " AND ".join(_equals(engine, told, part) for told, part in zip(scan.key, key, strict=True)) for key in keys
    )


def _equals(engine: Engine, told: Told, part: bytes | None) -> str:
    if engine == "sqlserver":
        name = tsql.quoted(told.column.name)
        return f"{name} IS NULL" if part is None else f"{name} = {_national(canonical.told(told.form, part))}"
    if part is None:
        return sql.SQL("{} IS NULL").format(_name(told)).as_string()
    return sql.SQL("{} = {}").format(_name(told), sql.Literal(_text(told, part))).as_string()


def _national(text: str) -> str:
    """A T-SQL string of any characters."""
    doubled = text.replace("'", "''")
    return f"N'{doubled}'"
