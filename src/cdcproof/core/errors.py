"""Every error an operator may meet, each a sentence and a remedy.

Two questions decide the class: did the caller ask for something impossible (`UsageError`), or
could we not look (`CouldNotLookError`)? What was looked at and is wrong is not an error but a
`cdcproof.findings.Finding`.
"""

from __future__ import annotations

from pathlib import Path


class CdcproofError(Exception):
    """Base of all our errors.

    `message` says what happened and to what; `remedy`, when there is one, what to do about it.
    Both are positional so that the exception survives pickling between xdist workers.
    """

    exit_status = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class OperationError(CdcproofError):
    """An act was attempted and did not succeed."""


class UsageError(CdcproofError):
    """A flag, file or value that cannot be used as given."""

    exit_status = 2


class ConfigError(UsageError):
    """A file that cannot be used as written; the message names file, line and key."""

    def __init__(self, message: str, remedy: str = "", path: Path | None = None, line: int | None = None) -> None:
        place = f"{path}:{line}: " if path and line else f"{path}: " if path else ""
        super().__init__(f"{place}{message}", remedy)
        self.args = (message, remedy, path, line)
        self.path = path
        self.line = line


class CouldNotLookError(CdcproofError):
    """The system could not be observed; nothing is known about whether it is right."""

    exit_status = 3


class UnreachableError(CouldNotLookError):
    """No answer: connection refused, name not resolved, timed out while connecting."""


class RefusedError(CouldNotLookError):
    """An answer that denies us: wrong password, missing permission, TLS refused."""


class UnexpectedAnswerError(CouldNotLookError):
    """An answer we do not understand: not JSON, a field missing, an HTTP status nobody documents."""


class DeadlineError(CouldNotLookError):
    """The awaited state did not come before the deadline."""
