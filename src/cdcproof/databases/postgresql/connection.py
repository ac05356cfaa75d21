"""A connection to PostgreSQL on which no answer is waited for longer than its server should take.

The server's statement_timeout ends a statement only while the server runs: one that is stopped, or whose machine hangs, says
nothing more, and the network between keeps the connection open.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any, Self, TypeVar

import psycopg

from cdcproof.waiting import Deadline

T = TypeVar("T")

GRACE_SECONDS = 5.0
"""What a server's word that the statement's time is over may take to arrive."""
SILENCE_SECONDS = 60.0
"""How long a statement may say nothing before it is tried whether its server still takes a session."""
TRIES = 3
"""So often in a row it must not: a server that is busy may be slow once."""

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
                    failed = 0 if self.takes_a_session() else failed + 1
                    silence = Deadline(SILENCE_SECONDS)
                if failed == TRIES:
                    raise NoAnswerError(f"no answer, and no new session either, {failed} times in a row")
                wanted = answer.send(news)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def takes_a_session(self) -> bool:
        """Whether the server says anything to one who wants a session; that it has none left is something."""
        try:
            psycopg.connect(self.address).close()
        except psycopg.errors.ConnectionTimeout:
            return False
        except psycopg.Error:
            return True
        return True
