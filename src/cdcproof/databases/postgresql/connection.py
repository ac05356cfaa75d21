"""A connection to PostgreSQL on which no answer is waited for longer than its server should take.

The server's statement_timeout ends a statement only while the server runs: one that is stopped, or whose machine hangs, says
nothing more, and the network between keeps the connection open. One session alone may be stopped, while the server takes others.
They see that it has not begun the statement, or does not send what it has. In the midst of a statement it looks to them like one that works:
only its process says it then, to an account that may read the server's files.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Generator, Sequence
from typing import Any, Self, TypeVar

import psycopg

from cdcproof.core.waiting import Deadline

T = TypeVar("T")

GRACE_SECONDS = 5.0
"""What a server's word that the statement's time is over may take to arrive."""
SILENCE_SECONDS = 60.0
"""How long a statement may say nothing before it is tried whether its server still takes a session."""
TRIES = 3
"""So often in a row it must not: a server that is busy may be slow once."""

_ASK_SECONDS = 5.0
_SESSIONS = """
    SELECT pid, coalesce(state, ''), coalesce(wait_event, ''),
           has_function_privilege('pg_catalog.pg_read_file(text, bigint, bigint, boolean)', 'EXECUTE')
           AND pg_has_role('pg_read_server_files', 'MEMBER')
    FROM pg_stat_activity
    WHERE client_port = ANY(%s) AND client_addr IS NOT DISTINCT FROM inet_client_addr() AND usename = current_user"""
"""Ours by their end here: behind a pooler or a translation of addresses none is found, and nothing is concluded."""
_STOPPED = re.compile(r"\) [Tt] [^)]*$")
"""Linux's /proc/PID/stat: number, (name), state."""
_PROCESS = "SELECT pg_read_file('/proc/' || %s || '/stat', 0, 1000, true)"
"""A statement of its own: PostgreSQL asks for the right to a function before it knows whether a CASE comes to it."""

logging.getLogger("psycopg").addHandler(logging.NullHandler())  # else Python prints its warnings: the error says it all


class NoAnswerError(psycopg.OperationalError):
    """Nothing came in time; the connection is closed."""


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """psycopg's, with a limit for each answer: `statement_timeout_seconds` and some grace, less where the server is gone."""

    address: str
    statement_timeout_seconds: float

    @classmethod
    def to(cls, address: str, statement_timeout_seconds: float) -> Self:
        """Connect, in autocommit. The address has a limit of its own for that (connect_timeout)."""
        connection = cls.connect(address, autocommit=True)
        connection.address = address
        connection.statement_timeout_seconds = statement_timeout_seconds
        return connection

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Every wait of psycopg's for the server, by its cursors and transactions too, comes here."""
        try:
            return super().wait(self._bounded(gen), *args, **kwargs)
        except NoAnswerError:
            self.close()
            raise

    def _bounded(self, answer: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """The same answer, unless the time is over first: psycopg asks it to go on ten times a second, with news or without."""
        deadline = Deadline(self.statement_timeout_seconds + GRACE_SECONDS)
        silence, failed = Deadline(SILENCE_SECONDS), 0
        try:
            wanted = next(answer)
            while True:
                news = yield wanted
                if deadline.passed:
                    raise NoAnswerError(f"no answer within {deadline.seconds:g} s")
                if news:
                    silence, failed = Deadline(SILENCE_SECONDS), 0
                elif silence.passed:
                    trouble = self.trouble([_port(self.fileno())], reading=self.info.backend_pid)
                    failed = failed + 1 if trouble else 0
                    silence = Deadline(SILENCE_SECONDS)
                    if failed == TRIES:
                        raise NoAnswerError(f"no answer, and {trouble}, {failed} times in a row")
                wanted = answer.send(news)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def trouble(self, ports: Sequence[int], *, reading: int | None = None) -> str:
        """Why no answer will come to these ports of this machine, as far as another session can see; empty where it sees no reason.

        `reading` is the server's process of which somebody here waits for an answer and takes whatever comes. That the server has no
        session left says that it runs.
        """
        try:
            with type(self).to(self.address, _ASK_SECONDS) as other:
                for process, state, event, may_read in other.execute(_SESSIONS, [list(ports)]).fetchall():
                    why = stuck(state, event) if process == reading else ""
                    if may_read and _is_stopped(other.execute(_PROCESS, [process]).fetchone()):
                        why = "is stopped"
                    if why:
                        return f"its session {process} at the server {why}"
        except psycopg.errors.ConnectionTimeout:
            return "no new session either"
        except psycopg.Error:
            return ""
        return ""


def stuck(state: str, wait_event: str) -> str:
    """Why a session will send nothing of which an answer is waited for here, by `pg_stat_activity`; empty where it may."""
    if state.startswith("idle"):
        return "has not begun the statement"
    return "does not send what it has" if wait_event == "ClientWrite" else ""


def _is_stopped(found: tuple[Any, ...] | None) -> bool:
    return bool(found and found[0] and _STOPPED.search(found[0]))


def _port(descriptor: int) -> int:
    with socket.socket(fileno=os.dup(descriptor)) as link:
        name = link.getsockname()
        return int(name[1]) if isinstance(name, tuple) else 0
