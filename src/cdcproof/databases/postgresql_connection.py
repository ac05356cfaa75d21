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

logging.getLogger("psycopg").addHandler(logging.NullHandler())  # else Python prints its warnings: the error says it all


class NoAnswerError(psycopg.OperationalError):
    """Nothing came in time; the connection is closed."""


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """psycopg's, with a limit for each answer: `statement_timeout_seconds` and some grace."""

    statement_timeout_seconds: float

    @classmethod
    def to(cls, address: str, statement_timeout_seconds: float) -> Self:
        """Connect, in autocommit. The address has a limit of its own for that (connect_timeout)."""
        connection = cls.connect(address, autocommit=True)
        connection.statement_timeout_seconds = statement_timeout_seconds
        return connection

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Every wait of psycopg's for the server, by its cursors and transactions too, comes here."""
        try:
            return super().wait(_until(Deadline(self.statement_timeout_seconds + GRACE_SECONDS), gen), *args, **kwargs)
        except NoAnswerError:
            self.close()
            raise


def _until(deadline: Deadline, answer: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
    """The same answer, unless the time is over first: psycopg asks it to go on ten times a second, with news or without."""
    try:
        wanted = next(answer)
        while True:
            news = yield wanted
            if deadline.passed:
                raise NoAnswerError(f"no answer within {deadline.seconds:g} s")
            wanted = answer.send(news)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
