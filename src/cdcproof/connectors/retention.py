"""Whether what a connector has not read yet is still there: its position against what the source, or Kafka, keeps.

Debezium compares them when a task starts and against the oldest of all tables only, so that a connector that was paused
for longer than the source keeps its changes may go on with a gap that no state shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cdcproof.clients.connect.client import Connect, Connector, Offset
from cdcproof.clients.connect.states import is_of_today
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.consumer_groups import PartitionLag
from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.settings.config import Config
from cdcproof.core.errors import CdcproofError
from cdcproof.databases.connections import connect_for_deployment as open_database
from cdcproof.databases.contracts.deployment import LogStart
from cdcproof.databases.sqlserver.log import lsn
from cdcproof.pipeline.engines import Engine
from cdcproof.pipeline.model import Pipeline


@dataclass(frozen=True)
class Retention:
    """`passed`: what is gone, in sentences. `unknown`: why it could not be found out, empty where it was."""

    passed: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def verdict(self) -> str:
        """``kept``, ``passed`` or ``unknown``."""
        return "passed" if self.passed else "unknown" if self.unknown else "kept"


def look(connector: Connector, connect: Connect, pipeline: Pipeline) -> Retention:
    """Ask Connect, and the source or Kafka. Never raises for what it cannot see: that is `unknown`."""
    try:
        if connector.kind == "sink":
            return of_sink(Kafka(pipeline.kafka).lag(connector_config.consumer_group(connector.name, connector.config)))
        return of_source(connector.config, connect.offsets(connector.name), pipeline)
    except CdcproofError as error:
        return Retention(unknown=error.message)


def of_source(config: Config, offsets: Sequence[Offset], pipeline: Pipeline) -> Retention:
    """The same for a source's positions, whether it has them now or is about to get them."""
    address = connector_config.source_address(config)
    if address is None:
        return Retention(
            unknown=f"positions of {config.get('connector.class', 'this class')} are not known to cdcproof."
        )
    if (address.engine, (address.database or "").lower()) != (pipeline.source.type, pipeline.source.database.lower()):
        return Retention(unknown="it reads another database than the source of the pipeline file.")
    offsets = [each for each in offsets if is_of_today(each["partition"], config)]
    if not offsets:
        return Retention()
    with open_database(pipeline.source) as database:
        starts, end = database.log_starts(), database.log_end()
    if ahead := beyond_end(offsets, address.engine, end):
        return Retention((ahead,))
    if address.engine == "postgresql":
        return of_slot(offsets, address.slot or "", starts)
    captured = [s for s in starts if s.table and connector_config.captures(config, address.database, s.table)]
    return of_capture_instances(offsets, pipeline.source.database, captured)


def beyond_end(offsets: Iterable[Offset], engine: Engine, end: int) -> str:
    """A position beyond the end of the source's log is of another history; empty for one that is not, or where the end is not known.

    Debezium has no upper bound: a connector whose source was restored to the past runs, and sends nothing until the log has
    grown past its position.
    """
    if engine == "postgresql":
        read = [int(o["offset"]["lsn_commit"]) for o in offsets if o["offset"].get("lsn_commit") is not None]
    else:
        positions = [str(o["offset"].get("commit_lsn") or "NULL") for o in offsets]
        try:
            read = [lsn.of_text(text) for text in positions if text != "NULL"]
        except ValueError:  # `of_capture_instances` says so
            return ""
    furthest, written = max(read, default=0), _lsn if engine == "postgresql" else lsn.text
    if not end or furthest <= end:
        return ""
    return f"it has read to {written(furthest)}, and the source's log ends at {written(end)}: the source was set back to an earlier moment."


def of_slot(offsets: Iterable[Offset], slot: str, starts: Iterable[LogStart]) -> Retention:
    """PostgreSQL: the slot must be there and reach back to the last commit read; Debezium refuses to start otherwise."""
    begins = {start.reader: start.position for start in starts}
    if slot not in begins:
        return Retention((f"the replication slot {slot} is gone, or has lost its log.",))
    # without lsn_commit nothing was streamed yet, and the slot's own position counts
    read = [int(o["offset"]["lsn_commit"]) for o in offsets if o["offset"].get("lsn_commit") is not None]
    if read and min(read) < begins[slot]:
        return Retention(
            (f"it has read to {_lsn(min(read))}, and the slot {slot} keeps the log from {_lsn(begins[slot])} on.",)
        )
    return Retention()


def of_capture_instances(offsets: Iterable[Offset], database: str, starts: Iterable[LogStart]) -> Retention:
    """SQL Server: every capture instance must reach back to the last commit read."""
    mine = [o for o in offsets if o["partition"].get("database", database).lower() == database.lower()]
    positions = [str(o["offset"].get("commit_lsn") or "NULL") for o in mine]
    try:
        read = [lsn.of_text(text) for text in positions if text != "NULL"]  # NULL before anything was streamed
    except ValueError as error:
        return Retention(unknown=f"its position cannot be read: {error}.")
    if not read:
        return Retention() if mine else Retention(unknown=f"it has no position in {database}.")
    starts = tuple(starts)
    if not starts:
        return Retention(("CDC is off, or none of its tables has a capture instance any more.",))
    unseen = [start.reader for start in starts if not start.position]
    passed = tuple(
        f"{start.reader} has its oldest change at {lsn.text(start.position)}, after {lsn.text(min(read))}, to which it "
        "has read. (Or the table was enabled since: its earlier changes were never captured.)"
        for start in starts
        if start.position > min(read)
    )
    may_not = f"this account may not see the oldest change of {', '.join(unseen)}." if unseen else ""
    return Retention(passed, may_not)


def of_sink(lags: Iterable[PartitionLag]) -> Retention:
    """A sink: what its group has not consumed must not have been deleted from the topics, nor the topics end before it."""
    lags = tuple(lags)
    deleted = (
        f"{lag.topic}/{lag.partition}: {lag.lost_records:,} records were deleted before it read them."
        for lag in lags
        if lag.lost_records
    )
    cut = (_cut(lag.topic, lag.partition, lag.log_end, lag.committed or 0) for lag in lags if lag.beyond_end)
    return Retention((*deleted, *cut))


def of_sink_at(offsets: Iterable[Offset], lags: Iterable[PartitionLag]) -> Retention:
    """The same for positions that a sink does not have now; `lags` says where each partition's log begins and ends."""
    logs = {(lag.topic, lag.partition): lag for lag in lags}
    passed = []
    for one in offsets:
        topic, partition = str(one["partition"]["kafka_topic"]), int(one["partition"]["kafka_partition"])
        read = int(one["offset"]["kafka_offset"])
        log = logs.get((topic, partition))
        if log is None:
            passed.append(f"{topic}/{partition} is gone.")
        elif read < log.log_start:
            passed.append(f"{topic}/{partition} begins at {log.log_start:,}, and it had read to {read:,}.")
        elif read > log.log_end:
            passed.append(_cut(topic, partition, log.log_end, read))
    return Retention(tuple(passed))


def _cut(topic: str, partition: int, end: int, read: int) -> str:
    return (
        f"{topic}/{partition} ends at {end:,}, and it had read to {read:,}: the topic was made anew, or has lost its end. "
        "What is written there next may be passed over."
    )


def _lsn(position: int) -> str:
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
