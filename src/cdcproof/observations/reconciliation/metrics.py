"""What the reconciliation exporter says about mismatches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cdcproof.findings import ABSENT, Observation

MISMATCHES = "reconciliation_row_count_mismatch_total"
CHECKSUM_MISMATCHES = "reconciliation_checksum_mismatch_total"
RUNS = "reconciliation_runs_total"
LAST_MISMATCH = "reconciliation_last_mismatch_timestamp_seconds"
LAST_MATCH = "reconciliation_last_match_timestamp_seconds"
_WINDOW_SECONDS = 24 * 3600


@dataclass(frozen=True)
class MismatchMetrics:
    """Counters and times by table, as scraped at `now` (Unix seconds).

    A mismatch *stands* until a later report matched, however long that takes. One of the last 24 hours that a later
    report resolved (rows in flight, a repair) is worth a look, not an alarm.
    """

    tables: tuple[str, ...]
    row_count_mismatches_total: Mapping[str, float]
    checksum_mismatches_total: Mapping[str, float]
    last_mismatch: Mapping[str, float]
    last_match: Mapping[str, float]
    runs_total: Mapping[str, float]
    """By status: ``success`` and ``failure``."""
    now: float

    def observation(self) -> Observation:
        """No mismatch stands; one that is over is a concern, and so are runs that could not look."""
        return Observation(
            self.mismatches(),
            self.no_mismatches(),
            self.details(),
            concerns=self.passing_mismatches() | self.failing_runs(),
            no_concern="no mismatch in the last 24 h, and runs that could look",
        )

    @property
    def mismatches_total(self) -> dict[str, float]:
        """Mismatches of either kind, of the tables that have both series."""
        rows, contents = self.row_count_mismatches_total, self.checksum_mismatches_total
        return {table: rows[table] + contents[table] for table in self.tables if table in rows and table in contents}

    def no_mismatches(self) -> dict[str, str]:
        """What must hold for every expected table."""
        return dict.fromkeys(self.tables, "no standing mismatch")

    def mismatches(self) -> dict[str, str]:
        """What was seen for every expected table; a series that is absent stays absent."""
        return {table: self._word(table) for table in self.tables if table in self.mismatches_total}

    def details(self) -> dict[str, str]:
        """Table to when the exporter last saw it mismatch."""
        known = {MISMATCHES: self.row_count_mismatches_total, CHECKSUM_MISMATCHES: self.checksum_mismatches_total}
        missing = {
            table: f"the exporter has no {name} for it"
            for name, values in known.items()
            for table in self.tables
            if table not in values
        }
        return {**missing, **{t: f"counted at {_clock(at)}" for t, at in self.last_mismatch.items() if at > 0}}

    def passing_mismatches(self) -> dict[str, str]:
        """Mismatches of the last 24 hours that a later report resolved."""
        return {
            table: f"mismatch at {_clock(at)}, match again at {_clock(self.last_match[table])}"
            for table in self.tables
            if (at := self.last_mismatch.get(table, 0)) > self.now - _WINDOW_SECONDS
            and self.last_match.get(table, 0) > at
        }

    def failing_runs(self) -> dict[str, str]:
        """Most runs not being able to look is a fault of the job, even where the newest one was lucky."""
        success, failure = (self.runs_total.get(status, 0) for status in ("success", "failure"))
        if not failure > success:
            return {}
        return {"runs": f"{failure:g} of {failure + success:g} could not look at every table"}

    def tables_not_matching(self) -> tuple[str, ...]:
        """Tables with a standing mismatch or without a series."""
        found = self.mismatches()
        return tuple(t for t in self.tables if found.get(t) != "no standing mismatch")

    def rows(self) -> list[dict[str, object]]:
        """One row per expected table, for the report."""
        return [
            {
                "table": table,
                "mismatches counted": f"{self.mismatches_total[table]:g}" if table in self.mismatches_total else ABSENT,
                "last mismatch": _clock(self.last_mismatch.get(table, 0)),
                "last match": _clock(self.last_match.get(table, 0)),
            }
            for table in self.tables
        ]

    def _word(self, table: str) -> str:
        total = self.mismatches_total[table]
        if not 0 <= total < math.inf:
            return f"no number ({total})"
        at = self.last_mismatch.get(table, math.nan)
        if total and not at > 0:
            return f"{total:g} mismatches, and no time of the last one"
        stands = at > 0 and not self.last_match.get(table, 0) > at
        return f"a mismatch, {total:g} counted in all" if stands else "no standing mismatch"


def _clock(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S") if seconds > 0 else None
