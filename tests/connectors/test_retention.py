from __future__ import annotations

from typing import Any

import pytest

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.kafka.consumer_groups import PartitionLag
from cdcproof.connectors import retention
from cdcproof.connectors.retention import (
    Retention,
    beyond_end,
    of_capture_instances,
    of_sink,
    of_sink_at,
    of_slot,
    of_source,
)
from cdcproof.core.errors import RefusedError, UnreachableError
from cdcproof.databases.contracts.deployment import LogStart
from cdcproof.databases.names import TableName
from cdcproof.pipeline.model import HttpService
from tests.canned import serving
from tests.connectors.looks import connector
from tests.pipelines import pipeline_of

SQLSERVER = {
    "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector",
    "database.names": "warehouse_source",
    "table.include.list": "dbo.orders,dbo.customers",
}
POSTGRES = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "database.dbname": "warehouse_source",
    "slot.name": "s",
}


def streamed(lsn: int) -> list[dict[str, Any]]:
    return [{"partition": {"server": "w"}, "offset": {"lsn": lsn + 8, "lsn_commit": lsn, "lsn_proc": lsn}}]


def captured(commit: str, database: str = "warehouse_source") -> list[dict[str, Any]]:
    return [{"partition": {"server": "w", "database": database}, "offset": {"commit_lsn": commit}}]


def instance(name: str, position: int, table: str = "orders") -> LogStart:
    return LogStart(name, position, TableName("dbo", table))


# ---- PostgreSQL ----


def test_a_slot_that_reaches_back_keeps_all() -> None:
    assert of_slot(streamed(100), "s", [LogStart("s", 100), LogStart("other", 900)]).verdict == "kept"


def test_a_slot_that_begins_later_has_passed_the_position() -> None:
    found = of_slot(streamed(100), "s", [LogStart("s", 101)])
    assert found.passed == ("it has read to 0/64, and the slot s keeps the log from 0/65 on.",)


def test_a_slot_that_is_gone_or_lost_has_passed() -> None:
    assert of_slot(streamed(100), "s", [LogStart("other", 1)]).verdict == "passed"
    unfinished = [{"partition": {}, "offset": {"lsn": 5, "snapshot": "INITIAL", "snapshot_completed": False}}]
    assert of_slot(unfinished, "s", []).verdict == "passed"


def test_a_position_that_was_never_streamed_from_is_kept_by_its_slot() -> None:
    assert of_slot([{"partition": {}, "offset": {"lsn": 5}}], "s", [LogStart("s", 100)]).verdict == "kept"


# ---- SQL Server ----


def test_every_capture_instance_must_reach_back() -> None:
    starts = [instance("dbo_orders", 0x25_00000D98_00A2), instance("dbo_customers", 0x25_00000D98_00A3)]
    offsets = captured("00000025:00000d98:00a2")
    assert of_capture_instances(offsets, "warehouse_source", starts[:1]).verdict == "kept"
    found = of_capture_instances(offsets, "Warehouse_Source", starts)
    assert found.verdict == "passed"
    [reported] = found.passed
    assert reported.startswith(
        "dbo_customers has its oldest change at 00000025:00000d98:00a3, after 00000025:00000d98:00a2"
    )


def test_an_lsn_is_compared_as_a_number_and_not_as_text() -> None:
    found = of_capture_instances(
        captured("00000125:00000008:0001"), "warehouse_source", [instance("i", 0xFF_00000000_0001)]
    )
    assert found.verdict == "kept"


def test_an_instance_that_may_not_be_seen_is_unknown_and_not_kept() -> None:
    found = of_capture_instances(captured("00000025:00000d98:00a2"), "warehouse_source", [instance("i", 0)])
    assert (found.verdict, found.unknown) == ("unknown", "this account may not see the oldest change of i.")


def test_no_capture_instance_is_a_gap_once_something_was_read() -> None:
    assert of_capture_instances(captured("00000025:00000d98:00a2"), "warehouse_source", []).verdict == "passed"
    assert of_capture_instances(captured("NULL"), "warehouse_source", []).verdict == "kept"


def test_a_position_of_another_database_is_none_of_this_one() -> None:
    found = of_capture_instances(captured("00000025:00000d98:00a2", "other"), "warehouse_source", [instance("i", 1)])
    assert found.verdict == "unknown"


# ---- sinks ----


def test_records_deleted_unread_have_passed() -> None:
    assert of_sink([PartitionLag("t", 0, 5, 5, 9), PartitionLag("t", 1, None, 7, 9)]).verdict == "kept"
    assert of_sink([PartitionLag("t", 0, 5, 1007, 2000)]).passed == (
        "t/0: 1,002 records were deleted before it read them.",
    )


def test_a_position_that_is_to_be_had_again_must_lie_in_the_log() -> None:
    def at(offset: int) -> list[dict[str, Any]]:
        return [{"partition": {"kafka_topic": "t", "kafka_partition": 0}, "offset": {"kafka_offset": offset}}]

    lags = [PartitionLag("t", 0, 900, 100, 1000)]
    assert of_sink_at(at(100), lags).verdict == "kept"
    assert of_sink_at(at(99), lags).passed == ("t/0 begins at 100, and it had read to 99.",)
    assert of_sink_at(at(1000), lags).verdict == "kept"
    assert of_sink_at(at(1001), lags).passed == (_cut("t/0", 1000, 1001),)
    assert of_sink_at(at(100), []).passed == ("t/0 is gone.",)


def test_a_position_behind_the_end_of_its_topic_is_none() -> None:
    """A topic that was made anew: as many records would be passed over."""
    assert of_sink([PartitionLag("t", 0, 9, 0, 9)]).verdict == "kept"
    assert of_sink([PartitionLag("t", 0, 1005, 0, 9)]).passed == (_cut("t/0", 9, 1005),)


def _cut(place: str, end: int, read: int) -> str:
    return (
        f"{place} ends at {end:,}, and it had read to {read:,}: the topic was made anew, or has lost its end. "
        "What is written there next may be passed over."
    )


# ---- what is asked ----


def log_of(monkeypatch: pytest.MonkeyPatch, answer: Any, end: int = 0) -> None:
    """A source database that tells these starts of its log, and its end, or raises this error."""

    class Session:
        def __enter__(self) -> Session:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def log_starts(self) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        def log_end(self) -> int:
            return end

    monkeypatch.setattr(retention, "open_database", lambda _: Session())


def test_only_the_instances_of_captured_tables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = (instance("dbo_orders", 1), instance("dbo_other", 0x99_00000000_0000, "other"))
    log_of(monkeypatch, starts)
    found = of_source(SQLSERVER, captured("00000025:00000d98:00a2"), pipeline_of("orders"))
    assert found == Retention()


def test_a_position_beyond_the_end_of_the_log_is_of_another_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source was restored to the past: Debezium would run, and send nothing until the log has grown past it."""
    starts = (instance("dbo_orders", 1),)
    at = "00000025:00000d98:00a2"
    log_of(monkeypatch, starts, end=0x25_00000D98_00A1)
    found = of_source(SQLSERVER, captured(at), pipeline_of("orders"))
    assert found.verdict == "passed"
    assert found.passed == (
        f"it has read to {at}, and the source's log ends at 00000025:00000d98:00a1: "
        "the source was set back to an earlier moment.",
    )
    for end in (0x25_00000D98_00A2, 0x99_00000000_0000, 0):
        log_of(monkeypatch, starts, end=end)
        assert of_source(SQLSERVER, captured(at), pipeline_of("orders")).verdict == "kept"

    ahead = beyond_end([{"offset": {"lsn_commit": 0x1_00000011}}, {"offset": {}}], "postgresql", 0x1_00000010)
    assert "1/11, and the source's log ends at 1/10" in ahead


def test_without_a_position_there_is_nothing_to_lose_and_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    log_of(monkeypatch, UnreachableError("must not be asked"))
    assert of_source(SQLSERVER, [], pipeline_of("orders")).verdict == "kept"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"connector.class": "x.Other"}, "x.Other"),
        ({**SQLSERVER, "database.names": "elsewhere"}, "another database"),
        (POSTGRES, "another database"),
    ],
)
def test_what_is_not_the_pipelines_source_is_unknown(config: dict[str, str], words: str) -> None:
    found = of_source(config, captured("00000025:00000d98:00a2"), pipeline_of("orders"))
    assert found.verdict == "unknown"
    assert words in found.unknown


def look(config: dict[str, str], answer: Any, kind: str = "source") -> Retention:
    with serving({"GET /connectors/c/offsets": answer}) as server:
        connect = Connect(HttpService(url=server.url))
        source = "postgresql" if config is POSTGRES else "sqlserver"
        pipeline = pipeline_of("orders", source_type=source, kafka={"bootstrap_servers": "127.0.0.1:1"})
        return retention.look(
            connector("PAUSED", kind=kind, **{k.replace(".", "__"): v for k, v in config.items()}), connect, pipeline
        )


def test_the_position_is_asked_of_connect_and_the_log_of_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    log_of(monkeypatch, (LogStart("s", 101),))
    assert look(POSTGRES, (200, {"offsets": streamed(100)})).verdict == "passed"
    assert look(POSTGRES, (200, {"offsets": streamed(101)})).verdict == "kept"


def test_a_connect_that_tells_no_offsets_and_a_source_that_refuses_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    old = (404, {"message": "HTTP 404 Not Found"})
    assert "3.5" in look(SQLSERVER, old).unknown
    log_of(monkeypatch, RefusedError("no permission"))
    assert look(SQLSERVER, (200, {"offsets": captured("00000025:00000d98:00a2")})).unknown == "no permission"


def test_a_sink_whose_broker_is_gone_is_unknown() -> None:
    assert "Kafka does not answer" in look({}, (200, {}), kind="sink").unknown


def test_a_position_of_an_earlier_prefix_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    log_of(monkeypatch, (LogStart("s", 101),))
    config = {**POSTGRES, "topic.prefix": "today"}
    offsets = [*streamed(100), {**streamed(101)[0], "partition": {"server": "today"}}]
    pipeline = pipeline_of("orders", source_type="postgresql")

    assert of_source(config, offsets, pipeline).verdict == "kept"
    assert of_source(config, offsets[1:] + streamed(100), pipeline).verdict == "kept"
    assert of_source({**config, "topic.prefix": "w"}, offsets, pipeline).verdict == "passed"
