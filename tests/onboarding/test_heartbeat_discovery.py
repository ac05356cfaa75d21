from __future__ import annotations

import pytest

from cdcproof.onboarding.heartbeat_discovery import take_beat
from cdcproof.pipeline.model import PLACEHOLDER, Freshness, Table
from tests.pipelines import pipeline_of

UPSERT = (
    "INSERT INTO dbo.cdcproof_heartbeat AS h VALUES (1, extract(epoch FROM clock_timestamp()) * 1000) "
    "ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at"
)
UPDATE = "update [DBO].[CDCPROOF_HEARTBEAT] set [BEAT_AT] = DATEDIFF_BIG(millisecond, '19700101', SYSUTCDATETIME())"
BEAT = Freshness(source="dbo.cdcproof_heartbeat", target="public.cdcproof_heartbeat")


def tables(*names: str, **changes: str) -> tuple[Table, ...]:
    return tuple(table.model_copy(update=changes) for table in pipeline_of(*names).tables)


def taken(query: str, found: tuple[Table, ...]) -> tuple[list[str], Freshness | None, list[str]]:
    notes: list[str] = []
    config = {"heartbeat.action.query": query} if query else {}
    left, freshness = take_beat(config, found, lambda section, text: notes.append(f"{section}: {text}"))
    return [table.name for table in left], freshness, notes


@pytest.mark.parametrize("query", [UPSERT, UPDATE])
def test_the_table_that_the_heartbeat_writes_is_the_beat_and_not_compared(query: str) -> None:
    names, freshness, notes = taken(query, tables("orders", "cdcproof_heartbeat"))
    assert (names, freshness) == (["orders"], BEAT)
    assert notes == [
        "freshness: dbo.cdcproof_heartbeat is written by heartbeat.action.query, with each heartbeat: "
        "it is nobody's data, and not compared."
    ]


@pytest.mark.parametrize(
    "query", ["", "SELECT pg_logical_emit_message(true, 'heartbeat', '')", "SELECT 1 FROM orders_old"]
)
def test_without_one_nothing_is_taken(query: str) -> None:
    assert taken(query, tables("orders", "cdcproof_heartbeat")) == (["orders", "cdcproof_heartbeat"], None, [])


@pytest.mark.parametrize(
    ("query", "changes"),
    [("UPDATE dbo.cdcproof_heartbeat SET ts = now()", {}), (UPSERT, {"target": PLACEHOLDER})],
)
def test_what_is_not_known_is_left_to_the_operator(query: str, changes: dict[str, str]) -> None:
    names, freshness, [note] = taken(query, tables("orders", "cdcproof_heartbeat", **changes))
    assert (names, freshness) == (["orders", "cdcproof_heartbeat"], None)
    assert "[freshness] with source, target and column" in note


def test_the_only_table_stays() -> None:
    assert taken(UPSERT, tables("cdcproof_heartbeat")) == (["cdcproof_heartbeat"], None, [])
