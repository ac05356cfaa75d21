"""What every session with PostgreSQL sets, and how it is set behind a pooler, which takes no options at the start of a session.

To a server the settings are sent with the start of the session, so that a driver's own sessions have them too. A pooler that
refuses or ignores them is asked for them after the login, which holds only where a session is ours from login to logout.
"""

from __future__ import annotations

import re
import select
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

LOCK_TIMEOUT_SECONDS = 5
SETTINGS = {
    "default_transaction_read_only": "on",
    "lock_timeout": f"{LOCK_TIMEOUT_SECONDS * 1000}",
    "idle_in_transaction_session_timeout": "0",  # a snapshot of ours waits while the other side is read
    "row_security": "off",  # an error instead of some of the rows
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",
    "array_nulls": "on",  # else the NULL in an array of ours is a text
    "transform_null_equals": "off",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",  # else text is the type "text", in quotes
    "work_mem": "32MB",  # for the sums of 50,000 chunks
    "cursor_tuple_fraction": "1",
    "jit": "off",  # compiling a hash of 1,000 columns takes longer than it saves
}
"""What every session sets, whatever the server's or the account's defaults are."""

_SINCE_14_AND_17 = ("idle_session_timeout", "transaction_timeout")
"""An older server refuses a session that is started with them."""
_MARK = "cdcproof.settings"
"""A setting of our own, by which it is seen whether the start's options reached the server."""
_REFUSED = re.compile(r"startup parameter|startup option|command-line options|options? .*not supported", re.IGNORECASE)
"""As PgBouncer, Neon and RDS Proxy refuse them."""
_SAMPLES = 3
_ANSWER_SECONDS = 3.0

Connection = psycopg.Connection[tuple[Any, ...]]


def options(statement_timeout_seconds: float) -> str:
    """The settings as options of the start."""
    found = {**_with_timeout(statement_timeout_seconds), _MARK: "on"}
    return " ".join(f"-c {name}={value}" for name, value in found.items())


def refuses_options(error: psycopg.Error) -> bool:
    """Whether a session was refused for what was sent with its start."""
    return _REFUSED.search(str(error)) is not None


def are_set(connection: Connection) -> bool:
    """Whether the options of the start reached the server."""
    return connection.execute("SELECT current_setting(%s, true)", [_MARK]).fetchall() == [("on",)]


def statement(statement_timeout_seconds: float, *, for_transaction: bool = False) -> sql.Composed:
    """One query that sets everything, for the session or for the transaction that runs."""
    local = sql.Literal(for_transaction)
    found = _with_timeout(statement_timeout_seconds).items()
    calls = [
        sql.SQL("pg_catalog.set_config({}, {}, {})").format(sql.Literal(n), sql.Literal(v), local) for n, v in found
    ]
    return _query([*calls, *_of_the_server(local)])


def completion(*, for_transaction: bool = False) -> sql.Composed:
    """One query that sets what cannot be sent with the start of a session."""
    return _query(_of_the_server(sql.Literal(for_transaction)))


def _query(calls: Iterable[sql.Composed]) -> sql.Composed:
    return sql.SQL("SELECT pg_catalog.concat({}) AS settings").format(sql.SQL(", ").join(calls))


def _of_the_server(local: sql.Literal) -> Iterator[sql.Composed]:
    """What servers of this version know, and functions of PostgreSQL before those of the same name on the account's search_path."""
    yield sql.SQL(
        "pg_catalog.set_config('search_path', pg_catalog.rtrim(pg_catalog.concat("
        "'pg_catalog, ', pg_catalog.current_setting('search_path')), ', '), {})"
    ).format(local)
    for name in _SINCE_14_AND_17:
        yield sql.SQL(
            "CASE WHEN pg_catalog.current_setting({0}, true) IS NOT NULL THEN pg_catalog.set_config({0}, '0', {1}) END"
        ).format(sql.Literal(name), local)


def shares_sessions(connection: Connection, other: Connection) -> bool:
    """Whether the server's sessions behind two of ours change hands between statements, as in a pool by transaction.

    What is set there would be lost for us, and reach the statements of others.
    """
    seen = []
    for _ in range(_SAMPLES):
        pair = (_backend(connection), _backend(other))
        if pair[1] is None:  # the pool is at its end: ours is held
            return False
        seen.append(pair)
    return len(set(seen)) > 1 or seen[0][0] == seen[0][1]


def _backend(connection: Connection) -> int | None:
    """The server's process; None where a pool has none to give in time."""
    link = connection.pgconn
    # RDS Proxy keeps a session for whom sets something
    link.send_query(b"SET cdcproof.session = 'ours'; SELECT pg_backend_pid()")
    link.flush()
    if not select.select([link.socket], [], [], _ANSWER_SECONDS)[0]:
        return None
    backend = None
    while result := link.get_result():
        value = result.get_value(0, 0) if result.ntuples else None
        backend = int(value) if value else backend
    return backend


def _with_timeout(seconds: float) -> Mapping[str, str]:
    return {**SETTINGS, "statement_timeout": f"{seconds * 1000:.0f}"}
