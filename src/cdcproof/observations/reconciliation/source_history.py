"""Whether the source's log goes on where it was reconciled: a restore, or a failover that lost something, begins another history.

The connector may go on without an error: what it has sent of the old history stays at the target, also as a changed row that no
count shows. A table is in order again when its contents were compared in the new history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from cdcproof.databases.contracts.identity import Identity
from cdcproof.findings import Observation
from cdcproof.observations.reconciliation.report_files import ReportFile, clock
from cdcproof.pipeline.model import Table
from cdcproof.reconcile.report.history import compares_every_row
from cdcproof.reconcile.report.ownership import as_declared
from cdcproof.reconcile.report.result import TableResult

_SAME = "the history that was reconciled"
_NOTHING_KNOWN = {"source": "no history is known"}


@dataclass(frozen=True)
class SourceHistory:
    """The source's identity now, the reports, newest first, and the pipeline's tables."""

    now: Identity
    files: Sequence[ReportFile]
    tables: Sequence[Table]

    def observation(self) -> Observation:
        """The log goes on in the history that was reconciled, where one is known."""
        return Observation(self.found() or _NOTHING_KNOWN, self.expected() or _NOTHING_KNOWN, self.details())

    def expected(self) -> dict[str, str]:
        """The same history; nothing where no report shows one, or this account may not see it."""
        return {"source": _SAME} if any(True for _ in self._known()) else {}

    def found(self) -> dict[str, str]:
        """That, or when another one was seen last of which a table's rows may be left."""
        if not self.expected():
            return {}
        left = self._left
        return {"source": f"another history than at {clock(max(at for at, _ in left.values()))}" if left else _SAME}

    def details(self) -> dict[str, str]:
        """Both, in the server's terms (PostgreSQL's timeline, SQL Server's recovery fork), and the tables to be compared."""
        if not self._left:
            return {}
        _, then = max(self._left.values())
        changed = f"then {then}, now {self.now.history}: restored, or failed over"
        return {"source": f"{changed}; contents not compared since: {', '.join(self._left)}"}

    @cached_property
    def _left(self) -> dict[str, tuple[datetime, str]]:
        """Table to when another history of it was seen last, and which, where no later run compared its contents in this one."""
        left: dict[str, tuple[datetime, str]] = {}
        for table in self.tables:
            for file, history in self._known():
                result = _result(file, table)
                if result and history != self.now.history:
                    left[table.name] = (file.at, history)
                    break
                if result and compares_every_row(result):
                    break
        return left

    def _known(self) -> Iterator[tuple[ReportFile, str]]:
        """The reports that count and are of this database, newest first, each with the history that it was made in."""
        for file in self.files if self.now.history else ():
            then = file.report.source_identity if file.report and file.counts else None
            if then and then.history and then.is_same_database(self.now):
                yield file, then.history


def _result(file: ReportFile, table: Table) -> TableResult | None:
    """What a report says of the table; None where it does not name it, or is of other tables or rows."""
    results = file.report.tables if file.report else ()
    return next((as_declared(one, table) for one in results if one.table == table.name), None)
