"""A real SQL Server, beside PostgreSQL: runs wherever its image can be had, and says by name that it was not run elsewhere."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdcproof.core.secrets import Secret
from cdcproof.core.waiting import wait_until
from cdcproof.databases.connections import connect
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.databases.names import TableName
from cdcproof.databases.sqlserver.database import SQLServer
from cdcproof.databases.sqlserver.log import lsn
from cdcproof.databases.sqlserver.queries import catalogue, column_sql
from cdcproof.databases.table_read import WHOLE, Chunking, ColumnRead, TableRead
from cdcproof.databases.values import canonical
from cdcproof.databases.values.types import Form, Kind
from cdcproof.pipeline import model as pipeline
from cdcproof.reconcile.checksums.sums import PushDown
from cdcproof.reconcile.plan.calibration import Calibration
from cdcproof.reconcile.plan.edge_values import Literal, literals
from tests.databases.sqlserver.columns import IN_POSTGRESQL, NAMES, SORTS, added, scans
from tests.postgres_server import PASSWORD as POSTGRES_PASSWORD
from tests.postgres_server import Server, Servers

pytest_plugins = ["tests.postgres_server"]
pytestmark = [pytest.mark.docker, pytest.mark.slow]
pytest.importorskip("pyodbc", reason="pyodbc cannot be loaded: unixODBC is not installed", exc_type=ImportError)

COMPOSE_FILE = Path(__file__).parents[3] / "docker-compose.yml"
IMAGE = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))["services"]["sqlserver"]["image"]
SOURCE, TARGET = TableName("dbo", "kinds"), TableName("real_server", "kinds")
CODE_PAGE = ("char", "varchar", "text")
START_SECONDS = 120


@pytest.fixture(scope="module")
def config() -> Iterator[tuple[pipeline.Database, Secret]]:
    """A SQL Server in a container, with a database of its own; or a skip that names what was not run."""
    import docker.errors
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    password = Secret(f"Aa1!{secrets.token_hex(8)}")
    testcontainers_config.ryuk_disabled = True
    try:
        container = DockerContainer(IMAGE).with_exposed_ports(1433)
        for name, value in {
            "ACCEPT_EULA": "Y",
            "MSSQL_SA_PASSWORD": password.reveal(),
            "MSSQL_AGENT_ENABLED": "true",
        }.items():
            container = container.with_env(name, value)
        container.start()
    except docker.errors.DockerException as error:
        pytest.skip(f"NOT RUN against SQL Server: {IMAGE} cannot be started: {str(error).splitlines()[0]}")
    try:
        made = pipeline.Database.model_validate(
            {
                "type": "sqlserver", "host": "127.0.0.1", "port": int(container.get_exposed_port(1433)), "database": "master",
                "user": "sa", "password_env": "SQLSERVER_PASSWORD", "schema": "dbo", "trust_server_certificate": True,
            }
        )  # fmt: skip
        wait_until(lambda: _version(made, password), bool, what="SQL Server to start", deadline_seconds=START_SECONDS)
        _execute(
            made, password, "CREATE DATABASE warehouse", "ALTER DATABASE warehouse SET ALLOW_SNAPSHOT_ISOLATION ON"
        )
        yield made.model_copy(update={"database": "warehouse"}), password
    finally:
        container.stop()


def _version(config: pipeline.Database, password: Secret) -> str:
    with SQLServer(config, password, 10) as session:
        return session.version()


def _execute(config: pipeline.Database, password: Secret, *statements: str) -> None:
    with SQLServer(config, password, 60) as session:
        for statement in statements:
            session.driver.execute(statement)


def _account(name: str, password: Secret) -> tuple[str, str]:
    """What makes an account that may do nothing yet."""
    return f"CREATE LOGIN {name} WITH PASSWORD = '{password.reveal()}'", f"CREATE USER {name} FOR LOGIN {name}"


def _values(name: str) -> list[Literal]:
    """The known values of a type, but what its code page cannot hold."""
    found = literals("sqlserver", SORTS[name].told)
    return [one for one in found if name not in CODE_PAGE or one.text is None or _fits(one.text)]


def _fits(text: str) -> bool:
    try:
        return bool(text.encode("cp1252")) or not text
    except UnicodeEncodeError:
        return False


def _rows() -> list[list[Literal]]:
    values = {name: _values(name) for name in NAMES}
    return [[values[name][i % len(values[name])] for name in NAMES] for i in range(max(map(len, values.values())))]


def _in_tsql(name: str, value: Literal) -> str:
    told = SORTS[name].told
    constant = "NULL" if value.text is None else catalogue.constant(value.text)
    return f"CONVERT({column_sql.declared(told.column)}, {constant}{', 2' if told.form.kind == 'binary' else ''})"


def _in_postgresql(name: str, value: Literal) -> str | None:
    """What replication makes of it: with SQL Server's padding."""
    told = SORTS[name].told
    if value.text is None or value.part is None:
        return None
    if told.form.kind == "text":
        return value.text.ljust(told.column.length or 0) if name in ("char", "nchar") else value.text
    if told.form.kind == "binary":
        return f"\\x{value.text.ljust(2 * (told.column.length or 0), '0') if name == 'binary' else value.text}"
    return canonical.as_text(told.form, value.part)


@pytest.fixture(scope="module")
def source(config: tuple[pipeline.Database, Secret]) -> Iterator[SQLServer]:
    columns = ", ".join(
        f"{catalogue.quoted(name)} {column_sql.declared(SORTS[name].told.column)} NULL" for name in NAMES
    )
    columns = columns.replace("[text] varchar(max)", "[text] text").replace("[ntext] nvarchar(max)", "[ntext] ntext")
    columns = columns.replace("[image] varbinary(max)", "[image] image")
    inserts = [
        f"INSERT INTO dbo.kinds VALUES ({i}, {', '.join(_in_tsql(name, value) for name, value in zip(NAMES, row, strict=True))})"
        for i, row in enumerate(_rows())
    ]
    _execute(*config, f"CREATE TABLE dbo.kinds (id bigint PRIMARY KEY, {columns})", *inserts)
    with SQLServer(*config, 60) as session:
        yield session


@pytest.fixture(scope="module")
def server(postgres_servers: Servers) -> Server:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in IN_POSTGRESQL.items())
    postgres_servers.target.execute(
        "CREATE SCHEMA real_server", f"CREATE TABLE {TARGET} (id bigint PRIMARY KEY, {columns})"
    )
    rows: list[tuple[Any, ...]] = [
        (i, *(_in_postgresql(name, value) for name, value in zip(NAMES, row, strict=True)))
        for i, row in enumerate(_rows())
    ]
    postgres_servers.target.insert(str(TARGET), rows)
    return postgres_servers.target


@pytest.fixture(scope="module")
def target(server: Server) -> Iterator[Database]:
    with connect(server.config(), Secret(POSTGRES_PASSWORD)) as session:
        yield session


def test_every_type_is_calibrated(source: SQLServer, target: Database) -> None:
    ours, _ = scans(target, SOURCE, TARGET, Chunking(width=1))
    calibration = Calibration("sqlserver")
    calibration.look(source, ours.columns)
    assert {told.column.name: calibration.reason(told) for told in ours.columns} == dict.fromkeys(["id", *NAMES], "")
    assert all(calibration.can_hash(told) for told in ours.columns)
    with Columnar() as columnar, columnar.side(source) as side:
        for told in ours.columns:
            known = literals("sqlserver", told)
            streamed = side.literal_hashes([told], [[one.text for one in known]])
            assert streamed == columnar.reference_hashes([told], [[one.part for one in known]]), told.column.name


def test_the_catalogue_tells_what_was_declared(source: SQLServer) -> None:
    found = {column.name: (column.type, column.length, column.nullable) for column in source.catalogue.columns(SOURCE)}
    declared = {name: SORTS[name].told.column for name in NAMES if name != "sysname"}
    assert found == {
        "id": ("bigint", None, False),
        "sysname": ("nvarchar", 128, True),
        **{name: (column.type, column.length, True) for name, column in declared.items()},
    }
    assert source.catalogue.primary_key(SOURCE) == ("id",)
    assert source.catalogue.estimated_rows(SOURCE) == source.catalogue.count_rows(SOURCE) == len(_rows())
    key = TableRead(
        SOURCE, (ColumnRead(source.catalogue.columns(SOURCE)[0], Form(Kind.INTEGER)),), 1, Chunking(width=1)
    )
    parts = source.checksums.segments(key, 5)
    assert len(parts) > 1
    assert added(one for part in parts for one in source.checksums.chunk_sums(key, part)) == added(
        source.checksums.chunk_sums(key, WHOLE)
    )


@pytest.mark.parametrize("chunking", [Chunking(width=1), Chunking(columns=1, buckets=8)])
def test_both_strategies_find_what_was_planted_and_nothing_else(
    source: SQLServer, server: Server, target: Database, chunking: Chunking
) -> None:
    ours, theirs = scans(target, SOURCE, TARGET, chunking)
    with Columnar() as columnar, columnar.side(source) as streamed, columnar.side(target) as other:
        for source_side, target_side in ((PushDown(source), PushDown(target)), (streamed, other)):
            with source_side.snapshot():
                expected = added(source_side.chunk_sums(ours, WHOLE))
            assert added(target_side.chunk_sums(theirs, WHOLE)) == expected
        with (
            source.rows.chunk_rows(ours, list(expected)) as found,
            target.rows.chunk_rows(theirs, list(expected)) as others,
        ):
            assert {row.forms for row in found} == {row.forms for row in others}
        last = len(_rows()) - 1
        keys = [canonical.encode(Form(Kind.INTEGER), i) for i in (0, 1, last, 1000)]
        with planted(server, last):
            for source_side, target_side in ((PushDown(source), PushDown(target)), (streamed, other)):
                there, here = added(target_side.chunk_sums(theirs, WHOLE)), added(source_side.chunk_sums(ours, WHOLE))
                differing = {chunk for chunk in here | there if here.get(chunk) != there.get(chunk)}
                assert differing == {canonical.chunk_of(chunking, ours.forms, (key,)) for key in keys}
        found_by_key = source.rows.rows_by_key(ours, [(key,) for key in keys])
        assert {row.forms[0] for row in found_by_key} == set(keys[:3])


@contextmanager
def planted(server: Server, last: int) -> Iterator[None]:
    """One row changed, one lost, and one that has another key at the target."""
    server.execute(
        f"CREATE TABLE {TARGET}_kept AS SELECT * FROM {TARGET} WHERE id IN (0, 1, {last})",
        f"UPDATE {TARGET} SET nvarchar = coalesce(nvarchar, '') || ' ' WHERE id = 0",
        f"DELETE FROM {TARGET} WHERE id = 1",
        f"UPDATE {TARGET} SET id = 1000 WHERE id = {last}",
    )
    try:
        yield
    finally:
        server.execute(
            f"DELETE FROM {TARGET} WHERE id IN (0, 1000)",
            f"INSERT INTO {TARGET} SELECT * FROM {TARGET}_kept",
            f"DROP TABLE {TARGET}_kept",
        )


def test_the_position_is_passed_when_the_change_is_captured_and_read(
    config: tuple[pipeline.Database, Secret], source: SQLServer
) -> None:
    table = TableName("dbo", "watched")
    _execute(
        *config,
        "CREATE TABLE dbo.watched (id int PRIMARY KEY)",
        "EXEC sys.sp_cdc_enable_db",
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'watched', @role_name = NULL",
        "INSERT INTO dbo.watched VALUES (1)",
    )
    position = source.log.position()
    nothing_read = {"commit_lsn": lsn.text(1), "change_lsn": lsn.text(1), "event_serial_no": 1}
    captured = wait_until(
        lambda: source.query("SELECT MAX(__$start_lsn), MAX(__$seqval) FROM cdc.dbo_watched_CT")[0],
        lambda found: found[0] is not None,
        what="the capture job",
        deadline_seconds=START_SECONDS,
    )
    commit, change = (lsn.text(lsn.of_binary(bytes(part))) for part in captured)
    all_read = {"commit_lsn": commit, "change_lsn": change, "event_serial_no": 1}
    assert not source.log.read_by(position, nothing_read, [table])
    wait_until(
        lambda: source.log.read_by(position, all_read, [table]),
        bool,
        what="the log scan",
        deadline_seconds=START_SECONDS,
    )
    assert source.log.captured_tables() == {table}


def test_what_is_masked_or_filtered_for_an_account_is_named(
    config: tuple[pipeline.Database, Secret], source: SQLServer
) -> None:
    table = TableName("dbo", "guarded")
    _execute(
        *config,
        "CREATE TABLE dbo.guarded (id int PRIMARY KEY, mail nvarchar(50) MASKED WITH (FUNCTION = 'email()'))",
        "CREATE FUNCTION dbo.of_dbo() RETURNS TABLE WITH SCHEMABINDING AS RETURN SELECT 1 AS seen WHERE USER_NAME() = N'dbo'",
        "CREATE SECURITY POLICY dbo.only_dbo ADD FILTER PREDICATE dbo.of_dbo() ON dbo.guarded WITH (STATE = ON)",
        *_account("guarded", config[1]),
        "GRANT SELECT ON dbo.guarded TO guarded",
        "GRANT VIEW DEFINITION TO guarded",
    )
    assert [column.withheld for column in source.catalogue.columns(table)] == ["", ""]
    with SQLServer(config[0].model_copy(update={"user": "guarded"}), config[1], 30) as session:
        assert [bool(column.withheld) for column in session.catalogue.columns(table)] == [False, True]
        assert session.catalogue.row_policies(table) == ("dbo.only_dbo",)
        assert session.permissions.missing([table])["masked columns"] == "GRANT UNMASK TO [guarded];"
        _execute(*config, "GRANT UNMASK TO guarded")
        assert not any(column.withheld for column in session.catalogue.columns(table))


def test_an_account_without_permission_is_told_the_grant(
    config: tuple[pipeline.Database, Secret], source: SQLServer
) -> None:
    database, password = config
    _execute(database, password, *_account("blind", password))
    with SQLServer(database.model_copy(update={"user": "blind"}), password, 30) as session:
        missing = session.permissions.missing([SOURCE])
        assert missing[str(SOURCE)] == "GRANT SELECT ON [dbo].[kinds] TO [blind];"
        assert any("VIEW SERVER STATE" in grant for grant in missing.values())
