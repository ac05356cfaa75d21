"""A session with a PostgreSQL server by which databases are restored: made beside the old ones, and renamed at the end.

Renaming is a transaction, so that both databases have their new names or neither. The server lets nobody into a database that is
being renamed, and renames none in which somebody is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, LiteralString, Self

import psycopg
from psycopg import errors, sql

from cdcproof.core.errors import OperationError
from cdcproof.core.secrets import scrub
from cdcproof.databases.contracts.backup import DatabaseState
from cdcproof.databases.postgresql.session import Session

_LONGEST_NAME = 63
_TRIES = 5
_DATABASES: LiteralString = "SELECT datname FROM pg_database"
_END_OTHERS: LiteralString = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"""
_END_READER: LiteralString = """
    SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s AND active"""
_SLOT: LiteralString = "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots WHERE slot_name = %s"
_DROP_SLOT: LiteralString = "SELECT pg_drop_replication_slot(%s)"
_LISTS = (
    *("search_path", "temp_tablespaces", "unix_socket_directories"),
    *(f"{kind}_preload_libraries" for kind in ("session", "shared", "local")),
)
"""Settings that are lists: the catalogue has their elements quoted already (PostgreSQL's GUC_LIST_QUOTE)."""


class PostgreSQLServer(Session):
    """Implements `contracts.backup.RestoreServer`."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.driver.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        self._do(sql.SQL("SET default_transaction_read_only = off"))
        return self

    def major_version(self) -> int:
        """18 of 18.3."""
        return self.dialect().version // 10_000

    def databases(self) -> frozenset[str]:
        """All of the server."""
        return frozenset(str(name) for (name,) in self.query(_DATABASES))

    def name_with(self, database: str, ending: str) -> str:
        """A name has 63 bytes at most."""
        room = _LONGEST_NAME - len(ending.encode())
        return database.encode()[:room].decode(errors="ignore") + ending

    def make(self, name: str, state: DatabaseState, file: PurePath) -> None:  # noqa: ARG002  pg_restore reads the file
        """Empty, with the encoding, the locale, the owner, the rights and the settings of the one that was backed up."""
        self._do(create(name, state.properties))
        for statement in properties(name, state.properties):
            self._do(statement)

    def drop(self, name: str) -> None:
        """With the sessions in it."""
        self._do(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def swap(self, database: str, restored: str, aside: str, state: DatabaseState) -> None:  # noqa: ARG002  the contract's
        """In one transaction."""
        renames = [(restored, database)]
        if database in self.databases():
            renames.insert(0, (database, aside))
        for left in reversed(range(_TRIES)):
            for name, _ in renames:
                self.query(_END_OTHERS, (name,))
            try:
                with self.driver.transaction():
                    for old, new in renames:
                        self.driver.execute(
                            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))
                        )
            except errors.ObjectInUse as error:  # somebody came in between: the server has waited 5 s for them
                if not left:
                    raise self._refused(error) from None
            except psycopg.Error as error:
                raise self._refused(error) from None
            else:
                return

    def drop_slot(self, slot: str) -> bool:
        """With its reader, which may be one that has yet to notice that its connector was stopped."""
        if not self.query(_SLOT, (slot,)):
            return False
        self.query(_END_READER, (slot,))
        for left in reversed(range(_TRIES)):
            try:
                self.driver.execute(_DROP_SLOT, (slot,))
            except errors.ObjectInUse as error:
                self.query(_END_READER, (slot,))
                self.query("SELECT pg_sleep(0.5)")
                if not left:
                    raise self._refused(error) from None
            except psycopg.Error as error:
                raise self._refused(error) from None
            else:
                return True
        return False

    def slot_confirmed(self, slot: str) -> int | None:
        """The position up to which the slot's reader has confirmed, as a number; None where there is no such slot."""
        found = self.query(_SLOT, (slot,))
        return int(found[0][0] or 0) if found else None

    def ping(self) -> None:
        """One statement."""
        self.query("SELECT 1")

    def _do(self, statement: sql.SQL | sql.Composed) -> None:
        try:
            self.driver.execute(statement)
        except psycopg.Error as error:
            raise self._refused(error) from None

    def _refused(self, error: psycopg.Error) -> OperationError:
        said = scrub(str(error).strip().partition("\n")[0])
        remedy = ""
        if isinstance(error, errors.InsufficientPrivilege):
            remedy = "Name an account that may, as backup.source or backup.target in the pipeline file: it must own the databases and have CREATEDB."
        elif isinstance(error, errors.UndefinedObject):
            remedy = "Make it on this server first; a dump of one database holds no roles and no tablespaces."
        return OperationError(f"{self.place}: {said}", remedy)


def create(name: str, stored: Mapping[str, Any]) -> sql.Composed:
    """CREATE DATABASE with what cannot be changed later, from `PostgreSQLBackup`'s properties."""
    options = [sql.SQL("TEMPLATE template0"), sql.SQL("ENCODING {}").format(sql.Literal(stored["encoding"]))]
    options.append(sql.SQL("OWNER {}").format(sql.Identifier(stored["owner"])))
    options += [
        sql.SQL(f"{word} {{}}").format(sql.Literal(stored[key]))
        for word, key in (("LC_COLLATE", "datcollate"), ("LC_CTYPE", "datctype"))
        if stored.get(key)
    ]
    locale = stored.get("datlocale") or stored.get("daticulocale")
    provider = {"i": "icu", "b": "builtin"}.get(str(stored.get("datlocprovider")))
    if provider and locale:
        word = "ICU_LOCALE" if provider == "icu" else "BUILTIN_LOCALE"
        options.append(sql.SQL(f"LOCALE_PROVIDER {provider} {word} {{}}").format(sql.Literal(locale)))
    if provider == "icu" and stored.get("daticurules"):
        options.append(sql.SQL("ICU_RULES {}").format(sql.Literal(stored["daticurules"])))
    if stored.get("tablespace") not in (None, "pg_default"):
        options.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(stored["tablespace"])))
    options.append(sql.SQL("CONNECTION LIMIT {}").format(sql.Literal(stored.get("datconnlimit", -1))))
    return sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), sql.SQL(" ").join(options))


def properties(name: str, stored: Mapping[str, Any]) -> Iterator[sql.Composed]:
    """The rights in a database, and its settings, for everybody or for a role."""
    database = sql.Identifier(name)
    acl: Sequence[Sequence[Any]] | None = stored.get("acl")
    if acl is not None:
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database)
        for grantee, privilege, may_grant in acl:
            yield sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
                sql.SQL(privilege),
                database,
                sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC"),
                sql.SQL(" WITH GRANT OPTION" if may_grant else ""),
            )
    for role, settings in stored.get("settings") or ():
        whose = sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(role), database)
        for setting in settings:
            key, _, value = setting.partition("=")
            yield sql.SQL("ALTER {} SET {} TO {}").format(
                whose if role else sql.SQL("DATABASE {}").format(database),
                sql.SQL(".").join(map(sql.Identifier, key.split("."))),
                sql.SQL(value or "''") if key in _LISTS else sql.Literal(value),
            )
