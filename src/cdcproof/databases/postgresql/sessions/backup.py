"""A PostgreSQL session for a backup: one exported snapshot gives the dump, the numbers of rows and the sums.

A row's hash is the first eight bytes of the SHA-256 of its text, which is the same on every version and machine where
the settings of the session are (`postgresql.settings`): dump and restore change none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, LiteralString

from psycopg import sql

from cdcproof.databases.contracts.backup import DatabaseState, TableSum
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.database import PostgreSQL

METHOD = "sum of the first 8 bytes of SHA-256 of each row's text"
# What pg_dump dumps the rows of: no extension's tables, no rows of temporary or foreign ones. A materialised view is filled anew.
_TABLES: LiteralString = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname, c.relname"""
_SETTINGS: LiteralString = "SELECT set_config('search_path', '', true), set_config('lc_monetary', 'C', true)"
# To everybody (grantee 0) by an empty name. The locale's columns have other names before 15 and 17.
_PROPERTIES: LiteralString = """
    SELECT to_jsonb(d) || jsonb_build_object(
        'encoding', pg_encoding_to_char(d.encoding), 'owner', pg_get_userbyid(d.datdba),
        'tablespace', (SELECT spcname FROM pg_tablespace t WHERE t.oid = d.dattablespace),
        'acl', (SELECT jsonb_agg(jsonb_build_array(coalesce(pg_get_userbyid(nullif(a.grantee, 0)), ''), a.privilege_type, a.is_grantable))
                FROM aclexplode(d.datacl) a),
        'settings', (SELECT jsonb_agg(jsonb_build_array(coalesce(pg_get_userbyid(nullif(s.setrole, 0)), ''), s.setconfig))
                     FROM pg_db_role_setting s WHERE s.setdatabase = d.oid))
    FROM pg_database d WHERE d.datname = current_database()"""


class PostgreSQLBackup(PostgreSQL):
    """Implements `contracts.backup.BackupSession`."""

    @contextmanager
    def moment(self) -> Iterator[str]:
        """A REPEATABLE READ transaction, whose snapshot is exported."""
        with self.snapshot():
            yield str(self.query("SELECT pg_export_snapshot()")[0][0])

    def major_version(self) -> int:
        """18 of 18.3."""
        return self.dialect().version // 10_000

    def state(self, report: Callable[[str], None]) -> DatabaseState:
        """Of the snapshot, within `moment`."""
        position = self.log.position()
        identity, version, properties = self.identity(), self.version(), self._properties()
        return DatabaseState(
            self.database.database,
            version,
            identity,
            position.value,
            position.text,
            METHOD,
            self.table_sums(report),
            properties,
        )

    def table_sums(self, report: Callable[[str], None]) -> tuple[TableSum, ...]:
        """Rows and sum of each table whose rows a dump holds, within a transaction."""
        self.query(_SETTINGS)
        found = []
        for schema, table in self.query(_TABLES):
            report(f"{schema}.{table}")
            name = TableName(schema, table)
            with self.our_errors(name):
                [(rows, total)] = self.driver.execute(_sum(name)).fetchall()
            found.append(TableSum(schema, table, int(rows), str(total)))
        return tuple(found)

    def ping(self) -> None:
        """One statement."""
        self.query("SELECT 1")

    def back_up(self, file: PurePath) -> None:
        """There is no such statement."""
        raise NotImplementedError(f"{file}: PostgreSQL is dumped by pg_dump")

    def _properties(self) -> Mapping[str, Any]:
        found: dict[str, Any] = dict(self.query(_PROPERTIES)[0][0])
        wanted = ("encoding", "owner", "tablespace", "acl", "settings", "datconnlimit", "datcollate", "datctype")
        locale = ("datlocprovider", "daticulocale", "datlocale", "daticurules")
        return {key: found[key] for key in (*wanted, *locale) if found.get(key) is not None}


def _sum(table: TableName) -> sql.Composed:
    return sql.SQL(
        "SELECT count(*), coalesce(sum(('x' || left(encode(sha256(convert_to(ROW(cdcproof_row.*)::text, getdatabaseencoding())), 'hex'), 16))"
        "::bit(64)::bigint), 0) FROM ONLY {} AS cdcproof_row"
    ).format(sql.Identifier(table.schema, table.table))
