"""SQL Server's sessions, locks, capture, sizes and settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from cdcproof.databases.contracts.diagnosis import SESSIONS, Question, Rows
from cdcproof.databases.sqlserver.queries import catalogue, diagnosis
from cdcproof.databases.sqlserver.session import Session

_QUESTIONS = (
    Question("server", "Version, start and clock", diagnosis.SERVER),
    Question(SESSIONS, "Sessions: what each does, for how long, and who blocks it", diagnosis.SESSIONS),
    Question("locks-waited-for", "Locks that somebody waits for", diagnosis.LOCKS_WAITED_FOR),
    Question("database", "The database: state, recovery model, why its log cannot be truncated", diagnosis.DATABASE),
    Question("log-space", "The transaction log", diagnosis.LOG_SPACE),
    Question("files", "Files and how they grow", diagnosis.FILES),
    Question("tables", "The largest tables", diagnosis.TABLES),
    Question("settings", "Settings of the server", diagnosis.SETTINGS),
)
_CAPTURE = (
    Question("capture-instances", "Capture instances", diagnosis.CAPTURE_INSTANCES),
    Question("log-scan-sessions", "What the capture job did last", diagnosis.LOG_SCAN_SESSIONS),
    Question("capture-errors", "Errors of the capture job", diagnosis.CAPTURE_ERRORS),
    Question("capture-jobs", "Capture and cleanup jobs", diagnosis.CAPTURE_JOBS),
)


class SQLServerDiagnosis(Session):
    """A SQL Server session that shows what the server does."""

    def __enter__(self) -> Self:
        self._connect()
        return self

    def questions(self) -> Sequence[Question]:
        """Those about capture only where CDC is on: else their views do not exist."""
        captures, _ = self.database_state()
        return (*_QUESTIONS, *_CAPTURE) if captures else _QUESTIONS

    def rows(self, question: Question) -> Rows:
        """The answer, by column."""
        with self.our_errors(grant=self.grant_of_state):
            cursor = self.driver.execute(question.statement)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def blind(self) -> str:
        """Without VIEW SERVER STATE only its own session is shown."""
        [(sees,)] = self.query(catalogue.MAY_VIEW_SERVER_STATE)
        return "" if sees else f"This account sees only its own session: {self.grant_of_state()}"
