"""What the account of a session of SQL Server lacks, and what it has beyond its needs, with the statements that grant and revoke it.

What a role gives is reported as the role, and what the server, the database or a schema gives is reported there: to revoke it from a table
would change nothing. A sysadmin has every permission, so that only this is reported of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from cdcproof.databases.contracts.deployment import Needs, Rights
from cdcproof.databases.sqlserver.queries import catalogue
from cdcproof.databases.sqlserver.queries import rights as queries
from cdcproof.databases.sqlserver.queries.catalogue import name, quoted
from cdcproof.databases.sqlserver.session import Session

_FIRST_LOGIN = "sa"


def rights_of(session: Session, needs: Needs, obstacles: Mapping[str, str], *, captures: bool) -> Rights:
    """The rights of the session's own account. `captures`: the database has change tables."""
    login, user = (str(found) for found in session.query(queries.USER)[0])
    needed = queries.grants(login, user, needs)
    server_roles = {
        f"server role {role}": f"ALTER SERVER ROLE {quoted(role)} DROP MEMBER {quoted(login)};"
        for (role,) in session.query(queries.SERVER_ROLES)
    }
    if "server role sysadmin" in server_roles:
        advice = f"# {_FIRST_LOGIN} stays a sysadmin: use a login of its own for this, see docs/ACCOUNTS.md"
        statement = advice if login.lower() == _FIRST_LOGIN else server_roles["server role sysadmin"]
        return Rights(obstacles, {"server role sysadmin": statement}, {} if statement is advice else needed)
    lacking = set(_lacking(session, needs, captures=captures))
    missing = {subject: statement for subject, statement in needed.items() if subject in lacking}
    excessive = {**(server_roles or _on_server(session, login)), **_in_database(session, user, needs)}
    return Rights({**obstacles, **missing}, excessive, needed if excessive else {})


def _lacking(session: Session, needs: Needs, *, captures: bool) -> Iterable[str]:
    """Names of rights, as `queries.grants` has them, that the account is without."""
    for table in dict.fromkeys((*needs.read, *needs.write)):
        for word in ("SELECT", *queries.WRITING):
            if session.query(queries.MAY, table.schema, table.table, word)[0][0] != 1:
                yield f"{word} on {table}"
    if needs.reads_log and captures and session.query(queries.MAY_READ_CDC)[0][0] != 1:
        yield "SELECT on schema cdc"
    for schema in needs.create_in:
        if session.query(queries.MAY_CREATE)[0][0] != 1:
            yield "CREATE TABLE"
        if session.query(queries.MAY_ALTER_SCHEMA, schema)[0][0] != 1:
            yield f"ALTER on schema {schema}"
    yield from _lacking_beyond_tables(session, needs)


def _lacking_beyond_tables(session: Session, needs: Needs) -> Iterable[str]:
    seeing = (
        (catalogue.MAY_VIEW_DEFINITION, "VIEW DEFINITION"),
        (catalogue.MAY_VIEW_SERVER_STATE, queries.SERVER_STATE),
        (queries.MAY_SEE_JOBS, queries.JOBS),
    )
    backing_up = (
        (queries.IS_BACKUP_OPERATOR, "role db_backupoperator"),
        (queries.READS_ALL, "role db_datareader"),
        (queries.MAY_VERIFY, queries.VERIFYING),
    )
    for statement, subject in (*(seeing if needs.sees_server else ()), *(backing_up if needs.backs_up else ())):
        if session.query(statement)[0][0] != 1:
            yield subject


def _on_server(session: Session, login: str) -> dict[str, str]:
    found = [str(permission) for (permission,) in session.query(queries.SERVER_PERMISSIONS)]
    return {
        f"{permission} on the server": f"USE master; REVOKE {permission} FROM {quoted(login)};"
        for permission in (found[:1] if found[:1] == ["CONTROL SERVER"] else found)
    }


def _in_database(session: Session, user: str, needs: Needs) -> dict[str, str]:
    if user == "dbo":
        owned = quoted(session.database.database)
        return {f"owner of database {session.database.database}": f"ALTER AUTHORIZATION ON DATABASE::{owned} TO [sa];"}
    allowed = {"db_backupoperator"} if needs.backs_up else set()
    roles = [
        str(role)
        for statement in (queries.DATABASE_ROLES, *([] if needs.write else [queries.OWN_ROLES]))
        for (role,) in session.query(statement)
        if role not in allowed
    ]
    if roles:
        return {f"role {role}": f"ALTER ROLE {quoted(role)} DROP MEMBER {quoted(user)};" for role in roles}
    if needs.write or needs.create_in:
        return _on_tables(session, user, needs, {})
    of_database = [str(permission) for (permission,) in session.query(queries.DATABASE_PERMISSIONS)]
    if of_database[:1] == ["CONTROL"]:
        return {"CONTROL on the database": f"REVOKE CONTROL FROM {quoted(user)};"}
    excessive = {f"{word} on the database": f"REVOKE {word} FROM {quoted(user)};" for word in of_database}
    held: dict[str, set[str]] = {}
    for schema in sorted({table.schema for table in needs.read}):
        found = [str(word) for (word,) in session.query(queries.SCHEMA_PERMISSIONS, schema)]
        all_of_them = found[:1] == ["CONTROL"]
        held[schema] = {*of_database, *(queries.WRITING if all_of_them else found)}
        for word in (word for word in found[: 1 if all_of_them else None] if word not in of_database):
            excessive[f"{word} on schema {schema}"] = f"REVOKE {word} ON SCHEMA::{quoted(schema)} FROM {quoted(user)};"
    return excessive | _on_tables(session, user, needs, held)


def _on_tables(session: Session, user: str, needs: Needs, held: Mapping[str, Collection[str]]) -> dict[str, str]:
    """`held` are permissions that it has by the database or a schema."""
    found: dict[str, str] = {}
    for table in (table for table in dict.fromkeys((*needs.read, *needs.write)) if table not in needs.write):
        owned = session.query(queries.OWNED, table.schema, table.table)
        if owned and owned[0][0] == "SCHEMA":
            found[f"owner of schema {table.schema}"] = (
                f"ALTER AUTHORIZATION ON SCHEMA::{quoted(table.schema)} TO [dbo];"
            )
        elif owned:
            found[f"owner of table {table}"] = f"ALTER AUTHORIZATION ON OBJECT::{name(table)} TO SCHEMA OWNER;"
        else:
            for word in (word for word in queries.WRITING if word not in held.get(table.schema, ())):
                if session.query(queries.MAY, table.schema, table.table, word)[0][0] == 1:
                    found[f"{word} on {table}"] = f"REVOKE {word} ON {name(table)} FROM {quoted(user)};"
    return found
