"""Whether the source's log goes on where it was reconciled: a restore, or a failover that lost something, begins another history.

The connector may go on without an error: what it has sent of the old history stays at the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdcproof.databases.identity import Identity
from cdcproof.observations.report_files import ReportFile, clock

_SAME = "the history that was reconciled"


@dataclass(frozen=True)
class SourceHistory:
    """The source's identity now, and the reports, newest first."""

    now: Identity
    files: Sequence[ReportFile]

    def expected(self) -> dict[str, str]:
        """The same history; nothing where no report tells of one, or this account may not see it."""
        return {"source": _SAME} if self._reconciled else {}

    def found(self) -> dict[str, str]:
        """That, or when another one was reconciled."""
        if not self._reconciled:
            return {}
        then, report = self._reconciled
        word = _SAME if then.history == self.now.history else f"another history than at {clock(report.at)}"
        return {"source": word}

    def details(self) -> dict[str, str]:
        """Both, in the server's terms: PostgreSQL's timeline, SQL Server's recovery fork."""
        if not self._reconciled:
            return {}
        return {"source": f"then {self._reconciled[0].history}, now {self.now.history}: restored, or failed over"}

    @property
    def _reconciled(self) -> tuple[Identity, ReportFile] | None:
        """What the newest report says that counts and is of this database."""
        for file in self.files if self.now.history else ():
            then = file.report.source_identity if file.report and file.counts else None
            if then and then.history and then.is_same_database(self.now):
                return then, file
        return None
