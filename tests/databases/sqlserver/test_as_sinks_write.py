"""A SQL Server's columns beside what real sinks make of them in PostgreSQL, compared from the catalogue to the differences."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from unittest.mock import patch
from uuid import UUID

import pytest

from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.sqlserver.database import SQLServer
from cdcproof.databases.sqlserver.queries import catalogue, reading_sql
from cdcproof.reconcile import contents
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.engine import Endpoint, Options, Run, reconcile
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.report.result import TableResult, TableStatus
from tests import tsql_values as values
from tests.databases.sqlserver.test_drivers import ID, TABLE, StandIn, _catalogued, _config, standing_in
from tests.postgres_server import PASSWORD, Server, Servers
from tests.reconcile.sides import FenceThen, Unwatched

pytest_plugins = ["tests.postgres_server"]

TARGET = TableName("sinks", "kinds")
ROWS = 28
_START = datetime(2024, 1, 31, 23, 59, 59, 123456, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Made(NamedTuple):
    """A column's type at the source and at the target; of row i the value there and the text that a sink writes; another text."""

    column: Column
    target: str
    value: Any
    written: Any
    other: str


def _at(i: int) -> datetime:
    return _START + timedelta(hours=i, microseconds=i)


def _ticks(at: datetime, sevenths: int = 0) -> int:
    since = at - datetime(1, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * values.SECOND + since.microseconds * 10 + sevenths


def _nanoseconds(at: datetime, sevenths: int = 0) -> int:
    return (_ticks(at, sevenths) - _ticks(_EPOCH)) * 100


def _column(type_name: str, **more: Any) -> Column:
    return Column("v", type_name, nullable=True, **more)


def _iso(at: datetime, digits: str = "") -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06}{digits}"


def _far(i: int) -> int:
    """Nanoseconds of the last moment of a year after 2262, as Java's 64 bits keep them."""
    nanoseconds = _nanoseconds(datetime(9000 + i, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), 9)
    return (nanoseconds + 2**63) % 2**64 - 2**63


def _thirds(i: int) -> int:
    """Milliseconds since 1970 of the datetime of row i, which lies a third after a whole second."""
    return (i * 300 + 217_226_534_401) // 300 * 1000 + 3 - _ticks(_EPOCH) // 10_000


_EAST = timedelta(hours=5, minutes=30)
MADE = {
    "flag": Made(_column("bit"), "smallint", lambda i: i % 2 == 0, lambda i: (i + 1) % 2, "9"),
    "word": Made(_column("bit"), "text", lambda i: i % 2 == 0, lambda i: str(i % 2 == 0).lower(), "yes"),
    "digits": Made(_column("decimal", precision=38, scale=10), "text", lambda i: Decimal(i).scaleb(-10) - 7, lambda i: f"{Decimal(i).scaleb(-10) - 7:.10f}", "x"),
    "ratio": Made(_column("numeric", precision=9, scale=2), "double precision", lambda i: Decimal(i * 25).scaleb(-2), lambda i: i / 4, "0.1"),
    "long_ratio": Made(_column("decimal", precision=18, scale=2), "double precision", lambda i: Decimal((10**14 + i) * 25).scaleb(-2), lambda i: (10**14 + i) / 4, "0.1"),
    "unscaled": Made(_column("decimal", precision=9, scale=2), "bytea", lambda i: Decimal(i - 9).scaleb(-2), lambda i: f"\\x{(i - 9) % 256:02x}", "\\x00ff"),
    "cash": Made(_column("money", precision=19, scale=4), "numeric(10,2)", lambda i: values.Money(Decimal(i) / 4), lambda i: Decimal(i) / 4, "0.01"),
    "token": Made(_column("uniqueidentifier"), "text", lambda i: UUID(int=i << 90), lambda i: str(UUID(int=i << 90)).upper(), "none"),
    "day": Made(_column("date", scale=0), "int", lambda i: values.Day(_at(i * 999).toordinal() - 1), lambda i: _at(i * 999).toordinal() - date(1970, 1, 1).toordinal(), "1"),
    "day_iso": Made(_column("date", scale=0), "text", lambda i: values.Day(_at(i * 999).toordinal() - 1), lambda i: f"{_at(i * 999):%Y-%m-%d}Z", "x"),
    "clock": Made(_column("time", scale=7), "bigint", lambda i: values.Clock(_ticks(_at(i), 7) % values.DAY), lambda i: _ticks(_at(i), 7) % values.DAY * 100, "1"),
    "clock_millis": Made(_column("time", scale=3), "int", lambda i: values.Clock(i * 10_000_000 + 1_230_000, 3), lambda i: i * 1000 + 123, "1"),
    "clock_iso": Made(_column("time", scale=7), "text", lambda i: values.Clock(_ticks(_at(i), 7) % values.DAY), lambda i: f"{_at(i):%H:%M:%S}.{_at(i).microsecond:06}7", "x"),
    "old": Made(_column("datetime", scale=3), "bigint", lambda i: values.Thirds(i * 300 + 217_226_534_401), _thirds, "1"),
    "minutes": Made(_column("smalldatetime", scale=0), "bigint", lambda i: values.Minutes(_ticks(_EPOCH) // (60 * values.SECOND) + 28_000_000 + i), lambda i: (28_000_000 + i) * 60_000, "1"),
    "micros": Made(_column("datetime2", scale=6), "bigint", lambda i: values.Moment(_ticks(_at(i)), 6), lambda i: _nanoseconds(_at(i)) // 1000, "1"),
    "nanos": Made(_column("datetime2", scale=7), "bigint", lambda i: values.Moment(_ticks(_at(i), 9)), lambda i: _nanoseconds(_at(i), 9), "1"),
    "far": Made(_column("datetime2", scale=7), "bigint", lambda i: values.Moment(_ticks(datetime(9000 + i, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), 9)), _far, "1"),
    "connect": Made(_column("datetime2", scale=7), "bigint", lambda i: values.Moment(_ticks(_at(i), 9)), lambda i: _nanoseconds(_at(i), 9) // 1_000_000, "1"),
    "moment_iso": Made(_column("datetime2", scale=7), "text", lambda i: values.Moment(_ticks(_at(i), 9)), lambda i: f"{_iso(_at(i), '9')}Z", "x"),
    "instant_iso": Made(_column("datetimeoffset", scale=7), "text", lambda i: values.Instant(_ticks(_at(i), 9), 330), lambda i: f"{_iso(_at(i) + _EAST, '9')}+05:30", "x"),
    "instant_utc": Made(_column("datetimeoffset", scale=7), "text", lambda i: values.Instant(_ticks(_at(i), 9), 330), lambda i: f"{_iso(_at(i), '9')}Z", "x"),
    "zoned": Made(_column("datetime2", scale=6), "timestamptz", lambda i: values.Moment(_ticks(_at(i)), 6), lambda i: f"{_iso(_at(i))}Z", "2000-01-01Z"),
    "plain": Made(_column("datetimeoffset", scale=3), "timestamp", lambda i: values.Instant(_ticks(_at(i)) // 10_000 * 10_000, 330, 3), lambda i: f"{_at(i):%Y-%m-%dT%H:%M:%S}.{_at(i).microsecond // 1000:03}", "2000-01-01"),
    "photo": Made(_column("varbinary", length=20), "text", lambda i: values.Binary(bytes([255, 254, i])), lambda i: _base64(bytes([255, 254, i])), "x"),
    "digest": Made(_column("binary", length=3), "text", lambda i: values.Binary(bytes([255, 254, i])), lambda i: f"fffe{i:02x}", "x"),
    "cut": Made(_column("char", length=8), "varchar(8)", lambda i: values.Text(f"x{i}".ljust(8), wide=False), lambda i: f"x{i}", "y"),
    "document": Made(_column("xml"), "text", lambda i: values.Text(f"<a>{i}</a>"), lambda i: f"<a>{i}</a>", "x"),
}  # fmt: skip


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with standing_in() as here:
        here.rows = [
            {"id": values.Int(i, 64), **{name: one.value(i) for name, one in MADE.items()}} for i in range(ROWS)
        ]
        yield here


@pytest.fixture(scope="module")
def postgres(postgres_servers: Servers) -> Server:
    server = postgres_servers.target
    columns = ", ".join(f"{name} {one.target}" for name, one in MADE.items())
    server.execute("CREATE SCHEMA sinks", f"CREATE TABLE {TARGET} (id bigint PRIMARY KEY, {columns})")
    return server


@pytest.fixture
def filled(postgres: Server) -> Server:
    postgres.execute(f"TRUNCATE {TARGET}")
    postgres.insert(str(TARGET), [(i, *(str(one.written(i)) for one in MADE.values())) for i in range(ROWS)])
    return postgres


def _compared(stand_in: StandIn, postgres: Server, strategy: Strategy, **more: Any) -> TableResult:
    known = {
        catalogue.COLUMNS: [
            _catalogued("id", ID, nullable=False),
            *(_catalogued(name, replace(one.column, name=name), nullable=True) for name, one in MADE.items()),
        ],
        catalogue.PRIMARY_KEY: [(values.Text("id"),)],
        catalogue.ROW_POLICIES: [],
        catalogue.IS_VIEW: [],
        catalogue.MAY_VIEW_DEFINITION: [(values.Int(1, 64),)],
        catalogue.CLUSTERED_BY: [(values.Text("id"),)],
        catalogue.ESTIMATED_ROWS: [(values.Int(ROWS, 64),)],
        catalogue.count_statement(TABLE): [(values.Int(ROWS, 64),)],
        catalogue.range_statement(TABLE, ID): [(values.Int(0, 64), values.Int(ROWS - 1, 64))],
    }
    with patch.dict(stand_in.known, known), Columnar() as columnar:
        run = Run(
            Endpoint("sqlserver", "here", lambda: SQLServer(_config(stand_in.server), Secret(PASSWORD), 30)),
            Endpoint("postgresql", "there", lambda: connect(postgres.config(), Secret(PASSWORD))),
            lambda _: FenceThen(),
            Options(validate_checksums=True, strategy=strategy),
            Unwatched(),
            columnar,
        )
        (result,) = reconcile(run, [TablePair("kinds", TABLE, TARGET, **more)])
    return result


@pytest.mark.parametrize("strategy", Strategy)
def test_exactly_the_one_value_that_is_another_is_named_in_every_column(
    stand_in: StandIn, filled: Server, strategy: Strategy
) -> None:
    for row, (name, one) in enumerate(MADE.items()):
        filled.execute(f"UPDATE {TARGET} SET {name} = '{one.other}' WHERE id = {row}")
    result = _compared(stand_in, filled, strategy)
    assert (result.error, list(result.not_compared), result.strategy) == ("", [], strategy)
    assert result.self_proof
    assert (result.self_proof.control, result.self_proof.survivors) == ("equal", ())
    assert {(*one.key.values(), *one.columns) for one in result.differences} == {
        (str(row), name) for row, name in enumerate(MADE)
    }


@pytest.mark.parametrize("strategy", Strategy)
def test_what_only_its_t_sql_loses_is_not_checked(stand_in: StandIn, filled: Server, strategy: Strategy) -> None:
    """Behind the calibration, which would leave the column out: all letters small, as a collation would compare them."""
    value, planned = reading_sql.value, contents.planned  # type: ignore[attr-defined]

    def small(column: Column, stored: str) -> str:
        return f"LOWER({value(column, stored)})" if column.name == "cut" else value(column, stored)

    with pytest.MonkeyPatch.context() as patched:

        def then(*of: Any) -> Any:
            found = planned(*of)
            patched.setattr(reading_sql, "value", small)
            return found

        patched.setattr(contents, "planned", then)
        result = _compared(stand_in, filled, strategy)
    assert result.status is TableStatus.ERROR
    assert result.self_proof
    assert result.self_proof.survivors == ("letter case (cut)",)


def test_keys_as_sinks_write_them_are_found_by_value(stand_in: StandIn, filled: Server) -> None:
    filled.execute(f"UPDATE {TARGET} SET cut = 'other' WHERE id = 3", f"DELETE FROM {TARGET} WHERE id = 5")
    for key, three, five in (
        ("token", str(UUID(int=3 << 90)), str(UUID(int=5 << 90))),
        ("nanos", "2024-02-01T02:59:59.123459", "2024-02-01T04:59:59.123461"),
        ("day", "2024-06-04", "2024-08-27"),
    ):
        left_out = tuple(name for name in MADE if name not in (key, "cut"))
        result = _compared(stand_in, filled, Strategy.PUSH_DOWN, key=(key,), exclude=("id", *left_out))
        assert set(result.example_keys) == {f"changed {three} (cut)", f"missing {five}"}, key
