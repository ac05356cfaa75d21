"""The result of a reconciliation and its report file, as the runbook reads it (`jq '.summary'`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from cdcproof.errors import UnexpectedAnswerError
from cdcproof.reporting.files import write_whole
from cdcproof.secrets import scrub

FORMAT_VERSION = 1
PREFIX = "reconciliation_report_"


class TableStatus(StrEnum):
    """MATCH: looked at and the same. MISMATCH: looked at and different. ERROR: could not be looked at."""

    MATCH = "MATCH"
    MISMATCH = "MISMATCH"
    ERROR = "ERROR"


@dataclass(frozen=True)
class TableResult:
    """One table. Row counts are None when they could not be read; checksums None when not asked for."""

    table: str
    status: TableStatus
    source_rows: int | None = None
    target_rows: int | None = None
    checksums_match: bool | None = None
    missing_at_target: int | None = None
    extra_at_target: int | None = None
    changed: int | None = None
    example_keys: tuple[str, ...] = ()
    """Keys that differ, at most twenty, as ``missing 17``, ``extra 18`` or ``changed 19 (name, email)``."""
    not_compared: tuple[str, ...] = ()
    """Columns left out, each with its reason: ``photo (xml: not compared)``."""
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """One reconciliation run. Times are ISO 8601 with offset."""

    run_id: str
    started_at: str
    finished_at: str
    source: str
    """``type://host:port/database``, never with a password."""
    target: str
    method: str
    tables: tuple[TableResult, ...]
    complete: bool = True
    version: int = FORMAT_VERSION
    summary: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Derive the summary: it is never given, so that it cannot disagree with the tables."""
        object.__setattr__(self, "summary", {t.table: str(t.status) for t in self.tables})

    @property
    def exit_status(self) -> int:
        """0 all tables match, 1 a difference, 3 none differs but one could not be looked at."""
        statuses = {t.status for t in self.tables}
        if TableStatus.MISMATCH in statuses:
            return 1
        return 0 if statuses == {TableStatus.MATCH} else 3


def write(report: Report, directory: Path) -> Path:
    """Write `reconciliation_report_<YYYYMMDD_HHMMSS>.json` (local time, as the runbook's `date`) and return its path.

    The file appears whole or not at all, and an existing report is never overwritten. Raises `OSError`.
    """
    stamp = datetime.fromisoformat(report.started_at).astimezone().strftime("%Y%m%d_%H%M%S")
    path = directory / f"{PREFIX}{stamp}.json"
    number = 2
    while path.exists():
        path = directory / f"{PREFIX}{stamp}_{number}.json"
        number += 1
    # only what drivers said may hold a secret; scrubbing the whole text would turn a count of 1234 into [redacted]
    clean = replace(report, tables=tuple(replace(t, error=scrub(t.error)) for t in report.tables))
    write_whole(path, json.dumps(asdict(clean), indent=2, ensure_ascii=False) + "\n")
    return path


def read(path: Path) -> Report:
    """Read a report. Raises `UnexpectedAnswerError` saying what is wrong with a file that is not a whole report."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnexpectedAnswerError(f"{path} is not a whole report: {error}") from None
    try:
        return _from_dict(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnexpectedAnswerError(f"{path} is not a reconciliation report: {type(error).__name__} {error}") from None


def _from_dict(data: Mapping[str, Any]) -> Report:
    if data["version"] != FORMAT_VERSION:
        raise ValueError(f"format version {data['version']}, this program reads {FORMAT_VERSION}")
    for at in ("started_at", "finished_at"):
        if datetime.fromisoformat(data[at]).tzinfo is None:
            raise ValueError(f"{at} has no offset from UTC")
    fields = {k: v for k, v in data.items() if k not in ("summary", "tables")}
    report = Report(
        **fields,
        tables=tuple(
            TableResult(
                **{
                    **t,
                    "status": TableStatus(t["status"]),
                    "example_keys": tuple(t["example_keys"]),
                    "not_compared": tuple(t["not_compared"]),
                }
            )
            for t in data["tables"]
        ),
    )
    if report.summary != data["summary"]:
        raise ValueError(f"the summary {data['summary']} disagrees with the tables {report.summary}")
    return report
