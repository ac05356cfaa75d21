"""A side's database, recognised again at every session of a run: names move, and proxies lead elsewhere."""

from __future__ import annotations

import threading

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.contracts.database import Isolation
from cdcproof.databases.contracts.identity import Identity


class Recognised:
    """The identity that the first session of a run had. Called from several threads."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._identity: Identity | None = None
        self._lock = threading.Lock()

    isolation: Isolation | None = None
    """How its sessions read; None until one was opened."""

    @property
    def identity(self) -> Identity | None:
        """None until a session was opened."""
        return self._identity

    def demand(self, found: Identity) -> None:
        """Take the first one. Raises `UnexpectedAnswerError` for another one after it."""
        with self._lock:
            if self._identity is None:
                self._identity = found
            elif found != self._identity:
                raise UnexpectedAnswerError(
                    f"{self._place} leads to another database than at the start of this run: {found}, not {self._identity}.",
                    "Wait until the failover or restore is over, and run again.",
                )
