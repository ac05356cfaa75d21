"""`reconcile repair` writes whole rows as their sink writes them, or none, on two real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cdcproof.cli.main import main
from cdcproof.core.secrets import Secret
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.postgresql.sessions.repair import PostgreSQLRepairer, Repair
from cdcproof.databases.table_read import Chunking, ColumnRead, Row, TableRead
from cdcproof.databases.values.reading import How, Reading
from cdcproof.databases.values.types import Form, Kind
from tests.postgres_server import PASSWORD, USER, Server, Servers

pytest_plugins = ["tests.postgres_server"]

Fill = Callable[[str, str], None]


@pytest.fixture
def fill(postgres_servers: Servers) -> Iterator[Fill]:
    """Run statements at the source, and others at the target."""
    both = (postgres_servers.source, postgres_servers.target)
    for server in both:
        server.execute("CREATE DATABASE whole")

    def filled(source: str, target: str) -> None:
        for server, statements in zip(both, (source, target), strict=True):
            server.execute(statements, database="whole")

    yield filled
    for server in both:
        server.execute("DROP DATABASE whole WITH (FORCE)")


class Whole(NamedTuple):
    """Both servers, and the pipeline file that names them."""

    servers: Servers
    pipeline: Path


@pytest.fixture
def whole(postgres_servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Whole:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "whole.toml"
    path.write_text(
        f'name = "whole"\n[source]\n{_database(postgres_servers.source)}[target]\n{_database(postgres_servers.target)}'
        '[connect]\nurl = "http://127.0.0.1:1"\n[kafka]\nbootstrap_servers = "127.0.0.1:1"\n'
        '[[services]]\nname = "postgres"\nrole = "target"\nendpoint = "tcp://127.0.0.1:1"\n'
        '[[connectors]]\nname = "source"\nkind = "source"\n[[connectors]]\nname = "sink"\nkind = "sink"\n'
        f'[paths]\nreconciliation_reports = "{tmp_path / "reports"}"\n'
        '[[tables]]\nname = "t"\nsource = "public.t"\ntarget = "public.t"\ntopic = "t"\nkey = ["id"]\n'
    )
    return Whole(postgres_servers, path)


def _database(server: Server) -> str:
    return (
        f'type = "postgresql"\nhost = "{server.host}"\nport = {server.port}\ndatabase = "whole"\nuser = "{USER}"\n'
        'password_env = "POSTGRES_PASSWORD"\nschema = "public"\n'
    )


def _repair(pipeline: Path) -> int:
    common = ["--pipeline", str(pipeline), "--env", "live", "--settle-seconds", "0"]
    assert main(["reconcile", "--validate-checksums", *common]) == 1
    return main(["reconcile", "repair", "--allow-acts", *common])


def _rows(servers: Servers, what: str) -> list[tuple[Any, ...]]:
    with servers.target.connect("whole") as connection:
        return connection.execute(f"SELECT {what} FROM t ORDER BY id").fetchall()  # type: ignore[arg-type]


SOURCE = (
    "CREATE TABLE t (id int PRIMARY KEY, name text, created_at timestamp, doc point);"
    "INSERT INTO t SELECT g, 'n' || g, timestamp '2024-01-01' + g * interval '1 s', '(1,2)' FROM generate_series(1, 4) g"
)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("doc point", "'(1,2)'"),
        ("doc point DEFAULT '(0,0)'", "'(1,2)'"),
        ("__deleted text", "'false'"),
        ("is_deleted boolean NOT NULL DEFAULT false", "false"),
        ("loaded_by text NOT NULL", "'sink'"),
        ("__source_ts_ms bigint", "1"),
    ],
)
def test_no_row_is_inserted_that_would_lack_what_its_sink_writes(
    fill: Fill, whole: Whole, capsys: pytest.CaptureFixture[str], column: str, value: str
) -> None:
    fill(
        SOURCE,
        f"CREATE TABLE t (id int PRIMARY KEY, name text, created_at bigint, {column});"
        f"INSERT INTO t SELECT g, 'n' || g, 1704067200000000 + g * 1000000, {value} FROM generate_series(1, 3) g",
    )
    assert _repair(whole.pipeline) == 1
    printed = capsys.readouterr().out
    assert (
        f"-- not repaired: public.t: row 4 is not inserted: it would lack {column.partition(' ')[0]}, which was not compared."
        in printed
    )
    assert "--signal" in printed
    assert "0 rows repaired" in printed
    assert len(_rows(whole.servers, "id")) == 3


def test_a_row_that_the_target_marks_as_deleted_is_not_taken_away(
    fill: Fill, whole: Whole, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(
        "CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'a')",
        "CREATE TABLE t (id int PRIMARY KEY, name text, __deleted text);"
        "INSERT INTO t VALUES (1, 'a', 'false'), (2, 'b', 'true')",
    )
    assert _repair(whole.pipeline) == 1
    assert "row 2 is not deleted: __deleted says there which rows are deleted" in capsys.readouterr().out
    assert _rows(whole.servers, "id, __deleted") == [(1, "false"), (2, "true")]


def test_a_changed_row_is_repaired_and_proven_in_what_was_compared_alone(
    fill: Fill, whole: Whole, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(
        SOURCE,
        "CREATE TABLE t (id int PRIMARY KEY, name text, created_at bigint, doc point, __deleted text);"
        "INSERT INTO t SELECT g, 'x', 1704067200000000 + g * 1000000, '(9,9)', 'false' FROM generate_series(1, 4) g",
    )
    assert _repair(whole.pipeline) == 0
    assert "t: 4 rows repaired and proven equal in 3 columns, doc not compared, 0 not" in capsys.readouterr().out
    assert _rows(whole.servers, "name, doc::text, __deleted") == [(f"n{i}", "(9,9)", "false") for i in (1, 2, 3, 4)]


def test_a_key_that_is_always_generated_is_overridden(
    fill: Fill, whole: Whole, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(
        "CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'a'), (2, 'b')",
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)",
    )
    assert _repair(whole.pipeline) == 0
    assert "2 rows repaired and proven equal, 0 not" in capsys.readouterr().out
    assert _rows(whole.servers, "id, name") == [(1, "a"), (2, "b")]


def test_a_row_that_a_trigger_changes_is_not_called_repaired_and_the_reason_is_named(
    fill: Fill, whole: Whole, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(
        "CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'a')",
        "CREATE TABLE t (id int PRIMARY KEY, name text)",
    )
    whole.servers.target.execute(
        "CREATE FUNCTION louder() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$",
        "CREATE TRIGGER louder BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION louder()",
        database="whole",
    )
    assert _repair(whole.pipeline) == 1
    said = capsys.readouterr().out
    assert "0 rows repaired and proven equal, 1 not" in said
    assert "1 of the rows that were written still differ" in said
    assert "Look for a trigger or a rule of public.t" in said


def test_a_row_that_fails_does_not_keep_the_others_from_being_repaired(
    fill: Fill, whole: Whole, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(
        "CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t SELECT g, 'n' || g FROM generate_series(1, 5) g",
        "CREATE TABLE t (id int PRIMARY KEY, name text CHECK (name <> 'n2'))",
    )
    assert _repair(whole.pipeline) == 1
    printed = capsys.readouterr().out
    assert "4 rows repaired and proven equal, 1 not" in printed
    assert "-- not repaired: PostgreSQL database whole" in printed
    assert _rows(whole.servers, "id") == [(1,), (3,), (4,), (5,)]


CARRIED = {
    "g": ("uuid", "md5(i::text)::uuid", "text", "md5(i::text)::uuid::text"),
    "ts": ("timestamp", "timestamp '2024-01-01' + i * interval '1.5 s'", "bigint", "(1704067200000000 + i * 1500000)::bigint"),
    "d": ("date", "date '2024-01-01' + i", "int", "19723 + i"),
    "tm": ("time(3)", "time '10:00' + i * interval '1 s'", "int", "36000000 + i * 1000"),
    "n": ("numeric(10,2)", "i * 1.01", "double precision", "i * 1.01"),
    "n2": ("numeric(10,2)", "i * -1.01", "text", "(i * -1.01)::numeric(10,2)::text"),
    "n3": ("numeric(10,2)", "i * -1.28", "bytea", "CASE i WHEN 1 THEN '\\x80'::bytea WHEN 2 THEN '\\xff00' ELSE '\\xfe80' END"),
    "b": ("boolean", "i % 2 = 0", "smallint", "(i % 2 = 0)::int"),
    "z": ("timestamptz", "timestamptz '2024-01-01 00:00Z' + i * interval '1.25 h'", "text",
          """to_char(timestamp '2024-01-01 00:00' + i * interval '1.25 h', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""),
    "z2": ("timestamptz", "timestamptz '2024-01-01 00:00Z' + i * interval '1 h'", "timestamp", "timestamp '2024-01-01 00:00' + i * interval '1 h'"),
    "z3": ("timestamp", "timestamp '2024-01-01 00:00' + i * interval '1 h'", "timestamptz", "timestamptz '2024-01-01 00:00Z' + i * interval '1 h'"),
    "y": ("bytea", "decode(lpad(to_hex(i), 8, '0'), 'hex')", "text", "encode(decode(lpad(to_hex(i), 8, '0'), 'hex'), 'base64')"),
    "y2": ("bytea", "decode(lpad(to_hex(i), 8, '0'), 'hex')", "text", "lpad(to_hex(i), 8, '0')"),
    "j": ("jsonb", "jsonb_build_object('a', i)", "json", "jsonb_build_object('a', i)::json"),
    "m": ("money", "(i * 1.25)::numeric::money", "money", "(i * 1.25)::numeric::money"),
    "c": ("char(5)", "'c' || i", "text", "'c' || i"),
}  # fmt: skip


def test_values_are_written_as_the_sink_writes_them(
    fill: Fill, whole: Whole, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row 2 is missing, row 3 has other values: both are as the sink would have written them, byte for byte."""

    def table(kind: int, value: int, *, rows: str) -> str:
        columns = ", ".join(f"{name} {one[kind]}" for name, one in CARRIED.items())
        values = ", ".join(one[value] for one in CARRIED.values())
        return f"CREATE TABLE t (id int PRIMARY KEY, {columns}); INSERT INTO t SELECT i, {values} FROM unnest(ARRAY[{rows}]) i"

    fill(table(0, 1, rows="1, 2, 3"), table(2, 3, rows="1, 2, 3"))
    wanted = _rows(whole.servers, ", ".join(f"{name}::text" for name in CARRIED))
    others = ", ".join(f"{name} = (SELECT {name} FROM t WHERE id = 1)" for name in CARRIED)
    whole.servers.target.execute("DELETE FROM t WHERE id = 2", f"UPDATE t SET {others} WHERE id = 3", database="whole")

    assert _repair(whole.pipeline) == 0
    assert "2 rows repaired and proven equal, 0 not" in capsys.readouterr().out
    assert _rows(whole.servers, ", ".join(f"{name}::text" for name in CARRIED)) == [
        tuple(str(value).replace("\n", "") for value in row) for row in wanted
    ]


UUIDS = "CREATE TABLE t (id {}, name text); INSERT INTO t SELECT {}, 'n' || g FROM generate_series(1, 4) g"


@pytest.mark.parametrize("name", ["'n2'", "'x'"])
def test_of_two_rows_of_one_key_none_is_repaired(
    fill: Fill, whole: Whole, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    spelled = f"INSERT INTO t SELECT initcap(id), {name} FROM t WHERE name = 'n2'"
    fill(
        UUIDS.format("uuid PRIMARY KEY", "md5(g::text)::uuid"),
        f"{UUIDS.format('text PRIMARY KEY', 'md5(g::text)::uuid::text')}; {spelled}",
    )
    before = _rows(whole.servers, "id, name")
    assert _repair(whole.pipeline) == 1
    printed = capsys.readouterr().out
    assert (
        "-- t: 1 by hand: a key stands for 1 rows at the source and 2 at the target: id is not unique there" in printed
    )
    assert _rows(whole.servers, "id, name") == before


def test_a_statement_that_meets_a_second_row_of_its_key_is_taken_back(fill: Fill, whole: Whole) -> None:
    """The second row came after the look: both are as the first was seen."""
    fill("CREATE TABLE t (id uuid)", "CREATE TABLE t (id text); INSERT INTO t VALUES ('AB'), ('ab')")
    spelled = Column("id", "text", nullable=True, computed=False, reading=Reading(How.UUID_WORD))
    scan = TableRead(TableName("public", "t"), (ColumnRead(spelled, Form(Kind.TEXT)),), 1, Chunking())
    repair = Repair((b"ab",), None, Row(b"", (b"ab",)))
    target = whole.servers.target.config(database="whole")
    with PostgreSQLRepairer(target, Secret(PASSWORD), 30.0) as repairer:
        assert not repairer.apply(scan, repair)
    assert _rows(whole.servers, "id") == [("AB",), ("ab",)]
