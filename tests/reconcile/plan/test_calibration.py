"""What servers make of known values: real ones of PostgreSQL, one that runs SQL Server's statements in memory, and some that err."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import pytest

from cdcproof.core.errors import UnexpectedAnswerError, UnreachableError
from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.duckdb.stream import Columnar, ColumnarSide
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.sqlserver.queries import statements
from cdcproof.databases.table_read import ColumnRead, LiteralForm
from cdcproof.databases.values.canonical import digest, frame
from cdcproof.databases.values.reading import EPOCHS, How
from cdcproof.databases.values.types import CONTRACT, Form, Kind, form_of, ways_of
from cdcproof.reconcile.plan.calibration import Calibration, calibrated
from cdcproof.reconcile.plan.columns import Structure, TablePair
from cdcproof.reconcile.plan.edge_values import literals
from cdcproof.reconcile.plan.plan import plan, without
from tests import tsql_values as tsql
from tests.databases.sqlserver.columns import SORTS
from tests.postgres_server import PASSWORD, Server, Servers
from tests.tsql_engine import run

pytest_plugins = ["tests.postgres_server"]

DECLARED = (
    *("boolean", "smallint", "integer", "bigint", "numeric", "numeric(9)", "numeric(12, 4)", "numeric(38, 10)"),
    *("numeric(5, -2)", "numeric(3, 5)", "numeric(1000, 999)", "double precision", "real", "char", "char(6)"),
    *("char(3000)", "varchar", "varchar(1)", "varchar(20)", "varchar(2049)", "varchar(9000)", "text", "public.citext"),
    *("name", "calibrated.mood", "bytea", "uuid", "date", "time", "time(0)", "time(3)", "timestamp", "timestamp(0)"),
    *("timestamp(3)", "timestamptz", "timestamptz(2)", "money", "json", "jsonb"),
)
TABLE = TableName("calibrated", "kinds")


@pytest.fixture(scope="module")
def server(postgres_servers: Servers) -> Server:
    server = postgres_servers.target
    columns = ", ".join(f"c{number} {declared}" for number, declared in enumerate(DECLARED))
    server.execute(
        "CREATE SCHEMA calibrated",
        "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public",
        "CREATE TYPE calibrated.mood AS ENUM ('sad')",
        f"CREATE TABLE calibrated.kinds ({columns})",
    )
    return server


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    with connect(server.config(), Secret(PASSWORD)) as opened:
        yield opened


def _told(database: Database) -> list[ColumnRead]:
    """Every column in every form that it may be told in beside another."""
    columns = database.catalogue.columns(TABLE)
    forms = [
        (one, form_of("postgresql", one, "postgresql", other))
        for one in columns
        for other in columns
        if one is other or len({one.type, other.type} & {"numeric", "real", "bigint", "text", "character"}) == 1
    ]
    return [ColumnRead(column, form) for column, form in dict.fromkeys(forms) if form]


def test_postgresql_tells_every_type_of_the_contract_as_python_does(database: Database) -> None:
    told = _told(database)
    compared = {name for name, entry in CONTRACT["postgresql"].items() if entry.kind} - {
        "xml"
    }  # this server was built without
    assert {one.column.type for one in told} == compared
    calibration = Calibration("postgresql")
    calibration.look(database, told)
    assert [(one, calibration.reason(one)) for one in told if calibration.reason(one)] == []
    assert all(calibration.can_hash(one) for one in told)
    assert calibration.lines() == (f"types that agree with Python's reference: {len(compared)}",)
    assert all(calibration.hashes_natively(one) for one in told)


@pytest.mark.parametrize("wrong", [lambda _: None, lambda found: (found or 0) ^ 1])
def test_a_native_hash_that_python_does_not_make_is_not_used(
    database: Database, wrong: Callable[[int | None], int | None]
) -> None:
    number, text = (
        ColumnRead(Column("v", name, nullable=True), Form(kind))
        for name, kind in (("bigint", Kind.INTEGER), ("text", Kind.TEXT))
    )
    calibration = Calibration("postgresql")
    calibration.look(
        _Erring(database, lambda said, answer: answer._replace(native=wrong(answer.native)) if said == "7" else answer),
        [number, text],
    )
    assert [calibration.reason(one) for one in (number, text)] == ["", ""]
    assert [calibration.hashes_natively(one) for one in (number, text)] == [False, True]


def test_a_server_of_another_encoding_is_asked_what_it_can_hold(server: Server) -> None:
    server.execute("CREATE DATABASE calibrated_latin ENCODING 'LATIN1' TEMPLATE template0")
    try:
        with connect(server.config(database="calibrated_latin"), Secret(PASSWORD)) as database:
            calibration = Calibration("postgresql")
            long, short = (
                ColumnRead(Column("v", "text", nullable=True), Form(Kind.TEXT, long=long)) for long in (True, False)
            )
            calibration.look(_Erring(database, lambda _, answer: answer), [long, short])
            assert (calibration.reason(long), calibration.reason(short)) == ("", "")
            wrong = Calibration("postgresql")
            wrong.look(
                _Erring(database, lambda text, answer: LiteralForm(b"?", b"") if text == "é" else answer), [short]
            )
            assert wrong.reason(short) == "text: the server writes 'é' as 0x3f, not as 0xc3a9"
    finally:
        server.execute("DROP DATABASE calibrated_latin")


class _InMemory:
    """SQL Server's statements, run by tests/tsql_engine.py."""

    @property
    def checksums(self) -> Self:
        return self

    def literal_forms(self, column: Column, form: Form, texts: Sequence[str | None]) -> list[LiteralForm]:
        statement = statements.literal_forms(column, form, [text is not None for text in texts])
        rows = run(statement, {}, [tsql.Text(text) for text in texts if text is not None])
        return [LiteralForm(part and part.data, md5.data) for part, md5 in rows]


@pytest.mark.parametrize("name", SORTS)
def test_sql_server_is_asked_what_its_types_can_hold(name: str) -> None:
    calibration = Calibration("sqlserver")
    told = SORTS[name].told
    calibration.look(_InMemory(), [told])  # type: ignore[arg-type]
    assert calibration.reason(told) == ""
    assert calibration.can_hash(told)
    assert len(literals("sqlserver", told)) > 2


_TARGETS = ("text", "bigint", "smallint", "numeric", "double precision", "real", "bytea", "character", "timestamptz")
_AS_SINKS_WRITE = [
    (ColumnRead(ours, form), replace(told.column, name="v").type, way.target)
    for told in (
        *(sort.told for sort in SORTS.values()),
        *(ColumnRead(Column("v", name, True, scale=n), Form(Kind.TIME)) for name in ("time", "datetime2") for n in (0, 3, 6)),
    )
    for target in (
        Column("v", {"timestamptz": "timestamp with time zone"}.get(name, name), nullable=True, length=8 if name == "character" else None)
        for name in _TARGETS
    )
    for way in ways_of("sqlserver", told.column, "postgresql", target)
    if way.source
    for ours in [replace(told.column, reading=way.source)]
    if (form := form_of("sqlserver", ours, "postgresql", replace(target, reading=way.target)))
]  # fmt: skip


@pytest.mark.parametrize("told", dict.fromkeys(told for told, _, _ in _AS_SINKS_WRITE), ids=str)
def test_sql_server_reads_a_column_as_sinks_write_it(told: ColumnRead) -> None:
    calibration = Calibration("sqlserver")
    calibration.look(_InMemory(), [told])  # type: ignore[arg-type]
    assert calibration.reason(told) == ""
    assert calibration.can_hash(told)
    assert len(literals("sqlserver", told)) > 2


def test_every_reading_of_sql_server_has_been_asked() -> None:
    made = {told.column.reading.how for told, _, _ in _AS_SINKS_WRITE if told.column.reading}
    assert made == {
        *EPOCHS,
        How.ISO,
        How.ISO_WITH_OFFSET,
        How.WORD_OF_UUID,
        How.ZERO_OR_ONE,
        How.WORD_OF_BOOLEAN,
        How.DOUBLE,
        How.TRIMMED,
    }


def test_every_type_of_sql_server_that_is_compared_has_been_asked() -> None:
    compared = {name for name, entry in CONTRACT["sqlserver"].items() if entry.kind}
    assert {sort.told.column.type for sort in SORTS.values()} == compared


@dataclass
class _Erring:
    """A real server whose answers are changed on their way; it counts what it is asked."""

    database: Database
    change: Callable[[str | None, LiteralForm], LiteralForm]
    asked: list[ColumnRead] = field(default_factory=list)

    @property
    def checksums(self) -> Self:
        return self

    def literal_forms(self, column: Column, form: Form, texts: Sequence[str | None]) -> list[LiteralForm]:
        self.asked.append(ColumnRead(column, form))
        found = self.database.checksums.literal_forms(column, form, texts)
        return [self.change(text, answer) for text, answer in zip(texts, found, strict=True)]


def _at_form(change: Callable[[bytes], bytes | None]) -> Callable[[str | None, LiteralForm], LiteralForm]:
    return lambda _, answer: answer._replace(part=None if answer.part is None else change(answer.part))


@pytest.mark.parametrize(
    ("declared", "change", "words"),
    [
        ("text", _at_form(lambda part: part or None), "'' as NULL"),
        ("text", _at_form(bytes.upper), "'a'"),
        ("text", _at_form(bytes.rstrip), "' '"),
        ("text", _at_form(lambda part: part.decode().encode("cp1252", "replace")), "'é'"),
        ("text", lambda _, answer: answer._replace(part=answer.part or b""), "NULL as 0x, not as NULL"),
        ("bytea", _at_form(lambda part: part[1:9]), "'' as 0x"),
        (
            "timestamp without time zone",
            _at_form(lambda part: part[:5] + b"\x00" * 3),
            "0001-01-01T00:00:00' as 0xff1fe2ffc5000000, not as 0xff1fe2ffc59c6000",
        ),
        ("double precision", _at_form(lambda part: part.replace(b"\x80" + b"\x00" * 7, b"\x00" * 8)), "'-0.0'"),
        ("numeric", _at_form(lambda part: part.replace(b"NaN", b"0")), "'NaN'"),
        ("numeric", _at_form(lambda part: part[:20]), "'0.00000000000000000001'"),
        ("uuid", _at_form(lambda part: part[3::-1] + part[4:]), "'a0eebc99"),
        ("text", lambda text, answer: answer._replace(md5=b"x" * 16) if text == "é" else answer, "MD5 of 'é'"),
    ],
)
def test_a_server_that_errs_is_found_out_and_the_type_and_value_named(
    database: Database, declared: str, change: Callable[[str | None, LiteralForm], LiteralForm], words: str
) -> None:
    column = Column("v", declared, nullable=True)
    form = form_of("postgresql", column, "postgresql", column)
    assert form
    told = ColumnRead(column, replace(form, long=form.kind is Kind.BINARY))
    calibration = Calibration("postgresql")
    calibration.look(_Erring(database, change), [told])
    assert calibration.reason(told).startswith(f"{declared}: the server")
    assert words in calibration.reason(told)
    assert calibration.lines() == ("types that agree with Python's reference: 0", calibration.reason(told))


def test_a_type_without_a_hash_is_compared_but_not_pushed_down(database: Database) -> None:
    text, day = Column("v", "text", nullable=True, length=9), Column("v", "date", nullable=True)
    told = [ColumnRead(text, Form(Kind.TEXT)), ColumnRead(day, Form(Kind.DATE))]
    calibration = Calibration("postgresql")
    server = _Erring(database, lambda _, answer: answer)
    calibration.look(server, told[1:])
    server.change = lambda _, answer: answer._replace(md5=b"")
    calibration.look(server, told)
    assert [calibration.reason(one) for one in told] == ["", ""]
    assert [calibration.can_hash(one) for one in told] == [False, True]


def test_a_type_is_asked_for_once_in_a_run_whatever_its_columns_are_called(database: Database) -> None:
    server = _Erring(database, lambda _, answer: answer)
    calibration = Calibration("postgresql")
    words = [ColumnRead(Column(f"w{i}", "text", nullable=i % 2 == 0, length=9), Form(Kind.TEXT)) for i in range(1000)]
    calibration.look(server, words)
    calibration.look(server, words)
    assert len(server.asked) == 1
    calibration.look(server, [ColumnRead(replace(words[0].column, length=8), Form(Kind.TEXT))])
    calibration.look(server, [ColumnRead(words[0].column, Form(Kind.TEXT, long=True))])
    assert len(server.asked) == 3


def test_what_is_streamed_is_what_python_has(database: Database) -> None:
    told = _told(database)
    calibration = Calibration("postgresql")
    with Columnar() as duck, duck.side(database) as side:
        calibration.look_at_stream(side, duck, told)
    assert [(one, calibration.stream_reason(one)) for one in told if calibration.stream_reason(one)] == []


def test_a_type_that_the_stream_errs_in_is_named_and_may_still_be_pushed_down(database: Database) -> None:
    told = [
        ColumnRead(Column("v", name, nullable=True), Form(kind))
        for name, kind in (("date", Kind.DATE), ("uuid", Kind.UUID))
    ]

    class Erring:
        def __init__(self, side: ColumnarSide) -> None:
            self.side = side

        def literal_hashes(
            self, columns: Sequence[ColumnRead], texts: Sequence[Sequence[str | None]]
        ) -> list[tuple[int, ...]]:
            late = [["9999-12-31" if text == "infinity" else text for text in texts[0]]]
            return self.side.literal_hashes(columns, late)

    calibration = Calibration("postgresql")
    calibration.look(database, told)
    with Columnar() as duck, duck.side(database) as side:
        calibration.look_at_stream(Erring(side), duck, told)
    assert [calibration.stream_reason(one) for one in told] == ["date: 'infinity' is streamed as another value", ""]
    assert [calibration.reason(one) for one in told] == ["", ""]
    assert calibration.lines() == (
        "types that agree with Python's reference: 1",
        "date: 'infinity' is streamed as another value",
    )


def test_what_the_server_refuses_altogether_is_not_compared_and_a_dead_server_is_an_error() -> None:
    class Refusing:
        error: Exception = UnexpectedAnswerError("no such function: md5(bytea)")

        @property
        def checksums(self) -> Self:
            return self

        def literal_forms(self, *_: Any) -> list[LiteralForm]:
            raise self.error

    told = ColumnRead(Column("v", "date", nullable=True), Form(Kind.DATE))
    calibration, server = Calibration("postgresql"), Refusing()
    calibration.look(server, [told])  # type: ignore[arg-type]
    assert calibration.reason(told) == "date: the server reads none of the known values"
    server.error = UnreachableError("gone")
    with pytest.raises(UnreachableError):
        Calibration("postgresql").look(server, [told])  # type: ignore[arg-type]


def test_a_plan_is_left_without_the_columns_that_a_server_errs_in(database: Database) -> None:
    columns = (
        Column("id", "integer", nullable=False),
        Column("day", "date", nullable=True),
        Column("word", "text", nullable=True),
    )
    source, target = (Structure("postgresql", TableName("public", name), columns, ("id",)) for name in ("s", "t"))
    whole = plan(TablePair("t", source.table, target.table), source, target)
    right, wrong = Calibration("postgresql"), Calibration("postgresql")
    right.look(database, whole.source.columns)
    wrong.look(
        _Erring(database, _at_form(lambda part: b"\x00\x41" if part == b"\x00a" else part)), whole.target.columns
    )
    assert calibrated(whole, right, right) == {}
    reasons = calibrated(whole, right, wrong)
    assert reasons == {"word": "text: the server writes 'a' as 0x0041, not as 0x0061"}
    assert without(whole, reasons).not_compared == (f"word ({reasons['word']})",)


@pytest.mark.parametrize(
    ("engine", "column", "texts"),
    [
        ("postgresql", Column("v", "numeric", nullable=True, scale=4, precision=12), {"99999999.9999", "-0.0001", "NaN"}),
        ("postgresql", Column("v", "bigint", nullable=True), {"-9223372036854775808", "9223372036854775807"}),
        ("postgresql", Column("v", "date", nullable=True), {"0001-01-01", "9999-12-31", "infinity", "-infinity"}),
        ("postgresql", Column("v", "time without time zone", nullable=True, scale=3), {"00:00:00", "23:59:59.999"}),
        ("postgresql", Column("v", "real", nullable=True), {"-0", "0", "NaN", "Infinity", "0.1"}),
        ("postgresql", Column("v", "character varying", nullable=True, length=2), {"", " ", "A", "a ", "e\u0301", "😀 "}),
        ("sqlserver", Column("v", "tinyint", nullable=True), {"0", "255"}),
        ("sqlserver", Column("v", "money", nullable=True, scale=4, precision=19), {"-922337203685477.5808"}),
        ("sqlserver", Column("v", "datetime", nullable=True, scale=3), {"1753-01-01T00:00:00.007", "2024-02-29T12:30:00.003"}),
        ("sqlserver", Column("v", "nvarchar", nullable=True, length=2), {"", " ", "😀", "e\u0301"}),
        ("sqlserver", Column("v", "time", nullable=True, scale=7), {"12:00:00.1234565", "23:59:59.999999"}),
    ],
)  # fmt: skip
def test_the_edges_of_a_type_are_among_its_literals(engine: Any, column: Column, texts: set[str]) -> None:
    form = form_of(engine, column, engine, column)
    assert form
    assert texts | {None} <= {literal.text for literal in literals(engine, ColumnRead(column, form))}


def test_nothing_is_among_them_that_the_type_cannot_hold() -> None:
    def texts(engine: Any, column: Column) -> set[str]:
        form = form_of(engine, column, engine, column)
        assert form
        return {literal.text for literal in literals(engine, ColumnRead(column, form)) if literal.text is not None}

    assert not texts("sqlserver", Column("v", "float", nullable=True)) & {"NaN", "Infinity", "-Infinity", "-0.0"}
    assert max(map(len, texts("postgresql", Column("v", "character varying", nullable=True, length=1)))) == 1
    assert "😀 " not in texts("sqlserver", Column("v", "nvarchar", nullable=True, length=2))
    assert "infinity" not in texts("sqlserver", Column("v", "date", nullable=True))
    assert all(
        not text[20:] or len(text) <= 23 for text in texts("sqlserver", Column("v", "datetime", nullable=True, scale=3))
    )
    assert digest(frame([Form(Kind.TEXT)], [None])).hex() == "e0828e940447dbc1bbe11b52adeb1dee"
