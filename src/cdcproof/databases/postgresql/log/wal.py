"""How far a reader of PostgreSQL's log is: what was seen of the slot and of a Debezium connector, and what follows from it.

A change is in the log before it can be seen, so what could be seen lies before the place where the next record will go
(`pg_current_wal_insert_lsn`; with synchronous_commit=off the *written* log may end earlier). Decoding sends transactions
in the order of their commits, whole, and each position below is one of that order:

- `lsn_proc` of the connector's committed offset: the place of a change, or the end of a commit. Connect commits an
  offset only when Kafka has acknowledged its record and all before it. At or after P, every transaction that ended
  before P is in Kafka.
- `confirmed_flush_lsn` of its slot: the connector moves it to offsets that Connect has committed, so it means the same.
- `write_lsn` of the slot's session: what the connector's driver was sent, to the last message. At or after P,
  everything before P was handed to the connector in order, since the driver reads on only when the message before has
  been taken. Whether that is in Kafka already it does not say.

While no captured table is written to, the first two stand still: at the last change or, with a heartbeat, at the last
commit (seen on Debezium 3.4 by its defaults). The third follows within `status.update.interval.ms`, 10 s by default. A
heartbeat that writes to the log (`heartbeat.action.query`) keeps all three moving. `lsn.flush.mode=connector_and_driver`
does so too, and is a trap: the slot is then ahead of the offset in Kafka, and Debezium 3.4 does not start again from
there ("no longer available on the server"). A snapshot's offset says nothing about the rows that are still to be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

POSITION: LiteralString = """
    SELECT (lsn - '0/0')::bigint, current_setting('wal_block_size')::int,
           pg_size_bytes(current_setting('wal_segment_size'))
    FROM (SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_insert_lsn() END AS lsn) AS now"""

READER: LiteralString = """
    SELECT (s.confirmed_flush_lsn - '0/0')::bigint, (r.write_lsn - '0/0')::bigint,
           coalesce(r.pid || ' since ' || r.backend_start, '')
    FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid WHERE s.slot_name = %s"""

_PAGE_HEADER, _SEGMENT_HEADER = 24, 40


def end_of_log(insert: int, block_bytes: int, segment_bytes: int) -> int:
    """Where the last record ends. Behind one that ends with its page, the next goes behind the next page's header.

    No record ends inside or right behind a header, so nothing is lost; and no reader's position is ever there, so that
    without this the position of an idle server could never be reached. Sizes: PostgreSQL's xlog_internal.h.
    """
    if insert % segment_bytes == _SEGMENT_HEADER:
        return insert - _SEGMENT_HEADER
    return insert - _PAGE_HEADER if insert % block_bytes == _PAGE_HEADER else insert


def committed(offset: Mapping[str, Any]) -> int:
    """The position that a committed offset of Debezium's connector stands for; 0 when it says nothing."""
    position = offset.get("lsn_proc")
    if offset.get("snapshot") and not (offset.get("snapshot_completed") or offset.get("last_snapshot_record")):
        return 0
    return position if isinstance(position, int) else 0


@dataclass(frozen=True)
class Reader:
    """A slot and the session that reads it, if one does: its name is empty then."""

    confirmed: int
    written: int
    session: str


def reader(row: Sequence[Any]) -> Reader:
    """A row of `READER`. Without the role pg_monitor the session of another account does not show its positions."""
    confirmed, written, session = row
    return Reader(confirmed or 0, written or 0, session)
