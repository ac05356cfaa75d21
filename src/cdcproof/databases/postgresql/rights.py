"""What an account of PostgreSQL lacks, and what it has beyond its needs, with the statements that grant and revoke it.

A superuser has every privilege, so that only this is reported of it. What a role gives is reported as the membership, and what PUBLIC has as
PUBLIC's: to revoke it from the account would change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from psycopg import sql

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.deployment import Needs, Rights
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.queries import rights as queries
from cdcproof.databases.postgresql.session import Session

_POLICIES = {"SELECT": "r", "INSERT": "a", "UPDATE": "w", "DELETE": "d"}
"""As `pg_policy.polcmd` calls them."""
_PARTS_OF_MONITOR = (queries.STATISTICS, "pg_read_all_stats")


def rights_of(session: Session, account: str, needs: Needs, obstacles: Mapping[str, str]) -> Rights:
    """The role's rights; any session may ask for those of any role. `obstacles` are among what is missing."""
    attributes = session.query(queries.ATTRIBUTES, (account,))
    if not attributes:
        raise UnexpectedAnswerError(
            f"{session.place} has no role {account}.", "Make it, or correct the connector's user."
        )
    is_superuser, is_first, replicates, makes_roles, makes_databases, bypasses = attributes[0]
    role = sql.Identifier(account)
    needed = queries.grants(session.database.database, account, needs)
    if is_superuser:
        advice = f"# {account} is the server's first superuser and stays one: use an account of its own for this, see docs/ACCOUNTS.md"
        statement = sql.SQL("ALTER ROLE {} NOSUPERUSER;").format(role).as_string()
        return Rights(obstacles, {"superuser": advice if is_first else statement}, {} if is_first else needed)
    lacking = {*beyond_tables(session, account, needs), *_lacking(session, account, needs)}
    hidden = _hidden(session, account, needs)
    dumps_policed = needs.backs_up and session.query(queries.HAS_POLICIES)[0][0]  # pg_dump reads every table, or none
    excessive: dict[str, str] = {}
    for has, attribute in (
        (replicates and not needs.reads_log, "REPLICATION"),
        (makes_roles, "CREATEROLE"),
        (makes_databases, "CREATEDB"),
        (bypasses and not (hidden or dumps_policed), "BYPASSRLS"),
    ):
        if has:
            taken = sql.SQL("ALTER ROLE {} {};").format(role, sql.SQL(f"NO{attribute}"))
            excessive[attribute.lower()] = taken.as_string()
    missing = {subject: statement for subject, statement in needed.items() if subject in lacking}
    if not bypasses:
        bypass = sql.SQL("ALTER ROLE {} BYPASSRLS;").format(role).as_string()
        missing |= {f"all rows of {table}, which a policy hides": bypass for table in hidden}
    beyond = _by_roles(session, account) | _on_tables(session, account, needs)
    gave_more = any("owner of" in subject or "member of" in subject for subject in beyond)
    return Rights({**obstacles, **missing}, excessive | beyond, needed if gave_more else {})


def beyond_tables(session: Session, account: str, needs: Needs) -> Iterable[str]:
    """Names of rights, as `queries.grants` has them, that the account is without: of those that are of no table or schema."""
    for is_superuser, _, replicates, *_ in session.query(queries.ATTRIBUTES, (account,)):
        if needs.reads_log and not (replicates or is_superuser):
            yield "replication"
    if needs.sees_server and not any(session.query(queries.USES, (part, account))[0][0] for part in _PARTS_OF_MONITOR):
        yield f"member of {queries.STATISTICS}"
    if needs.backs_up and not session.query(queries.USES, (queries.EVERYTHING, account))[0][0]:
        yield f"member of {queries.EVERYTHING}"


def _lacking(session: Session, account: str, needs: Needs) -> Iterable[str]:
    """The same of schemas and tables. A table that is not there is left out."""
    names = sorted({table.schema for table in (*needs.read, *needs.write)} | set(needs.create_in))
    for schema, may_use, may_create in session.query(queries.SCHEMAS, (account, account, names)):
        yield from (
            f"{word} on schema {schema}" for word, has in (("USAGE", may_use), ("CREATE", may_create)) if not has
        )
    asked = ["SELECT", *queries.WRITING]
    for table in dict.fromkeys((*needs.read, *needs.write)):
        for privilege, has in session.query(queries.TABLE, (account, asked, table.schema, table.table)):
            if not has:
                yield f"{privilege} on {table}"


def _hidden(session: Session, account: str, needs: Needs) -> tuple[TableName, ...]:
    """Tables of which row level security may hide rows from a role that does not bypass it: a snapshot lacks them, an update misses them."""
    read = [str(table) for table in needs.read]
    written = [str(table) for table in needs.write]
    commands = sorted({_POLICIES[one] for one in needs.privileges if one in _POLICIES})
    found = [
        TableName(*row)
        for tables, asked in ((read, ["r"]), (written, commands))
        for row in session.query(queries.HIDDEN, (tables, account, asked, account))
    ]
    return tuple(dict.fromkeys(found))


def _by_roles(session: Session, account: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for first, reached, attributes in session.query(queries.MEMBERSHIPS, (account, queries.POWERFUL)):
        behind = "" if reached == first else f", by it of {reached}"
        found[f"member of {first}{behind}{f', which has {attributes}' if attributes else ''}"] = _leave(account, first)
    return found


def _on_tables(session: Session, account: str, needs: Needs) -> dict[str, str]:
    """Rights to change tables that it is not to write, and what an account that writes nothing owns."""
    role = sql.Identifier(account)
    others = [table for table in dict.fromkeys((*needs.read, *needs.write)) if table not in needs.write]
    found: dict[str, str] = {}
    for schema, table, privilege, grantee, first in session.query(
        queries.GRANTED, (account, *_names(others), list(queries.WRITING))
    ):
        subject = f"{privilege} on {TableName(schema, table)}"
        if first:
            found[f"{subject}, as member of {first}"] = _leave(account, first)
            continue
        to = role if grantee else sql.SQL("PUBLIC")
        statement = sql.SQL("REVOKE {} ON {} FROM {};").format(sql.SQL(privilege), sql.Identifier(schema, table), to)
        found[subject if grantee else f"{subject}, as everybody"] = statement.as_string()
    changes_tables = bool(needs.write or needs.create_in)
    schemas = [] if changes_tables else sorted({table.schema for table in others})
    names = _names([] if needs.owns else others)
    for kind, schema, name, first, heir in session.query(queries.OWNED, (account, *names, schemas)):
        if kind == "DATABASE" and changes_tables:
            continue
        owned = sql.Identifier(*filter(None, (schema, name)))
        give = sql.SQL("ALTER {} {} OWNER TO {};").format(sql.SQL(kind), owned, sql.Identifier(heir)).as_string()
        by_role = f", as member of {first}" if first else ""
        place = f"{schema}.{name}" if schema else name
        found[f"owner of {kind.lower()} {place}{by_role}"] = _leave(account, first) if first else give
    return found


def _leave(account: str, role: str) -> str:
    return sql.SQL("REVOKE {} FROM {};").format(sql.Identifier(role), sql.Identifier(account)).as_string()


def _names(tables: Iterable[TableName]) -> tuple[list[str], list[str]]:
    listed = list(tables)
    return [table.schema for table in listed], [table.table for table in listed]
