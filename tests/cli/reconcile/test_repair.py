"""`reconcile explain` and `reconcile repair` on two real servers."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli.main import main
from tests.canned import serving
from tests.postgres_server import PASSWORD, USER, Server, Servers

pytest_plugins = ["tests.postgres_server"]

COLUMNS = (
    "id bigint, part char(4), note text, amount numeric(12, 2), ratio double precision, at timestamp, seen date, "
    "photo bytea, done boolean, token uuid, PRIMARY KEY (id, part)"
)
ROWS = """
    (1, 'a', 'it''s \\ 😀', 1.50, 0.1, '2026-11-23 06:00:00.123456', '9999-12-31', '\\x00ff', true,
     '00112233-4455-6677-8899-aabbccddeeff'),
    (2, 'a', NULL, NULL, 'NaN', 'infinity', NULL, NULL, NULL, NULL),
    (3, 'b ', '', 0, '-0', '0001-01-01', '0001-01-01', '', false, NULL),
    (4, 'c', repeat('long', 5000), 4, 4, NULL, NULL, NULL, NULL, NULL),
    (5, 'd', 'same', 5, 5, NULL, NULL, NULL, NULL, NULL)"""


@pytest.fixture
def servers(postgres_servers: Servers) -> Iterator[Servers]:
    for server in (postgres_servers.source, postgres_servers.target):
        server.execute(
            "CREATE DATABASE repairs",
        )
        server.execute(
            f'CREATE TABLE "or""ders" ({COLUMNS})', f'INSERT INTO "or""ders" VALUES {ROWS}', database="repairs"
        )
    yield postgres_servers
    for server in (postgres_servers.source, postgres_servers.target):
        server.execute("DROP DATABASE repairs WITH (FORCE)")


@pytest.fixture
def pipeline(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    monkeypatch.chdir(tmp_path)
    return _pipeline(servers, tmp_path, "http://127.0.0.1:1")


def _pipeline(servers: Servers, folder: Path, connect_url: str) -> Path:
    def database(server: Server) -> str:
        return (
            f'type = "postgresql"\nhost = "{server.host}"\nport = {server.port}\ndatabase = "repairs"\nuser = "{USER}"\n'
            'password_env = "POSTGRES_PASSWORD"\nschema = "public"\n'
        )

    path = folder / "repairs.toml"
    path.write_text(
        f'name = "repairs"\n[source]\n{database(servers.source)}[target]\n{database(servers.target)}'
        f'[connect]\nurl = "{connect_url}"\n[kafka]\nbootstrap_servers = "127.0.0.1:1"\n'
        '[[services]]\nname = "postgres"\nrole = "target"\nendpoint = "tcp://127.0.0.1:1"\n'
        '[[connectors]]\nname = "source"\nkind = "source"\n[[connectors]]\nname = "sink"\nkind = "sink"\n'
        "[[tables]]\nname = \"orders\"\nsource = 'public.or\"ders'\ntarget = 'public.or\"ders'\n"
        'topic = "shop.orders"\nkey = ["id", "part"]\n'
        f'[paths]\nreconciliation_reports = "{folder / "reports"}"\n'
    )
    return path


def _reconcile(pipeline: Path, *more: str) -> int:
    common = ["--pipeline", str(pipeline), "--env", "live", "--settle-seconds", "0"]
    return main(["reconcile", *more, *common, *(["--validate-checksums"] if not more else [])])


def _differ(servers: Servers) -> None:
    servers.target.execute(
        'UPDATE "or""ders" SET note = \' \', ratio = 0.2, photo = NULL, token = NULL WHERE id = 1',
        'DELETE FROM "or""ders" WHERE id = 2',
        'UPDATE "or""ders" SET ratio = 0 WHERE id = 3',
        "INSERT INTO \"or\"\"ders\" (id, part, note) VALUES (9, 'z', 'ghost')",
        database="repairs",
    )


def test_the_printed_sql_makes_the_target_equal(
    servers: Servers, pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _differ(servers)
    assert _reconcile(pipeline) == 1
    capsys.readouterr()

    assert _reconcile(pipeline, "repair") == 1
    sql = capsys.readouterr().out
    servers.target.execute(sql, database="repairs")

    assert _reconcile(pipeline) == 0


def test_nothing_is_done_without_being_told(servers: Servers, pipeline: Path) -> None:
    _differ(servers)
    assert _reconcile(pipeline) == 1
    assert _reconcile(pipeline, "repair") == 1
    assert _reconcile(pipeline) == 1


def test_what_is_told_is_done_written_down_and_proven(
    servers: Servers, pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _differ(servers)
    assert _reconcile(pipeline) == 1
    assert _reconcile(pipeline, "repair", "--allow-acts") == 0

    assert "orders: 4 rows repaired and proven equal, 0 not" in capsys.readouterr().out
    log = (tmp_path / "reports/acts.log").read_text()
    lines = [line.split(" repair: ")[1] for line in log.splitlines()]
    assert sorted(line.split(" where")[0] for line in lines[::2]) == sorted(
        f'{verb} at the target: public.or"ders' for verb in ("delete", "insert", "update", "update")
    )
    assert lines[1::2] == [f"{line}: done" for line in lines[::2]]
    assert "ghost" not in log  # a value
    assert stat.S_IMODE((tmp_path / "reports/acts.log").stat().st_mode) == 0o600
    assert _reconcile(pipeline) == 0


def test_what_the_repairers_account_may_do_beyond_its_role_is_said(
    servers: Servers, pipeline: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _differ(servers)
    assert _reconcile(pipeline) == 1
    monkeypatch.setenv("REPAIRER_PASSWORD", "repairs")
    grants = 'GRANT SELECT, INSERT, UPDATE, DELETE ON "or""ders" TO repairer'
    servers.target.execute("CREATE ROLE repairer LOGIN CREATEDB PASSWORD 'repairs'", grants, database="repairs")
    words = ("--allow-acts", "--as-user", "repairer", "--as-password-env", "REPAIRER_PASSWORD")
    try:
        assert _reconcile(pipeline, "repair", *words) == 0
        warning = "-- warning: repairer has more than it needs to repair, createdb: "
        [statement] = [line.removeprefix(warning) for line in capsys.readouterr().err.splitlines() if warning in line]
        servers.target.execute(statement)
        assert _reconcile(pipeline, "repair", *words) == 0
        assert warning not in capsys.readouterr().err
    finally:
        servers.target.execute("DROP OWNED BY repairer; DROP ROLE repairer", database="repairs")


@pytest.mark.parametrize("tables", ["orders,custmers", "orders, ", "orders,orders"])
def test_a_table_that_the_report_has_not_is_named(
    servers: Servers, pipeline: Path, capsys: pytest.CaptureFixture[str], tables: str
) -> None:
    _differ(servers)
    _reconcile(pipeline)
    capsys.readouterr()

    assert _reconcile(pipeline, "repair", "--tables", tables) == 2
    assert "--tables" in capsys.readouterr().err


def test_blanks_after_commas_are_no_part_of_a_name(servers: Servers, pipeline: Path) -> None:
    _differ(servers)
    _reconcile(pipeline)

    assert _reconcile(pipeline, "repair", "--tables", " orders ") == 1


def test_a_statement_does_nothing_to_a_row_that_is_not_as_it_was_seen(
    servers: Servers, pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _differ(servers)
    _reconcile(pipeline)
    capsys.readouterr()
    _reconcile(pipeline, "repair")
    sql = capsys.readouterr().out
    servers.target.execute(
        'UPDATE "or""ders" SET note = \'somebody else was here\' WHERE id IN (1, 3, 9)',
        "INSERT INTO \"or\"\"ders\" (id, part, note) VALUES (2, 'a', 'somebody else was here')",
        database="repairs",
    )
    servers.target.execute(sql, database="repairs")
    with servers.target.connect("repairs") as connection:
        notes = connection.execute('SELECT note FROM "or""ders" WHERE id IN (1, 2, 3, 9)').fetchall()

    assert notes == [("somebody else was here",)] * 4


def test_a_value_too_long_to_be_read_is_left_to_debezium(
    servers: Servers, pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    servers.target.execute('DELETE FROM "or""ders" WHERE id = 4', database="repairs")
    _reconcile(pipeline)
    capsys.readouterr()

    assert _reconcile(pipeline, "repair", "--allow-acts") == 1
    told = capsys.readouterr().out
    assert '-- not repaired: public.or"ders: a value of note is too long to be written here: 20,000 bytes' in told
    assert "--signal" in told
    assert "INSERT" not in told


def test_a_signal_asks_for_just_these_rows(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    config = {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "signal.data.collection": "public.signals",
    }
    with serving(_connect(config)) as connect:
        pipeline = _pipeline(servers, tmp_path, connect.url)
        _differ(servers)
        _reconcile(pipeline)
        capsys.readouterr()
        assert _reconcile(pipeline, "repair", "--signal") == 1
    told = capsys.readouterr().out
    servers.source.execute(
        "CREATE TABLE signals (id text, type text, data jsonb)",
        "\n".join(line for line in told.splitlines() if not line.startswith("--")),
        database="repairs",
    )
    with servers.source.connect("repairs") as connection:
        [(kind, data)] = connection.execute("SELECT type, data FROM signals").fetchall()
        condition = data["additional-conditions"][0]["filter"]
        ids = connection.execute(f'SELECT id FROM "or""ders" WHERE {condition} ORDER BY 1').fetchall()  # type: ignore[arg-type]

    assert kind == "execute-snapshot"
    assert data["data-collections"] == ['public.or"ders']
    assert ids == [(1,), (2,), (3,)]
    assert "1 rows are only at the target" in told


def test_without_signals_the_way_to_them_is_told(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    with serving(_connect({"connector.class": "x"})) as connect:
        pipeline = _pipeline(servers, tmp_path, connect.url)
        _differ(servers)
        _reconcile(pipeline)

        assert _reconcile(pipeline, "repair", "--signal") == 2
    assert "signal.data.collection" in capsys.readouterr().err


def test_a_report_without_keys_is_refused(servers: Servers, pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _reconcile(pipeline, "repair") == 3
    assert "There is no report in" in capsys.readouterr().err
    assert _reconcile(pipeline) == 0
    assert _reconcile(pipeline, "repair") == 2
    assert "names no differing keys" in capsys.readouterr().err


def test_a_later_count_does_not_hide_the_keys_and_another_pipelines_report_is_refused(
    servers: Servers, pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _differ(servers)
    assert _reconcile(pipeline) == 1
    [compared] = (pipeline.parent / "reports").glob("*.json")
    arguments = ["reconcile", "--pipeline", str(pipeline), "--env", "live", "--settle-seconds", "0"]
    main(arguments)
    assert _reconcile(pipeline, "repair") == 1
    assert f"-- differences of {compared}," in capsys.readouterr().err

    other = compared.with_name("reconciliation_report_20990101_000000.json")
    other.write_text(compared.read_text().replace("postgresql://", "postgresql://staging-"))
    assert _reconcile(pipeline, "repair", str(other)) == 2
    assert f"{other} is of another source" in capsys.readouterr().err


def test_explain_shows_the_plan_and_sql_that_the_servers_take(
    servers: Servers, pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reconcile", "explain", "orders", "--pipeline", str(pipeline), "--env", "live"]) == 0
    told = capsys.readouterr().out

    assert "key: id, part" in told
    assert "strategy: push-down, both servers hash their rows faster than they send them" in told
    assert "note" in told
    assert "text, long values by SHA-256, lossless" in told
    statements = [part.split("\n", 1) for part in told.split("\n-- source, ")[1:]]
    with_parameters = ["rows by key"]
    assert sorted(name for name, _ in statements) == sorted(
        [*with_parameters, "push-down", "narrowing", "rows of a chunk", "stream"]
    )
    for name, sql in statements:
        if name not in with_parameters:
            servers.source.execute(sql.split("\n-- target")[0], database="repairs")


def _connect(config: dict[str, str]) -> dict[str, Any]:
    name = {"name": "source", "config": config, "type": "source"}
    state = {"state": "RUNNING", "worker_id": "w:8083"}
    status = {"name": "source", "connector": state, "tasks": [{"id": 0, **state}], "type": "source"}
    return {
        "GET /connectors?expand=status&expand=info": (
            200,
            {"source": {"info": {**name, "tasks": []}, "status": status}},
        )
    }
