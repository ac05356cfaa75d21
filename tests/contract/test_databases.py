"""Every engine has the contract's shape and does what it says, and the ODBC code runs for real on the one server that can run here."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from cdcproof.core.errors import RefusedError, UnexpectedAnswerError
from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect
from cdcproof.databases.contracts.catalogue import Catalogue
from cdcproof.databases.contracts.checksums import Checksums
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.contracts.log import Log
from cdcproof.databases.contracts.permissions import Permissions
from cdcproof.databases.contracts.rows import Rows
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.database import PostgreSQL
from cdcproof.databases.sqlserver.database import SQLServer
from cdcproof.databases.table_read import (
    WHOLE,
    Chunking,
    ChunkSum,
    ColumnRead,
    Row,
    RowHash,
    Segment,
    TableRead,
)
from cdcproof.databases.values.canonical import as_text, chunk_of
from cdcproof.databases.values.types import form_of
from tests.databases.row_hashes import chunk_in, hash_in, hashed_by
from tests.postgres_server import PASSWORD, USER, Servers

pytest_plugins = ["tests.postgres_server"]

PARTS = {"catalogue": Catalogue, "checksums": Checksums, "rows": Rows, "log": Log, "permissions": Permissions}


def _methods(contract: type) -> dict[str, Callable[..., Any]]:
    return {
        name: method
        for name, method in vars(contract).items()
        if inspect.isfunction(method) and not name.startswith("_")
    }


CONTRACT = {("", name): method for name, method in _methods(Database).items()} | {
    (part, name): method for part, contract in PARTS.items() for name, method in _methods(contract).items()
}
TABLE, MISSING = TableName("contract", "kinds"), TableName("contract", "missing")
KINDS = """
    CREATE TABLE contract.kinds (
        id int PRIMARY KEY, yes boolean, small smallint, amount numeric(19, 4), share double precision, thin real,
        word text, fixed char(6), raw bytea, uid uuid, day date, tick time(6), at timestamp(6), instant timestamptz)"""
ROWS = """
    INSERT INTO contract.kinds
    SELECT i, i % 2 = 0, -i, i / 7.0, CASE i % 3 WHEN 0 THEN 'NaN' ELSE -0.0 END, 1e30, repeat('Grüße 🚀 ', i % 3),
           CASE i % 4 WHEN 0 THEN '' ELSE 'ab' END, decode(lpad(to_hex(i), 8, '0'), 'hex'), md5(i::text)::uuid,
           date '0001-01-01' + i * 7000, time '23:59:59.999999', timestamp '2025-01-02 03:04:05.000001' - i * interval '1 s', now()
    FROM generate_series(1, 500) i
    UNION ALL SELECT -1, null, null, null, null, null, null, null, null, null, null, null, null, null"""


def test_the_contract_was_found() -> None:
    assert {
        ("", "snapshot"),
        ("checksums", "chunk_sums"),
        ("rows", "chunk_rows"),
        ("rows", "rows_by_key"),
        ("checksums", "literal_forms"),
        ("log", "position"),
        ("permissions", "missing"),
        ("permissions", "hidden"),
    } <= CONTRACT.keys()


def test_every_part_of_the_contract_is_known_here() -> None:
    assert {name for name, one in vars(Database).items() if isinstance(one, property)} == PARTS.keys()


@pytest.mark.parametrize("session", [PostgreSQL, SQLServer])
@pytest.mark.parametrize(("part", "name"), CONTRACT)
def test_every_engine_has_every_method_with_the_same_parameters(session: type, part: str, name: str) -> None:
    implementation = get_type_hints(vars(session)[part].func)["return"] if part else session
    found, promised = getattr(implementation, name), CONTRACT[part, name]
    assert list(inspect.signature(found).parameters) == list(inspect.signature(promised).parameters)


@pytest.mark.parametrize(("engine", "session"), [("postgresql", PostgreSQL), ("sqlserver", SQLServer)])
def test_connect_chooses_the_session_by_type(postgres_servers: Servers, engine: str, session: type) -> None:
    assert isinstance(connect(postgres_servers.source.config(type=engine), Secret(PASSWORD)), session)


@pytest.fixture(scope="module")
def servers(postgres_servers: Servers) -> Servers:
    postgres_servers.source.execute(
        "CREATE SCHEMA contract",
        KINDS,
        ROWS,
        "CREATE ROLE contract_reader LOGIN PASSWORD 'reading'",
        "GRANT USAGE ON SCHEMA contract TO contract_reader",
    )
    return postgres_servers


@pytest.fixture
def database(servers: Servers) -> Iterator[Database]:
    with connect(servers.source.config(), Secret(PASSWORD)) as opened:
        yield opened


def _scan(database: Database, chunking: Chunking, key_width: int = 1, predicate: str = "") -> TableRead:
    columns = database.catalogue.columns(TABLE)
    forms = [form_of("postgresql", column, "postgresql", column) for column in columns]
    pairs = tuple(ColumnRead(column, form) for column, form in zip(columns, forms, strict=True) if form)
    return TableRead(TABLE, pairs, key_width, chunking, predicate)


def _rows(database: Database, scan: TableRead, chunks: list[int]) -> list[Row]:
    with database.rows.chunk_rows(scan, chunks) as rows:
        return list(rows)


def _sums(database: Database, scan: TableRead, *segments: Segment) -> list[ChunkSum]:
    rows, sums = Counter[int](), Counter[int]()
    for segment in segments or (WHOLE,):
        for one in database.checksums.chunk_sums(scan, segment):
            rows[one.chunk] += one.rows
            sums[one.chunk] += one.sum
    return [ChunkSum(chunk, rows[chunk], sums[chunk]) for chunk in sorted(rows)]


CHUNKINGS = [Chunking(width=100), Chunking(buckets=4), Chunking(columns=3, buckets=4)]


@pytest.mark.parametrize("chunking", CHUNKINGS)
@pytest.mark.parametrize("row_hash", RowHash, ids=lambda one: one.name)
def test_sums_are_those_of_the_rows(database: Database, chunking: Chunking, row_hash: RowHash) -> None:
    scan = hashed_by(_scan(database, chunking), row_hash)
    found = _sums(database, scan)
    rows = _rows(database, scan, [one.chunk for one in found])
    assert len(rows) == database.catalogue.count_rows(TABLE) == 501
    sums, counts = Counter[int](), Counter[int]()
    for row in rows:
        chunk = chunk_in(scan, row.forms)
        counts[chunk] += 1
        sums[chunk] += hash_in(scan, row.forms)
    assert found == [ChunkSum(chunk, counts[chunk], sums[chunk]) for chunk in sorted(counts)]
    assert len(found) > 2


@pytest.mark.parametrize("row_hash", RowHash, ids=lambda one: one.name)
def test_rows_of_some_chunks_are_summed_up_by_smaller_ones(database: Database, row_hash: RowHash) -> None:
    scan = hashed_by(_scan(database, Chunking(width=100)), row_hash)
    rows = _rows(database, scan, [0, 3])
    found = {one.chunk: one for one in database.checksums.sums_of_chunks(scan, [0, 3], 7)}
    assert sum(one.rows for one in found.values()) == len(rows) == 200
    smaller = replace(scan, chunking=Chunking(width=7))
    for chunk, one in found.items():
        inside = [row for row in rows if chunk_in(smaller, row.forms) == chunk]
        assert (one.rows, one.sum) == (len(inside), sum(hash_in(scan, row.forms) for row in inside))
    assert list(database.checksums.sums_of_chunks(scan, [], 7)) == []


@pytest.mark.parametrize("chunking", CHUNKINGS)
def test_rows_of_a_chunk_are_all_of_it_and_no_others(database: Database, chunking: Chunking) -> None:
    scan = _scan(database, chunking)
    sums = _sums(database, scan)
    for one in sums:
        rows = _rows(database, scan, [one.chunk])
        assert {chunk_of(chunking, scan.forms, row.forms) for row in rows} == {one.chunk}
        assert len(rows) == one.rows
    both = [one.chunk for one in sums[:2]]
    assert Counter(_rows(database, scan, both)) == sum(
        (Counter(_rows(database, scan, [c])) for c in both), Counter[Row]()
    )


def test_segments_add_up_to_the_whole(database: Database) -> None:
    scan = _scan(database, Chunking(width=100))
    segments = database.checksums.segments(scan, 50)
    assert len(segments) > 2
    assert _sums(database, scan, *segments) == _sums(database, scan)


def test_a_filter_holds_for_counts_sums_and_rows_alike(database: Database) -> None:
    scan = _scan(database, Chunking(width=100), predicate="id > 100 -- the new ones")
    assert database.catalogue.count_rows(TABLE, scan.predicate) == 400
    assert sum(one.rows for one in _sums(database, scan)) == 400
    assert len(_rows(database, scan, [0, 1])) == 99
    key = as_text(scan.forms[0], _rows(database, scan, [1])[0].forms[0] or b"")
    assert 100 < int(key) < 200


def test_columns_with_data_are_those_in_which_a_row_that_the_filter_holds_for_is_not_null(database: Database) -> None:
    names = [column.name for column in database.catalogue.columns(TABLE)]
    rows = _rows(database, _scan(database, Chunking(width=100)), [0, 1, 2, 3, 4, 5])
    filled = {name for place, name in enumerate(names) if any(row.forms[place] is not None for row in rows)}
    assert database.catalogue.columns_with_data(TABLE, names) == filled
    assert database.catalogue.columns_with_data(TABLE, names, "1 = 0 -- none") == frozenset()
    assert database.catalogue.columns_with_data(TABLE, ()) == frozenset()


def test_rows_by_key_are_those_of_the_keys_that_are_there_once_each(database: Database) -> None:
    for width in (1, 3, 14):
        scan = _scan(database, Chunking(width=100), key_width=width)
        some = _rows(database, scan, [1])
        absent: tuple[bytes | None, ...] = (b"\x00" * 8, *some[0].forms[1:width])
        keys = [row.forms[:width] for row in some]
        assert Counter(database.rows.rows_by_key(scan, [*keys, absent, *keys])) == Counter(some)
        assert list(database.rows.rows_by_key(scan, [])) == []


def test_a_snapshot_is_of_one_moment_for_sums_and_rows(servers: Servers, database: Database) -> None:
    scan = _scan(database, Chunking(width=100))
    with database.snapshot():
        before = _sums(database, scan)
        servers.source.execute("UPDATE contract.kinds SET word = word || 'x' WHERE id = 150")
        assert _sums(database, scan) == before
        old = _rows(database, scan, [1])
    new = _rows(database, scan, [1])
    assert len({row.forms for row in new} - {row.forms for row in old}) == 1
    assert {one.chunk for one in set(_sums(database, scan)) - set(before)} == {1}


def test_rows_of_chunks_are_of_the_moment_when_they_were_asked_for(servers: Servers, database: Database) -> None:
    """`settle` takes them for a look on that condition: the target's are asked for before the source's."""
    scan = _scan(database, Chunking(width=100))
    assert database.reads_chunks_of_a_moment()
    old = _rows(database, scan, [1])
    with database.rows.chunk_rows(scan, [1]) as rows:
        servers.source.execute("UPDATE contract.kinds SET word = word || 'z' WHERE id = 152")
        assert set(rows) == set(old)


def test_a_session_beside_another_reads_of_its_moment(servers: Servers, database: Database) -> None:
    scan = _scan(database, Chunking(width=100))
    with database.snapshot():
        before = _sums(database, scan)
        servers.source.execute("UPDATE contract.kinds SET word = word || 'y' WHERE id = 151")
        with database.beside()() as other:
            assert _sums(other, scan) == before
            with other.beside()() as third:
                assert _sums(third, scan) == before
        assert _sums(database, scan) == before
    assert _sums(database, scan) != before


def test_sizes_and_ranges_are_told(database: Database) -> None:
    columns = database.catalogue.columns(TABLE)
    assert database.catalogue.value_range(TABLE, columns[0]) == (-1, 500)
    assert 0 < database.catalogue.estimated_rows(TABLE) < 100_000
    assert database.catalogue.latest(TABLE, "small") == "-1"


def test_what_is_explained_has_its_names(database: Database) -> None:
    shown = database.checksums.statements(_scan(database, Chunking(width=100)))
    assert list(shown) == ["push-down", "stream", "narrowing", "rows of a chunk", "rows by key"]
    assert all(statement.startswith("SELECT ") for statement in shown.values())


def test_the_log_goes_on_when_something_is_written(servers: Servers, database: Database) -> None:
    before = database.log.position()
    servers.source.execute("UPDATE contract.kinds SET word = word WHERE id = 1")
    after = database.log.position()
    assert after.value > before.value
    assert before.text != after.text


ASKING: list[Callable[[Database, TableRead], Any]] = [
    lambda database, scan: list(database.checksums.chunk_sums(scan, WHOLE)),
    lambda database, scan: list(database.checksums.sums_of_chunks(scan, [0], 10)),
    lambda database, scan: _rows(database, scan, [0]),
    lambda database, scan: list(database.rows.rows_by_key(scan, [(b"\x00" * 8,)])),
    lambda database, scan: database.checksums.segments(scan, 10),
    lambda database, scan: database.catalogue.estimated_rows(scan.table),
    lambda database, scan: database.catalogue.value_range(scan.table, scan.columns[0].column),
    lambda database, scan: database.catalogue.count_rows(scan.table),
]


@pytest.mark.parametrize("ask", ASKING)
def test_a_missing_table_is_our_error_wherever_it_is_asked_for(
    database: Database, ask: Callable[[Database, TableRead], Any]
) -> None:
    scan = _scan(database, Chunking(width=100))
    with pytest.raises(UnexpectedAnswerError, match=r"no table contract\.missing"):
        ask(database, TableRead(MISSING, scan.columns, 1, scan.chunking))
    assert database.catalogue.count_rows(TABLE) == 501


@pytest.mark.parametrize("ask", ASKING)
def test_a_denied_table_is_our_error_wherever_it_is_asked_for(
    servers: Servers, database: Database, ask: Callable[[Database, TableRead], Any]
) -> None:
    scan = _scan(database, Chunking(width=100))
    with connect(servers.source.config(user="contract_reader"), Secret("reading")) as reader:
        with pytest.raises(RefusedError, match="permission denied") as refused:
            ask(reader, scan)
        assert 'GRANT SELECT ON "contract"."kinds"' in refused.value.remedy


@pytest.fixture
def by_odbc(servers: Servers) -> Iterator[tuple[SQLServer, Any]]:
    """The SQL Server session, whose connection leads to PostgreSQL by psqlODBC: its T-SQL cannot run, the rest can."""
    pyodbc = pytest.importorskip(
        "pyodbc", reason="pyodbc cannot be loaded: unixODBC is not installed", exc_type=ImportError
    )
    if "PostgreSQL Unicode" not in pyodbc.drivers():
        pytest.skip("psqlODBC is not installed (Debian: odbc-postgresql)")
    server = servers.source
    session = SQLServer(server.config(type="sqlserver"), Secret(PASSWORD), 30)
    escaped = PASSWORD.replace("}", "}}")
    place = f"DRIVER={{PostgreSQL Unicode}};SERVER={server.host};PORT={server.port};DATABASE=postgres;ByteaAsLongVarBinary=1;"
    session._connection = pyodbc.connect(f"{place}UID={USER};PWD={{{escaped}}}", autocommit=True)
    reader = pyodbc.connect(f"{place}UID=contract_reader;PWD=reading", autocommit=True)
    yield session, reader
    session._connection.close()
    reader.close()


def test_canonical_bytes_come_through_odbc_as_they_are(database: Database, by_odbc: tuple[SQLServer, Any]) -> None:
    scan = _scan(database, Chunking(width=1000))
    statement = database.checksums.statements(scan)["rows of a chunk"]
    found = [
        tuple(None if part is None else bytes(part) for part in row) for row in by_odbc[0].streamed(TABLE, statement)
    ]
    assert Counter(found) == Counter((row.version, *row.forms) for row in _rows(database, scan, [0]))


def test_a_missing_table_by_odbc_is_our_error(by_odbc: tuple[SQLServer, Any]) -> None:
    with pytest.raises(UnexpectedAnswerError, match="does not exist"):
        by_odbc[0].query("SELECT * FROM contract_missing")


def test_a_denied_table_by_odbc_is_our_error(by_odbc: tuple[SQLServer, Any]) -> None:
    session, reader = by_odbc
    mine, session._connection = session._connection, reader
    try:
        with pytest.raises(RefusedError, match="permission denied"):
            session.query("SELECT * FROM contract.kinds")
    finally:
        session._connection = mine


def test_rows_by_odbc_come_one_by_one_and_a_reading_can_be_given_up(by_odbc: tuple[SQLServer, Any]) -> None:
    rows = by_odbc[0].streamed(TABLE, "SELECT i, 'row ' || i FROM generate_series(1, 12001) AS i")
    assert next(rows) == (1, "row 1")
    assert sum(1 for _ in rows) == 12000
    again = by_odbc[0].streamed(TABLE, "SELECT i FROM generate_series(1, 12001) AS i")
    next(again)
    again.close()  # type: ignore[attr-defined]
    assert by_odbc[0].query("SELECT 1") == [(1,)]


def test_a_real_odbc_error_is_taken_apart(by_odbc: tuple[SQLServer, Any]) -> None:
    import pyodbc

    from cdcproof.databases.sqlserver.errors import of_pyodbc

    with pytest.raises(pyodbc.Error) as raised:
        by_odbc[0]._connection.execute("SELECT 1 FROM contract_missing")
    found = of_pyodbc(raised.value)
    assert len(found.state) == 5
    assert found.text.startswith("ERROR: relation")


@pytest.mark.parametrize("revoked", [False, True])
def test_an_identity_is_that_of_the_database_and_not_of_its_address(servers: Servers, revoked: bool) -> None:
    """Read by an account that may do nothing but log in; with `revoked` not even the control file is open to it."""
    reader = {"user": "contract_reader"}
    source, target = servers.source, servers.target
    source.execute("CREATE DATABASE other")
    target.execute("CREATE ROLE contract_reader LOGIN PASSWORD 'reading'")
    functions = "pg_control_system(), pg_control_checkpoint()"
    if revoked:
        for server in (source, target):
            server.execute(f"REVOKE EXECUTE ON FUNCTION {functions} FROM PUBLIC")
    try:
        found = []
        for config in (
            source.config(**reader),
            source.config(**reader, host="localhost"),
            source.config(**reader, database="other"),
            target.config(**reader),
        ):
            with connect(config, Secret("reading")) as opened:
                found.append(opened.identity())
        source.execute("DROP DATABASE other", "CREATE DATABASE other")
        with connect(source.config(**reader, database="other"), Secret("reading")) as opened:
            made_anew = opened.identity()
    finally:
        source.execute("DROP DATABASE other", f"GRANT EXECUTE ON FUNCTION {functions} TO PUBLIC")
        target.execute("DROP ROLE contract_reader", f"GRANT EXECUTE ON FUNCTION {functions} TO PUBLIC")
    here, by_another_name, other, elsewhere = found
    assert (by_another_name == here) is not revoked
    assert len({here, other, elsewhere, made_anew}) == 4
    assert not made_anew.is_same_database(other)
    assert here.history == "00000001"
    assert [bool(one.unknown) for one in found] == [
        revoked,
        revoked,
        False,
        revoked,
    ]  # a function's rights are a database's own


def test_an_identity_outlives_a_failover_only_as_the_same_database(database: Database) -> None:
    before = database.identity()
    after = replace(before, history="00000002")
    assert before.is_same_database(after)
    assert before != after


@pytest.mark.parametrize(
    ("statement", "is_another"),
    [
        ("UPDATE contract.renewed SET v = 2", False),
        ("VACUUM contract.renewed", False),
        ("TRUNCATE contract.renewed", True),
        ("ALTER TABLE contract.renewed ALTER v TYPE int USING v + 1", True),
        ("ALTER TABLE contract.renewed DROP v; ALTER TABLE contract.renewed ADD v int DEFAULT 5", True),
        ("DROP TABLE contract.renewed; CREATE TABLE contract.renewed (v int)", True),
    ],
)
def test_a_table_is_another_one_when_its_rows_change_without_being_logged(
    servers: Servers, database: Database, statement: str, is_another: bool
) -> None:
    servers.source.execute("CREATE TABLE contract.renewed (v int)", "INSERT INTO contract.renewed VALUES (1)")
    try:
        before = database.catalogue.table_identity(TableName("contract", "renewed"))
        servers.source.execute(*statement.split("; "))
        assert (database.catalogue.table_identity(TableName("contract", "renewed")) != before) is is_another
    finally:
        servers.source.execute("DROP TABLE contract.renewed")
    with pytest.raises(UnexpectedAnswerError, match="has no table"):
        database.catalogue.table_identity(MISSING)
