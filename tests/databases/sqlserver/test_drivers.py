"""SQL Server through Microsoft's own drivers, against a server that speaks its protocol and runs our T-SQL in memory; PostgreSQL is real."""

from __future__ import annotations

import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
import sqlglot
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.secrets import Secret
from cdcproof.core.waiting import Deadline
from cdcproof.databases.connections import connect
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.duckdb.stream import Columnar, ColumnarSide
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.sqlserver.arrow import ArrowSession, rows_per_batch
from cdcproof.databases.sqlserver.database import SQLServer
from cdcproof.databases.sqlserver.queries import catalogue
from cdcproof.databases.table_read import WHOLE, Chunking, ColumnRead, Segment, TableRead
from cdcproof.databases.values import canonical
from cdcproof.databases.values.types import Form, Kind
from cdcproof.pipeline import model as pipeline
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.checksums.sums import PushDown
from cdcproof.reconcile.engine import Endpoint, Options, Run, reconcile
from cdcproof.reconcile.plan.calibration import Calibration
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.plan.edge_values import literals
from cdcproof.reconcile.report.result import TableResult, TableStatus
from tests import tsql_values
from tests.databases.sqlserver.columns import ID, IN_POSTGRESQL, NAMES, SORTS, added, scans
from tests.postgres_server import PASSWORD, Server, Servers
from tests.reconcile.sides import FenceThen, Unwatched
from tests.tds_server import STALLED, Answer, Refusal, TdsServer, tds_server
from tests.tsql_engine import run
from tests.tsql_values import Int, Text

pytest_plugins = ["tests.postgres_server"]
pytest.importorskip("pyodbc", reason="pyodbc cannot be loaded: unixODBC is not installed", exc_type=ImportError)
pytest.importorskip("mssql_python", reason="Microsoft's driver for Python is not made for this machine")

TABLE, TARGET = TableName("dbo", "kinds"), TableName("stand_in", "kinds")


@dataclass
class StandIn:
    """A SQL Server of one table: what its catalogue says, its rows, and what it refuses."""

    known: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    refusal: Refusal | None = None
    server: Any = None

    def answer(self, statement: str, parameters: list[Any]) -> Answer:
        if not statement.strip().upper().startswith("SELECT"):
            return None
        if self.refusal:
            raise self.refusal
        parsed = sqlglot.parse_one(statement, dialect="tsql")
        known = self.known.get(statement)
        found = run(statement, {str(TABLE): self.rows}, parameters) if known is None else known
        return [made.alias_or_name for made in parsed.selects], found


@contextmanager
def standing_in() -> Iterator[StandIn]:
    here = StandIn()
    here.known = {
        catalogue.DATABASE_STATE: [(True, Int(0))],
        catalogue.HAS_UTF8: [(Int(65001),)],
        catalogue.IS_VIEW: [],
        catalogue.ROWVERSION_COLUMN: [],
        catalogue.COLLATIONS: [
            (Text(name), Text("Latin1_General_100_CI_AS_SC_UTF8")) for name in ("char", "varchar", "nvarchar")
        ],
        catalogue.ISOLATION: [(Int(1), False)],
        catalogue.IDENTITY: [(Text("SQL01"), Text("shop"), Text("2026-01-02T03:04:05.670"), Int(0))],
        catalogue.VERSION: [(Text("16.0.4135.4"), Text("Developer Edition (64-bit)"))],
    }
    with tds_server(here.answer) as server:
        here.server = server
        yield here


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with standing_in() as here:
        yield here


def _config(server: TdsServer, **changes: Any) -> pipeline.Database:
    told = {
        "type": "sqlserver",
        "host": "127.0.0.1",
        "port": server.port,
        "database": "warehouse",
        "user": "reader",
        "password_env": "SQLSERVER_PASSWORD",
        "schema": "dbo",
        "encrypt": False,
    }
    return pipeline.Database.model_validate({**told, **changes})


@contextmanager
def _session(here: StandIn) -> Iterator[SQLServer]:
    with SQLServer(_config(here.server), Secret(PASSWORD), 30) as database:
        yield database


def test_the_driver_logs_in_as_asked_and_every_session_begins_politely(stand_in: StandIn) -> None:
    with _session(stand_in) as database, database.stream_session():
        assert database.version() == "Microsoft SQL Server 16.0.4135.4 Developer Edition (64-bit)"
    by_odbc, by_arrow = stand_in.server.logins
    for login in (by_odbc, by_arrow):
        asked = {name: login[name] for name in ("user", "password", "database", "read only")}
        assert asked == {"user": "reader", "password": PASSWORD, "database": "warehouse", "read only": "True"}
    assert by_odbc["application"] == "cdcproof"
    polite = "SET LOCK_TIMEOUT 5000; SET DEADLOCK_PRIORITY LOW; SET CONCAT_NULL_YIELDS_NULL ON"
    assert stand_in.server.statements.count(polite) == 2


def test_as_many_literals_as_keys_were_changed_are_asked_for_in_parts_that_a_request_takes(stand_in: StandIn) -> None:
    column, form = Column("id", "int", nullable=False, scale=0, precision=10), Form(Kind.INTEGER)
    with _session(stand_in) as database:
        found = database.checksums.literal_forms(column, form, [*map(str, range(3_000)), None])
        with pytest.raises(UnexpectedAnswerError, match="too many parameters"):  # the server does refuse more
            database.query(f"SELECT {' + '.join('?' * 2_098)}", *range(2_098))
    assert [one.part for one in found] == [*(canonical.encode(form, i) for i in range(3_000)), None]


@dataclass(frozen=True)
class Pair:
    """A SQL Server and a PostgreSQL with the same table, and open sessions with both."""

    stand_in: StandIn
    postgres: Server
    source: SQLServer
    target: Database
    columnar: Columnar
    source_columns: ColumnarSide
    target_columns: ColumnarSide

    @contextmanager
    def replicated(self, rows: Sequence[Sequence[Any]], ids: Sequence[int]) -> Iterator[None]:
        """The same rows on both sides."""
        self.stand_in.rows = [
            {"id": Int(i, 64), **dict(zip(NAMES, row, strict=True))} for i, row in zip(ids, rows, strict=True)
        ]
        told = [(i, *map(_told, NAMES, row)) for i, row in zip(ids, rows, strict=True)]
        self.postgres.insert(str(TARGET), told)
        try:
            yield
        finally:
            self.postgres.execute(f"TRUNCATE {TARGET}")


@pytest.fixture(scope="module")
def pair(postgres_servers: Servers) -> Iterator[Pair]:
    server = postgres_servers.target
    columns = ", ".join(f'"{name}" {kind}' for name, kind in IN_POSTGRESQL.items())
    server.execute("CREATE SCHEMA stand_in", f"CREATE TABLE {TARGET} (id bigint PRIMARY KEY, {columns})")
    with (
        standing_in() as here,
        _session(here) as source,
        connect(server.config(), Secret(PASSWORD)) as target,
        Columnar() as columnar,
        columnar.side(source) as source_columns,
        columnar.side(target) as target_columns,
    ):
        yield Pair(here, server, source, target, columnar, source_columns, target_columns)


@st.composite
def tables(draw: st.DrawFn) -> list[list[Any]]:
    """Rows of every type; the last has no NULL, so that the stand-in knows the type of every column."""
    values = [SORTS[name].values for name in NAMES]
    rows = draw(st.lists(st.tuples(*(st.one_of(st.none(), one) for one in values)), max_size=6))
    return [list(row) for row in (*rows, draw(st.tuples(*values)))]


def _told(name: str, value: Any) -> str | None:
    """A value as the text that PostgreSQL reads as what replication makes of it."""
    if value is None:
        return None
    if isinstance(value, tsql_values.Text | tsql_values.Binary):  # the long form may be a hash
        return value.text if isinstance(value, tsql_values.Text) else f"\\x{value.data.hex()}"
    sort = SORTS[name]
    return canonical.as_text(sort.told.form, sort.form(value) or b"")


EDGES: dict[str, Any] = {
    "bit": True,
    "tinyint": Int(255, 8),
    "smallint": Int(-32768, 16),
    "int": Int(-5),
    "bigint": Int(-(2**63), 64),
    "decimal": Decimal("-1234567890123456789012345678.0123456789"),
    "numeric": Decimal("1.50"),
    "money": tsql_values.Money(Decimal("-922337203685477.5808")),
    "smallmoney": tsql_values.Money(Decimal("0.0001")),
    "float": tsql_values.Float(0.1),
    "real": tsql_values.Float(0.5, single=True),
    "char": Text("é       ", wide=False),
    "varchar": Text("€ ", wide=False),
    "nchar": Text("中      "),
    "nvarchar": Text("Grüße 🚀 "),
    "sysname": Text(""),
    "text": Text("it's", wide=False),
    "ntext": Text("🚀" * 3000),
    "xml": Text("<a>é</a>"),
    "json": Text('{"a":1}'),
    "binary": tsql_values.Binary(b"\x00\xff" + bytes(6)),
    "varbinary": tsql_values.Binary(b""),
    "image": tsql_values.Binary(bytes(9000)),
    "uniqueidentifier": UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "date": tsql_values.Day(0),
    "time": tsql_values.Clock(tsql_values.DAY - 1),
    "datetime": tsql_values.Thirds(19_276_444_800_001),
    "smalldatetime": tsql_values.Minutes(998_878_081),
    "datetime2": tsql_values.Moment(date.max.toordinal() * tsql_values.DAY - 1),
    "datetimeoffset": tsql_values.Instant(5, 330),
}
CHUNKINGS = [Chunking(width=3), Chunking(columns=1, buckets=2)]


@settings(max_examples=15, deadline=None, phases=[Phase.generate])  # rows of thirty columns shrink for minutes
@given(rows=tables(), data=st.data())
@pytest.mark.parametrize("chunking", CHUNKINGS)
def test_both_engines_make_the_same_bytes_the_same_sums_and_the_same_columns(
    pair: Pair, chunking: Chunking, rows: list[list[Any]], data: st.DataObject
) -> None:
    """Rows of every type, NULLs and edges; and one value of one row that is another has another sum by either strategy."""
    keys = data.draw(st.lists(st.integers(-20, 20), min_size=len(rows), max_size=len(rows), unique=True))
    source, target = pair.source, pair.target
    ours, theirs = scans(target, TABLE, TARGET, chunking)
    with pair.replicated(rows, keys):
        expected = added(list(target.checksums.chunk_sums(theirs, WHOLE)))
        streamed = added(list(pair.target_columns.chunk_sums(theirs, WHOLE)))
        assert added(list(source.checksums.chunk_sums(ours, WHOLE))) == expected
        assert added(list(pair.source_columns.chunk_sums(ours, WHOLE))) == streamed
        if chunking.width:
            some = list(expected)[:2]
            assert added(list(source.checksums.sums_of_chunks(ours, some, 2))) == added(
                list(target.checksums.sums_of_chunks(theirs, some, 2))
            )
        with (
            source.rows.chunk_rows(ours, list(expected)) as found,
            target.rows.chunk_rows(theirs, list(expected)) as others,
        ):
            assert Counter(row.forms for row in found) == Counter(row.forms for row in others)
        wanted = [(canonical.encode(Form(Kind.INTEGER), key),) for key in (*keys[:2], 99)]
        by_key = [row.forms for row in source.rows.rows_by_key(ours, wanted)]
        assert Counter(by_key) == Counter(row.forms for row in target.rows.rows_by_key(theirs, wanted))
        assert len(by_key) == min(2, len(keys))
        name = data.draw(st.sampled_from(NAMES))
        changed, row = data.draw(SORTS[name].values), pair.stand_in.rows[0]
        is_changed = SORTS[name].form(changed) != SORTS[name].form(row[name])
        row[name] = changed
        assert (added(list(source.checksums.chunk_sums(ours, WHOLE))) != expected) is is_changed
        assert (added(list(pair.source_columns.chunk_sums(ours, WHOLE))) != streamed) is is_changed


def test_every_type_can_be_calibrated_by_either_strategy(pair: Pair) -> None:
    calibration = Calibration("sqlserver")
    told = [sort.told for sort in SORTS.values()]
    calibration.look(pair.source, told)
    assert {one.column.name: calibration.reason(one) for one in told} == dict.fromkeys(SORTS, "")
    assert all(calibration.can_hash(one) for one in told)
    for one in told:
        known = literals("sqlserver", one)
        streamed = pair.source_columns.literal_hashes([one], [[literal.text for literal in known]])
        assert streamed == pair.columnar.reference_hashes([one], [[literal.part for literal in known]]), one.column.name


@pytest.mark.parametrize("strategy", Strategy)
def test_a_whole_comparison_finds_exactly_what_was_planted(pair: Pair, strategy: Strategy) -> None:
    """From the catalogue to the differences: calibrated, planned, summed up in parts, fetched by chunk and by key, settled."""
    result = _compared(pair, strategy)
    assert not result.error
    assert (result.missing_at_target, result.extra_at_target, result.changed) == (2, 1, 1)
    assert set(result.example_keys) == {"missing 7", "missing 25", "extra 1000", "changed 59 (bit, nvarchar, sysname)"}
    assert result.strategy == strategy
    assert result.not_compared == (HIDDEN,)


def test_text_of_a_server_without_utf8_is_streamed(pair: Pair) -> None:
    """SQL Server before 2019 makes no UTF-8: its text is hashed here, but where it may be long, which has to be hashed there."""
    result = _compared(pair, None, {catalogue.HAS_UTF8: [(None,)]})
    assert not result.error
    assert (result.strategy, result.reason.partition(" (")[0]) == ("stream", "the only way to compare char")
    assert set(result.example_keys) == {"missing 7", "missing 25", "extra 1000", "changed 59 (bit, nvarchar, sysname)"}
    assert result.not_compared == (
        *(
            f"{name} ({name}: this server has no UTF-8 collation, which the hash of long text needs (SQL Server 2019 has them))"
            for name in ("text", "ntext", "xml", "json")
        ),
        HIDDEN,
    )
    assert result.unseen == ("text", "ntext", "xml", "json")


def test_text_of_a_server_without_utf8_is_not_pushed_down_and_named(pair: Pair) -> None:
    result = _compared(pair, Strategy.PUSH_DOWN, {catalogue.HAS_UTF8: [(None,)]})
    assert not result.error
    assert set(result.example_keys) == {"missing 7", "missing 25", "extra 1000", "changed 59 (bit)"}
    assert "nvarchar (nvarchar: this server cannot hash it)" in result.not_compared
    assert len(result.not_compared) == 1 + len([name for name in NAMES if SORTS[name].told.form.kind is Kind.TEXT])


def test_text_that_decides_the_chunk_has_to_be_hashed_by_its_server(pair: Pair) -> None:
    result = _compared(pair, None, {catalogue.HAS_UTF8: [(None,)], catalogue.PRIMARY_KEY: [(Text("nvarchar"),)]})
    assert result.status is TableStatus.ERROR
    assert "cannot be compared without nvarchar (nvarchar: this server cannot hash it)" in result.error
    assert "Name other columns as the table's key in the pipeline file" in result.error


HIDDEN = "rows that dbo.by_tenant hides from the source's account, if any"


def _compared(
    pair: Pair, strategy: Strategy | None, different: dict[str, list[tuple[Any, ...]]] | None = None
) -> TableResult:
    """Sixty rows with four differences, compared by new sessions; the server answers `different`ly in what is given."""
    rows = [[EDGES[name] for name in NAMES] for _ in range(60)]
    here = pair.stand_in
    declared = {name: SORTS[name].told.column for name in NAMES}
    known = {
        catalogue.COLUMNS: [
            _catalogued("id", ID, nullable=False),
            *(_catalogued(n, c, nullable=True) for n, c in declared.items()),
        ],
        catalogue.PRIMARY_KEY: [(Text("id"),)],
        catalogue.ROW_POLICIES: [(Text("dbo.by_tenant"),)],
        catalogue.MAY_VIEW_DEFINITION: [(Int(1, 64),)],
        catalogue.CLUSTERED_BY: [(Text("id"),)],
        catalogue.ESTIMATED_ROWS: [(Int(60, 64),)],
        catalogue.count_statement(TABLE): [(Int(60, 64),)],
        catalogue.range_statement(TABLE, ID): [(Int(0, 64), Int(59, 64))],
        **(different or {}),
    }
    with pair.replicated(rows, range(60)), patch.dict(here.known, known):
        pair.postgres.execute(
            f"DELETE FROM {TARGET} WHERE id = 7",
            f"UPDATE {TARGET} SET id = 1000 WHERE id = 25",
            f"UPDATE {TARGET} SET nvarchar = nvarchar || ' ', sysname = NULL, bit = NULL WHERE id = 59",
        )
        run_of = Run(
            Endpoint("sqlserver", "here", lambda: SQLServer(_config(here.server), Secret(PASSWORD), 30)),
            Endpoint("postgresql", "there", lambda: connect(pair.postgres.config(), Secret(PASSWORD))),
            lambda _: FenceThen(),
            Options(validate_checksums=True, strategy=strategy),
            Unwatched(),
            pair.columnar,
        )
        (result,) = reconcile(run_of, [TablePair("kinds", TABLE, TARGET)])
    return result


def _catalogued(name: str, column: Column, *, nullable: bool) -> tuple[Any, ...]:
    """A row of the catalogue's answer."""
    characters = 2 if column.type in ("nchar", "nvarchar", "sysname") else 1
    limited = column.type in ("char", "varchar", "nchar", "nvarchar", "sysname", "binary", "varbinary")
    size = -1 if limited and column.length is None else (column.length or 8) * characters
    of_type = Int(column.scale or 0), Int(column.precision or 0), False, Int(size)
    return Text(name), Text(column.type), nullable, *of_type, Text("")


def test_a_streamed_segment_and_literals_are_read_by_arrow(stand_in: StandIn) -> None:
    stand_in.rows = [{"id": Int(i, 64), "nvarchar": Text("ü" if i % 2 else "🚀")} for i in range(40_000)]
    told = (ColumnRead(ID, Form(Kind.INTEGER)), SORTS["nvarchar"].told)
    scan = TableRead(TABLE, told, 1, Chunking(width=30_000))
    with _session(stand_in) as database, Columnar() as columnar, columnar.side(database) as side:
        found = side.chunk_sums(scan, Segment(10, 39_990))
        assert sorted((one.chunk, one.rows) for one in found) == [(0, 29_990), (1, 9_990)]
        columns = [SORTS["varchar"].told, SORTS["datetime2"].told, SORTS["decimal"].told]
        texts = [["it's", None], ["9999-12-31T23:59:59.9999999", None], ["1.5000000000", None]]
        values = [
            [b"it's", None],
            [canonical.encode(Form(Kind.INTEGER), 252_455_616_000_000_000), None],
            [b"1.5000000000", None],
        ]
        for place, one in enumerate(columns):
            assert side.literal_hashes([one], [texts[place]])[0] == columnar.reference_hashes([one], [values[place]])[0]


def test_batches_of_wide_rows_have_fewer_rows() -> None:
    assert rows_per_batch(("BIGINT",) * 10) == 16_384
    assert rows_per_batch(("BIGINT",) * 1000) == 200
    assert rows_per_batch(("BLOB",) * 10) == 312
    assert rows_per_batch(()) == 16_384


def test_snapshots_are_begun_and_ended_by_both_drivers(stand_in: StandIn) -> None:
    stand_in.known[catalogue.DATABASE_STATE] = [(True, Int(1))]
    with _session(stand_in) as database, database.stream_session() as session:
        for one in (database, session):
            asked = stand_in.server.statements
            asked.clear()
            with one.snapshot():
                assert catalogue.SNAPSHOT in asked
                assert catalogue.READ_COMMITTED not in asked
            assert catalogue.READ_COMMITTED in asked


@pytest.mark.parametrize(
    ("refusal", "error", "words"),
    [
        (Refusal(18456, "Login failed for user 'reader'.", 14), RefusedError, "SQLSERVER_PASSWORD"),
        (Refusal(4060, 'Cannot open database "warehouse" requested by the login. The login failed.', 11), RefusedError, "database's name"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [SQLServer, ArrowSession])
def test_a_refused_login_is_our_error_by_either_driver(
    stand_in: StandIn, kind: Any, refusal: Refusal, error: type[CouldNotLookError], words: str
) -> None:
    stand_in.server.login_refusal = refusal
    with pytest.raises(error) as raised, kind(_config(stand_in.server), Secret(PASSWORD), 30):
        pass
    assert words in raised.value.remedy
    assert refusal.text in raised.value.message
    assert PASSWORD not in str(raised.value)
    assert "[Microsoft]" not in str(raised.value)


@pytest.mark.parametrize("kind", [SQLServer, ArrowSession])
def test_a_port_that_answers_nobody_is_unreachable_by_either_driver(kind: Any) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        config = _config(TdsServer(lambda *_: None, port=taken.getsockname()[1]))
        with pytest.raises(UnreachableError, match="does not answer") as raised, kind(config, Secret(PASSWORD), 30):
            pass
    assert "host and port" in raised.value.remedy


REFUSALS = [
    (Refusal(208, "Invalid object name 'dbo.kinds'."), UnexpectedAnswerError, "no table dbo.kinds"),
    (Refusal(229, "The SELECT permission was denied on the object 'kinds', database 'warehouse', schema 'dbo'.", 14), RefusedError, "GRANT SELECT ON [dbo].[kinds] TO [reader];"),
    (Refusal(1222, "Lock request time out period exceeded."), UnexpectedAnswerError, "was locked for more than 5 s"),
    (Refusal(8115, "Arithmetic overflow error."), UnexpectedAnswerError, "Arithmetic overflow error."),
    (Refusal(0, "", fatal=True), UnreachableError, "closed the connection"),
]  # fmt: skip


@pytest.mark.parametrize(("refusal", "error", "words"), REFUSALS)
def test_a_refused_statement_is_our_error_by_either_driver(
    stand_in: StandIn, refusal: Refusal, error: type[CouldNotLookError], words: str
) -> None:
    scan = TableRead(TABLE, (ColumnRead(ID, Form(Kind.INTEGER)),), 1, Chunking(width=5))
    with _session(stand_in) as database, Columnar() as columnar, columnar.side(database) as side:
        assert list(database.checksums.chunk_sums(scan, WHOLE)) == []
        stand_in.refusal = refusal
        for one in (side, PushDown(database)):
            with pytest.raises(error) as raised:
                list(one.chunk_sums(scan, WHOLE))
            assert words in str(raised.value)
            assert "[Microsoft]" not in str(raised.value)


@pytest.mark.parametrize("name", ["pushed down", "streamed"])
def test_what_goes_wrong_in_the_midst_of_the_rows_is_our_error_too(stand_in: StandIn, name: str) -> None:
    """DuckDB makes an error of its own of what its reader raises."""
    scan = TableRead(TABLE, (ColumnRead(ID, Form(Kind.INTEGER)),), 1, Chunking(width=5))
    overflow = Refusal(8115, "Arithmetic overflow error.")
    with _session(stand_in) as database, Columnar() as columnar, columnar.side(database) as side:
        stand_in.known[database.checksums.stream_select(scan, WHOLE).select] = [
            *((Int(i, 64),) for i in range(40_000)),
            overflow,
        ]
        stand_in.known[database.checksums.statements(scan)["push-down"]] = [
            (Int(0, 64), Int(1, 64), Decimal(1)),
            overflow,
        ]
        with pytest.raises(UnexpectedAnswerError, match=r"warehouse at .*: Arithmetic overflow error\.$"):
            list((side if name == "streamed" else database.checksums).chunk_sums(scan, WHOLE))
        assert database.version().startswith("Microsoft SQL Server 16")


@pytest.mark.parametrize("name", ["pushed down", "streamed"])
def test_a_statement_over_its_time_is_our_error_by_either_driver(stand_in: StandIn, name: str) -> None:
    """The server answers only when the driver has given up."""
    scan = TableRead(TABLE, (ColumnRead(ID, Form(Kind.INTEGER)),), 1, Chunking(width=5))
    answer = stand_in.server.answer

    def slow(statement: str, parameters: list[Any]) -> Answer:
        if "[kinds]" in statement:
            stand_in.server.attention.wait()
        return answer(statement, parameters)

    stand_in.server.answer = slow
    config = _config(stand_in.server)
    with SQLServer(config, Secret(PASSWORD), 1) as database, Columnar() as columnar, columnar.side(database) as side:
        with pytest.raises(UnexpectedAnswerError, match=r"a statement on dbo\.kinds took over 1 s"):
            list((side if name == "streamed" else database.checksums).chunk_sums(scan, WHOLE))
        assert database.version().startswith("Microsoft SQL Server 16")


@pytest.mark.parametrize(("name", "value"), [("nvarchar", Text("short")), ("image", tsql_values.Binary(bytes(8000)))])
def test_rows_that_stop_coming_are_our_error_when_the_time_is_over(stand_in: StandIn, name: str, value: Any) -> None:
    scan = TableRead(TABLE, (ColumnRead(ID, Form(Kind.INTEGER)), SORTS[name].told), 1, Chunking(width=5))
    with SQLServer(_config(stand_in.server), Secret(PASSWORD), 1) as database, Columnar() as columnar:
        stand_in.known[database.checksums.stream_select(scan, WHOLE).select] = [(Int(1, 64), value), STALLED]
        with (
            columnar.side(database) as side,
            pytest.raises(UnexpectedAnswerError, match=r"a statement on dbo\.kinds took over 1 s"),
        ):
            list(side.chunk_sums(scan, WHOLE))


def test_a_server_that_stands_still_is_given_up(stand_in: StandIn) -> None:
    """Microsoft's driver waits two seconds for the answer that the statement has ended, and then no more."""
    stand_in.server.frozen = lambda statement: statement == catalogue.VERSION
    with SQLServer(_config(stand_in.server), Secret(PASSWORD), 1) as database:
        began = Deadline(0)
        with pytest.raises(UnexpectedAnswerError, match=r"SQL Server database warehouse .* a statement took over 1 s"):
            database.version()
    assert began.elapsed_seconds < 15


def test_a_server_that_stands_still_is_given_up_by_arrow_too(stand_in: StandIn) -> None:
    """Stopped, or behind a connection that is half open: it does not answer that the statement is to end either."""
    stand_in.server.frozen = lambda statement: "[kinds]" in statement
    scan = TableRead(TABLE, (ColumnRead(ID, Form(Kind.INTEGER)),), 1, Chunking(width=5))
    with _session(stand_in) as database, ArrowSession(_config(stand_in.server), Secret(PASSWORD), 1) as session:
        stream = database.checksums.stream_select(scan, WHOLE)
        with (
            pytest.raises(UnexpectedAnswerError, match=r"a statement on dbo\.kinds took over 1 s"),
            session.batches(TABLE, stream),
        ):
            pass


@pytest.mark.parametrize("kind", [SQLServer, ArrowSession])
def test_a_listener_of_several_subnets_is_reached_by_either_driver(stand_in: StandIn, kind: Any) -> None:
    with kind(_config(stand_in.server, multi_subnet_failover=True), Secret(PASSWORD), 30):
        pass
    assert [login["user"] for login in stand_in.server.logins] == ["reader"]


def test_without_the_extra_the_remedy_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mssql_python", None)
    session = ArrowSession(_config(TdsServer(lambda *_: None, port=1)), Secret(PASSWORD), 1)
    with pytest.raises(CouldNotLookError, match="not installed") as raised, session:
        pass
    assert "pip install 'cdcproof[sqlserver]'" in raised.value.remedy


def test_without_microsofts_driver_for_python_the_remedy_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mssql_python.py").write_text(
        "raise ImportError('libgssapi_krb5.so.2: cannot open shared object file')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mssql_python", raising=False)
    session = ArrowSession(_config(TdsServer(lambda *_: None, port=1)), Secret(PASSWORD), 1)
    with pytest.raises(CouldNotLookError, match="cannot be streamed") as raised, session:
        pass
    assert "pip install --force-reinstall mssql-python" in raised.value.remedy


def test_a_statement_can_be_ended_from_another_thread(stand_in: StandIn) -> None:
    scan = TableRead(TABLE, (ColumnRead(ID, Form(Kind.INTEGER)),), 1, Chunking(width=5))
    asked = threading.Event()
    answer = stand_in.server.answer

    def slow(statement: str, parameters: list[Any]) -> Answer:
        asked.set()
        stand_in.server.attention.wait()
        return answer(statement, parameters)

    with _session(stand_in) as database:
        stand_in.server.answer = slow

        def end() -> None:
            asked.wait()
            database.interrupt()

        thread = threading.Thread(target=end)
        thread.start()
        with pytest.raises(UnexpectedAnswerError, match=r"a statement on dbo\.kinds was ended"):
            list(database.checksums.chunk_sums(scan, WHOLE))
        thread.join()
        database.interrupt()
        assert list(database.checksums.chunk_sums(scan, WHOLE)) == []


@contextmanager
def reading_ends(reading: Any) -> Iterator[None]:
    """The end of a block that was begun by hand."""
    try:
        yield
    except Exception as error:
        if not reading.__exit__(type(error), error, error.__traceback__):
            raise
    else:
        reading.__exit__(None, None, None)


def test_a_stream_can_be_ended_from_another_thread(stand_in: StandIn) -> None:
    stand_in.rows = [{"id": Int(i, 64)} for i in range(40_000)]
    scan = TableRead(TABLE, (ColumnRead(ID, Form(Kind.INTEGER)),), 1, Chunking(width=5))
    with _session(stand_in) as database, database.stream_session() as session:
        stream = database.checksums.stream_select(scan, WHOLE)
        reading = session.batches(TABLE, stream)
        reader = reading.__enter__()
        assert reader.read_next_batch().num_rows == 16_384
        thread = threading.Thread(target=session.interrupt)
        thread.start()
        thread.join()
        with pytest.raises(UnexpectedAnswerError, match=r"a statement on dbo\.kinds was ended"), reading_ends(reading):
            reader.read_all()
        session.interrupt()
        with session.batches(TABLE, stream) as reader:
            assert reader.read_all().num_rows == 40_000
