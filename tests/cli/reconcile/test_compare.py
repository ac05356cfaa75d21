"""`reconcile` end to end, as cron and an operator call it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli.main import main
from cdcproof.core.errors import DeadlineError
from cdcproof.core.waiting import wait_until
from cdcproof.reconcile.report.result import read
from tests.postgres_server import PASSWORD, USER, Server, Servers
from tests.reconcile.schema import validate

pytest_plugins = ["tests.postgres_server"]

ROOT = Path(__file__).resolve().parents[3]
CELL = "a value nobody may see"


@pytest.fixture(scope="module")
def servers(postgres_servers: Servers) -> Iterator[Servers]:
    for server in (postgres_servers.source, postgres_servers.target):
        server.execute(
            "CREATE DATABASE shop",
            "DROP ROLE IF EXISTS stranger",
            "CREATE ROLE stranger LOGIN PASSWORD 'strange password'",
        )
        server.execute(
            "CREATE TABLE customers (customer_id int PRIMARY KEY, name text)",
            "CREATE TABLE orders (order_id int PRIMARY KEY, total numeric(12, 2))",
            "INSERT INTO customers SELECT i, 'name ' || i FROM generate_series(1, 1200) AS i",
            "INSERT INTO orders SELECT i, i FROM generate_series(1, 50) AS i",
            database="shop",
        )
    yield postgres_servers
    for server in (postgres_servers.source, postgres_servers.target):
        server.execute("DROP DATABASE shop WITH (FORCE)", "DROP ROLE stranger")


def _flags(servers: Servers, **changes: Any) -> list[str]:
    values: dict[str, Any] = {}
    for side, server in (("source", servers.source), ("target", servers.target)):
        values |= {
            f"{side}-type": "postgresql",
            f"{side}-host": server.host,
            f"{side}-port": server.port,
            f"{side}-database": "shop",
            f"{side}-user": USER,
        }
    values |= {"tables": "customers,orders", "settle-seconds": "0"}
    values |= {name.replace("_", "-"): value for name, value in changes.items()}
    return [word for name, value in values.items() if value is not None for word in (f"--{name}", str(value))]


def _written(folder: Path) -> str:
    """All that was left in files."""
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def _run(
    servers: Servers, tmp_path: Path, *more: str, password: str | None = PASSWORD, **changes: Any
) -> subprocess.CompletedProcess[str]:
    """Run the runbook's command from the project's folder; nothing it prints or writes may hold the password."""
    environment = {k: v for k, v in os.environ.items() if k not in ("POSTGRES_PASSWORD", "CDCPROOF_PIPELINE")}
    if password is not None:
        environment["POSTGRES_PASSWORD"] = password
    done = subprocess.run(
        [sys.executable, "-m", "src.cli.reconcile", *_flags(servers, **changes), "--output-dir", str(tmp_path), *more],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    reports = [path.read_text() for path in tmp_path.glob("*.json")]
    for report in reports:
        validate(json.loads(report))
    written = _written(tmp_path)
    for secret in (PASSWORD, "strange password", "not the password"):
        assert secret not in done.stdout + done.stderr + written
    assert "Traceback" not in done.stderr
    return done


def test_equal_tables_match_and_the_last_line_is_the_reports_path(servers: Servers, tmp_path: Path) -> None:
    done = _run(servers, tmp_path, "--validate-checksums")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sorted(lines[:2])[0].startswith("MATCH     customers        1,200 rows, contents equal")
    assert lines[2] == "0 MISMATCH, 0 ERROR, 2 MATCH"
    assert all(len(line) <= 80 for line in lines[:-2])  # paths are as long as they are
    assert done.stderr == ""
    report = read(Path(lines[-1]))
    assert list(report.summary.items()) == [("customers", "MATCH"), ("orders", "MATCH")]
    assert report.complete
    assert report.source == f"postgresql://127.0.0.1:{servers.source.port}/shop"


@pytest.mark.parametrize("strategy", ["stream", "push-down"])
def test_the_way_that_contents_are_read_can_be_pinned(servers: Servers, tmp_path: Path, strategy: str) -> None:
    done = _run(servers, tmp_path, "--validate-checksums", "--strategy", strategy, "--fresh")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report = read(Path(done.stdout.splitlines()[-1]))
    assert [(table.strategy, table.reason) for table in report.tables] == [(strategy, "asked for")] * 2


def test_a_difference_is_told_by_key_and_column_but_not_by_value(servers: Servers, tmp_path: Path) -> None:
    servers.target.execute(
        f"UPDATE customers SET name = '{CELL}' WHERE customer_id = 7",
        "DELETE FROM customers WHERE customer_id = 8",
        database="shop",
    )
    try:
        done = _run(servers, tmp_path, "--validate-checksums")
        counted = _run(servers, tmp_path)
    finally:
        servers.target.execute("DELETE FROM customers WHERE customer_id = 7", database="shop")
        servers.target.insert("customers", [(7, "name 7"), (8, "name 8")], database="shop")
    assert done.returncode == 1
    assert "MISMATCH  customers        1,200 rows: 1 missing, 1 changed" in done.stdout
    assert "changed 7 (name)" in done.stdout
    assert "missing 8" in done.stdout
    assert "MATCH     orders" in done.stdout
    assert CELL not in done.stdout + _written(tmp_path)
    assert counted.returncode == 1
    assert "1,200 rows, 1,199 at the target" in counted.stdout


@pytest.mark.parametrize(
    ("changes", "password", "words"),
    [
        pytest.param({}, "not the password", "password authentication failed", id="wrong password"),
        pytest.param({"target_port": 1}, PASSWORD, "127.0.0.1:1 does not answer", id="unreachable"),
        pytest.param({"source_host": "no.such.host.invalid"}, PASSWORD, "does not answer", id="unknown host"),
        pytest.param({"target_database": "nowhere"}, PASSWORD, '"nowhere" does not exist', id="unknown database"),
        pytest.param({"tables": "customers,nothing"}, PASSWORD, "no table public.nothing", id="unknown table"),
        pytest.param({"source_schema": "else"}, PASSWORD, "no table else.customers", id="unknown schema"),
        pytest.param({"target_user": "stranger"}, "strange password", "", id="one password for two accounts"),
    ],
)
def test_what_cannot_be_looked_at_is_an_error_with_status_3(
    servers: Servers, tmp_path: Path, changes: dict[str, Any], password: str, words: str
) -> None:
    done = _run(servers, tmp_path, "--validate-checksums", password=password, **changes)
    assert done.returncode == 3
    flowing = " ".join(done.stdout.split())
    assert words in flowing
    report = read(Path(done.stdout.splitlines()[-1]))
    assert "ERROR" in report.summary.values()
    assert "MISMATCH" not in report.summary.values()


def test_no_permission_names_the_grant(servers: Servers, tmp_path: Path) -> None:
    done = _run(
        servers, tmp_path, "--target-password", "strange password", "--validate-checksums", target_user="stranger"
    )
    assert done.returncode == 3
    assert 'GRANT SELECT ON "public"."customers" TO "stranger";' in " ".join(done.stdout.split())


def test_a_password_by_flag_works_and_is_warned_about(servers: Servers, tmp_path: Path) -> None:
    flags = ("--source-password", PASSWORD, f"--target-password={PASSWORD}")
    done = _run(servers, tmp_path, *flags, password=None)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("shows in the process list") == 2


def test_passwords_may_be_in_other_variables(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SOURCE", PASSWORD)
    monkeypatch.setenv("MY_TARGET", PASSWORD)
    flags = ("--source-password-env", "MY_SOURCE", "--target-password-env", "MY_TARGET")
    assert _run(servers, tmp_path, *flags, password=None).returncode == 0


@pytest.mark.parametrize(
    ("more", "changes", "words"),
    [
        (["--source-password", ""], {}, "--source-password is empty"),
        ([], {"source_host": None, "tables": None}, "Missing: --source-host --tables"),
        ([], {"tables": "customers,,orders"}, "a name is empty"),
        ([], {"tables": ""}, "a name is empty"),
        ([], {"tables": "orders,orders"}, "orders is named twice"),
        ([], {"tables": "public.orders"}, "--source-schema"),
        ([], {"source_port": 70000}, "--source-port"),
        ([], {"target_port": 0}, "--target-port"),
        (["--target-schema", " "], {}, "--target-schema is empty"),
        ([], {"settle_seconds": "-1"}, "--settle-seconds"),
        ([], {"settle_seconds": "nan"}, "--settle-seconds"),
        (["--max-parallel", "0"], {}, "--max-parallel"),
        (["--max-keys", "-1"], {}, "--max-keys"),
        (["--budget", "5m"], {}, "Give --validate-checksums too"),
        (["--budget", "soon", "--validate-checksums"], {}, "90s, 30m or 2h"),
        ([], {"source_type": "oracle"}, "oracle"),
        (["--pipeline", "x"], {}, "--source-type and --pipeline exclude each other"),
        (["--env", "live"], {}, "--source-type and --env exclude each other"),
        (["--output-dir", "/dev/null/reports"], {}, "/dev/null/reports"),
        (["--exclude", "name"], {}, "--exclude name: not a column of a table that is compared"),
        (["--exclude", "products.name"], {}, "The tables: customers, orders"),
        (["--exclude", "orders.total,orders.total"], {}, "orders.total is named twice"),
        (["--where", "total > 5"], {}, "Write TABLE:CONDITION"),
        (["--where", "orders:"], {}, "not a condition"),
        (["--where", "products:a = 1"], {}, "The tables: customers, orders"),
        (["--where", "orders:a=1", "--target-where", "orders:b=1"], {}, "orders has two conditions for the target"),
    ],
)
def test_a_mistake_in_the_flags_is_named_with_status_2(
    servers: Servers, tmp_path: Path, more: list[str], changes: dict[str, Any], words: str
) -> None:
    done = _run(servers, tmp_path, *more, **changes)
    assert done.returncode == 2
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_column_by_flag_is_not_compared_and_the_report_says_so(servers: Servers, tmp_path: Path) -> None:
    servers.target.execute("UPDATE customers SET name = 'x' WHERE customer_id = 7", database="shop")
    try:
        compared = _run(servers, tmp_path / "all", "--validate-checksums")
        excluding = _run(servers, tmp_path, "--validate-checksums", "--exclude", "customers.name")
    finally:
        servers.target.execute("UPDATE customers SET name = 'name 7' WHERE customer_id = 7", database="shop")
    assert compared.returncode == 1
    assert excluding.returncode == 0, excluding.stdout
    report = read(Path(excluding.stdout.splitlines()[-1]))
    customers = next(table for table in report.tables if table.table == "customers")
    assert customers.not_compared == ("name (excluded by --exclude)",)
    assert customers.compared is not None
    assert customers.compared["exclude"] == ["name"]
    wrong = _run(servers, tmp_path / "wrong", "--validate-checksums", "--exclude", "customers.Name")
    assert wrong.returncode == 3
    assert "exclude names the column Name, which is not there" in wrong.stdout
    assert "Correct --exclude" in wrong.stdout


def test_rows_by_flag_are_all_that_is_compared(servers: Servers, tmp_path: Path) -> None:
    servers.target.execute(
        "INSERT INTO orders VALUES (900, 1)", "UPDATE orders SET total = 0 WHERE order_id = 5", database="shop"
    )
    try:
        found = {
            "all": _run(servers, tmp_path / "all", "--validate-checksums"),
            "both": _run(
                servers, tmp_path / "b", "--validate-checksums", "--where", "orders: order_id::int BETWEEN 10 AND 99"
            ),
            "target": _run(servers, tmp_path / "t", "--target-where", "orders:order_id < 900"),
            "half": _run(servers, tmp_path / "h", "--validate-checksums", "--where", "orders:order_id < 900"),
        }
        unsteady = _run(servers, tmp_path / "u", "--validate-checksums", "--where", "orders:random() < 2")
    finally:
        servers.target.execute(
            "DELETE FROM orders WHERE order_id = 900", "UPDATE orders SET total = 5 WHERE order_id = 5", database="shop"
        )
    assert {which: done.returncode for which, done in found.items()} == {"all": 1, "both": 0, "target": 0, "half": 1}
    assert "orders 41 rows" in " ".join(found["both"].stdout.split())
    assert "changed 5 (total)" in found["half"].stdout
    report = read(Path(found["target"].stdout.splitlines()[-1]))
    orders = next(table for table in report.tables if table.table == "orders")
    assert orders.compared is not None
    assert (orders.compared["source_filter"], orders.compared["target_filter"]) == ("", "order_id < 900")
    assert unsteady.returncode == 3
    assert "--where (or --source-where) of orders may let a row through" in " ".join(unsteady.stdout.split())


def test_what_a_pipeline_file_says_is_not_said_by_flag(
    servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, keys in ((["--exclude", "customers.name"], "exclude"), (["--where", "customers:true"], "source_filter")):
        assert main(["reconcile", "--pipeline", "embedded", *more]) == 2
        assert f"write {keys}" in capsys.readouterr().err


def test_a_missing_password_names_its_variable(servers: Servers, tmp_path: Path) -> None:
    done = _run(servers, tmp_path, password=None)
    assert done.returncode == 2
    assert "POSTGRES_PASSWORD" in done.stderr
    assert "(or name another variable by --source-password-env)" in " ".join(done.stderr.split())


def test_no_variable_is_a_password_that_nobody_named(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_SOURCE_PASSWORD", "of another pipeline")
    done = _run(servers, tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_database_is_not_compared_with_itself(servers: Servers, tmp_path: Path) -> None:
    done = _run(servers, tmp_path, target_port=servers.source.port)
    assert done.returncode == 2
    assert "same database" in done.stderr


def test_json_is_the_report_and_nothing_else(servers: Servers, tmp_path: Path) -> None:
    done = _run(servers, tmp_path, "--json")
    assert json.loads(done.stdout)["summary"] == {"customers": "MATCH", "orders": "MATCH"}
    assert "MATCH     customers" in done.stderr


@contextmanager
def _while_orders_is_locked(servers: Servers, tmp_path: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A run that has compared customers, and waits for the lock on orders."""
    with servers.source.connect("shop") as other, other.transaction():
        other.execute("LOCK TABLE orders")
        running = subprocess.Popen(
            [sys.executable, "-m", "src.cli.reconcile", *_flags(servers), "--output-dir", str(tmp_path), *more],
            cwd=ROOT,
            env={**os.environ, "POSTGRES_PASSWORD": PASSWORD},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert running.stdout is not None
        assert running.stdout.readline().startswith("MATCH     customers")
        yield running
        running.kill()
        running.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_end_leaves_a_report_that_says_it_is_partial(
    servers: Servers, tmp_path: Path, number: signal.Signals
) -> None:
    with _while_orders_is_locked(servers, tmp_path) as running:
        running.send_signal(number)
        told, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in errors
    assert "This run was interrupted: the report is partial." in told
    (path,) = tmp_path.glob("*.json")
    validate(json.loads(path.read_text()))
    report = read(path)
    assert not report.complete
    assert report.summary == {"customers": "MATCH", "orders": "ERROR"}


def test_a_run_that_is_killed_has_left_what_it_knew(servers: Servers, tmp_path: Path) -> None:
    with _while_orders_is_locked(servers, tmp_path) as running:
        running.kill()
        running.wait(timeout=30)
    (path,) = tmp_path.glob("*.partial")
    assert path.suffix == ".partial"
    validate(json.loads(path.read_text()))
    assert (read(path).complete, read(path).summary) == (False, {"customers": "MATCH", "orders": "ERROR"})


@contextmanager
def _halted(server: Server) -> Iterator[None]:
    """The process of the server that waits for a lock answers no more, and cannot be cancelled."""
    with server.connect() as other:
        process = wait_until(
            lambda: other.execute("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone(),
            bool,
            what="a session that waits for a lock",
            deadline_seconds=20,
        )
    assert process
    os.kill(process[0], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process[0], signal.SIGCONT)


def test_a_server_that_stops_to_answer_ends_the_run_at_its_time_limit(servers: Servers, tmp_path: Path) -> None:
    with _while_orders_is_locked(servers, tmp_path, "--time-limit", "3s") as running, _halted(servers.source):
        printed, errors = running.communicate(timeout=60)
    assert running.returncode == 3, errors
    assert "Traceback" not in errors
    (path,) = tmp_path.glob("*.json")
    results = {result.table: result for result in read(path).tables}
    assert str(results["customers"].status) == "MATCH"
    assert str(results["orders"].status) == "ERROR"
    assert results["orders"].error.startswith("The time limit of 3 s was over before it was compared")
    assert "orders" in printed


def test_another_wait_that_was_over_is_not_called_the_time_limit(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_: object) -> Iterator[None]:
        raise DeadlineError("The fence was not there within 9 s.")
        yield

    monkeypatch.setattr("cdcproof.reconcile.engine.reconcile", ends)
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    assert main(["reconcile", *_flags(servers), "--output-dir", str(tmp_path)]) == 3
    (path,) = tmp_path.glob("*.json")
    assert {result.error for result in read(path).tables} == {"The fence was not there within 9 s."}
    assert not read(path).complete


def test_more_keys_than_asked_for_are_counted_and_not_named(servers: Servers, tmp_path: Path) -> None:
    servers.target.execute("DELETE FROM orders WHERE order_id > 40", database="shop")
    try:
        done = _run(servers, tmp_path, "--validate-checksums", "--max-keys", "7", "--max-parallel", "1")
    finally:
        servers.target.insert("orders", [(i, i) for i in range(41, 51)], database="shop")
    table = read(Path(done.stdout.splitlines()[-1])).tables[1]
    assert (table.missing_at_target, len(table.differences)) == (10, 7)
    assert "… the first 7 keys are in the report" in done.stdout
    assert done.stdout.splitlines()[-4:-2] == ["MISMATCH  orders", "1 MISMATCH, 0 ERROR, 1 MATCH"]


def _pipeline(servers: Servers, tmp_path: Path) -> Path:
    def database(server: Server) -> str:
        return (
            f'type = "postgresql"\nhost = "{server.host}"\nport = {server.port}\ndatabase = "shop"\nuser = "{USER}"\n'
            'password_env = "POSTGRES_PASSWORD"\nschema = "public"\n'
        )

    tables = "".join(
        f'[[tables]]\nname = "{name}"\nsource = "public.{name}"\ntarget = "public.{name}"\n'
        f'topic = "shop.{name}"\nkey = ["{key}"]\n'
        for name, key in (("customers", "customer_id"), ("orders", "order_id"))
    )
    path = tmp_path / "shop.toml"
    path.write_text(
        f'name = "shop"\n[source]\n{database(servers.source)}[target]\n{database(servers.target)}'
        '[connect]\nurl = "http://127.0.0.1:1"\n[kafka]\nbootstrap_servers = "127.0.0.1:1"\n'
        '[[services]]\nname = "postgres"\nrole = "target"\nendpoint = "tcp://127.0.0.1:1"\n'
        f'[[connectors]]\nname = "source"\nkind = "source"\n[[connectors]]\nname = "sink"\nkind = "sink"\n{tables}'
        f'[paths]\nreconciliation_reports = "{tmp_path / "reports"}"\n'
    )
    return path


def test_a_pipeline_file_names_everything(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    arguments = ["reconcile", "--pipeline", str(_pipeline(servers, tmp_path)), "--env", "live", "--validate-checksums"]
    assert main(arguments) == 0
    assert main([*arguments, "--tables", "orders"]) == 0
    both, one = (
        read(path) for path in sorted((tmp_path / "reports").glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
    )
    assert (list(both.summary), list(one.summary)) == (["customers", "orders"], ["orders"])
    capsys.readouterr()
    assert main([*arguments, "--tables", "orders,nothing"]) == 2
    told = capsys.readouterr().err
    assert "nothing: not in pipeline shop" in told
    assert "customers, orders" in told


def test_a_budget_proves_what_was_written_and_a_part_of_the_rest(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    path = _pipeline(servers, tmp_path)
    path.write_text(path.read_text().replace("[source]", '[source]\npublication = "scrubbed"\nscrub_slot = "scrubbed"'))
    arguments = ["reconcile", "--pipeline", str(path), "--env", "live", "--validate-checksums", "--budget", "60s"]
    arguments += ["--settle-seconds", "0"]
    assert main(arguments) == 3
    assert "pg_create_logical_replication_slot('scrubbed', 'pgoutput')" in capsys.readouterr().out
    servers.source.execute(
        "CREATE PUBLICATION scrubbed FOR ALL TABLES",
        "SELECT pg_create_logical_replication_slot('scrubbed', 'pgoutput')",
        database="shop",
    )
    try:
        assert main(arguments) == 0
        servers.source.execute("UPDATE customers SET name = name WHERE customer_id < 11", database="shop")
        capsys.readouterr()
        assert main(arguments) == 0
        told = capsys.readouterr().out
    finally:
        servers.source.execute(
            "SELECT pg_drop_replication_slot('scrubbed')", "DROP PUBLICATION scrubbed", database="shop"
        )
    assert "10 rows that changed (by WAL through the replication slot" in " ".join(told.split())
    report = read(Path(told.splitlines()[-1]))
    validate(json.loads(Path(told.splitlines()[-1]).read_text()))
    assert report.method.startswith("scrub: ")
    assert [table.scrubbed is not None for table in report.tables] == [True, True]


def test_with_a_pipeline_a_difference_is_judged_by_position_and_not_at_all_where_that_cannot_be_read(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    arguments = ["reconcile", "--pipeline", str(_pipeline(servers, tmp_path)), "--env", "live", "--validate-checksums"]
    servers.target.execute("DELETE FROM orders WHERE order_id = 7", database="shop")
    try:
        assert main(arguments) == 3
        told = capsys.readouterr().out
        assert main([*arguments, "--settle-seconds", "0"]) == 1
        by_timer = capsys.readouterr().out
    finally:
        servers.target.insert("orders", [(7, 7)], database="shop")
    assert "ERROR     orders" in told
    assert "127.0.0.1:1" in told
    assert "missing 7" in by_timer
    method, orders = (read(Path(by_timer.splitlines()[-1])).method, read(Path(by_timer.splitlines()[-1])).tables[1])
    assert "timer: 0 s" in method
    assert "the source is read under REPEATABLE READ (" in method
    assert orders.method == "timer"


def test_help_has_the_runbooks_example_and_says_what_match_means(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["reconcile", "--help"])
    told = capsys.readouterr().out
    assert "--tables customers,products,orders,inventory,shipments" in told
    assert "same number of" in told
    assert all(len(line) <= 80 for line in told.splitlines())


@pytest.mark.parametrize(
    ("table", "ended"), [("customers", (0, ["last_run", "last_success"])), ("absent", (3, ["last_run"]))]
)
def test_a_run_of_the_schedule_leaves_when_it_last_ran(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, ended: tuple[int, list[str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)

    status = main(["reconcile", *_flags(servers, tables=table)])

    times = json.loads((tmp_path / "reports" / "scheduled" / "reconcile.json").read_text())
    assert (status, [name for name, at in times.items() if at]) == ended


def test_a_report_for_somebody_else_is_no_run_of_the_schedule(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)

    assert main(["reconcile", *_flags(servers), "--output-dir", str(tmp_path / "mine")]) == 0

    assert not (tmp_path / "reports").exists()
