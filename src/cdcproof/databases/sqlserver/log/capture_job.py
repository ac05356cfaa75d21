"""How far SQL Server's capture job and a Debezium connector have read the log. Pure: what was seen is given.

Facts: Microsoft's "sys.dm_cdc_log_scan_sessions" and "Administer and monitor change data capture"; Debezium's
SqlServerOffsetContext and SqlServerStreamingChangeEventSource (3.4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cdcproof.databases.sqlserver.log import lsn

_NONE = "NULL"
_ALL = (1 << 80) - 1


@dataclass(frozen=True)
class LogScan:
    """A session of the capture job. Sessions without changes that follow one another are one, with their number."""

    session: int
    ended: bool
    errors: int
    last_commit: int
    """LSN of the last commit that was processed, of whatever tables; 0 when there was none."""
    empty_scans: int


@dataclass(frozen=True)
class Read:
    """What a connector has read: every transaction before `commit`, and of that one every change up to `change`.

    A key's update is two changes at one place: of those at `change`, the first `events` have been read.
    """

    commit: int
    change: int
    events: int


def passed(scans: Sequence[LogScan], position: int) -> bool:
    """Whether a session that has ended had processed a commit at or after `position`: commits are processed in order."""
    return any(scan.ended and not scan.errors and scan.last_commit >= position for scan in scans)


def drained(before: Sequence[LogScan], after: Sequence[LogScan]) -> bool:
    """Whether a session that began after `before` was seen found nothing: all that was committed then is captured.

    A session may have been under way then: only the second one to end since is sure to have begun later. The clock does not
    show it, since the view's times and the server's need not be of one zone.
    """
    if not after:
        return False
    last, first = after[-1], before[-1] if before else LogScan(0, ended=True, errors=0, last_commit=0, empty_scans=0)
    if not last.ended or last.errors or not last.empty_scans:
        return False
    if last.session == first.session:
        return last.empty_scans - first.empty_scans > 1
    return last.session - first.session > 1 or (last.session > first.session and last.empty_scans > 1)


def read_of(offset: Mapping[str, Any]) -> Read | None:
    """What a committed offset of Debezium's connector says; None before and during a snapshot.

    Raises ValueError for an LSN that is none.
    """
    if offset.get("snapshot") and not offset.get("snapshot_completed"):
        return None
    commit, change = offset.get("commit_lsn") or _NONE, offset.get("change_lsn") or _NONE
    if commit == _NONE:
        return None
    try:
        if change == _NONE:  # a snapshot has ended here, and streaming goes on behind this transaction
            return Read(lsn.of_text(commit), _ALL, 0)
        return Read(lsn.of_text(commit), lsn.of_text(change), int(offset.get("event_serial_no") or 0))
    except (AttributeError, TypeError, OverflowError):  # Connect keeps whatever JSON it was given as an offset
        raise ValueError(f"{dict(offset)} is no offset of Debezium's connector for SQL Server") from None
