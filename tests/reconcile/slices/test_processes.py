"""Slices of two real databases, read by processes: the report of one machine, whatever happens to a worker."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from cdcproof.cli.main import main
from cdcproof.core.secrets import Secret
from cdcproof.core.waiting import wait_until
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.engine import reconcile
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.slices.distribution import Addresses, Distribution
from cdcproof.reconcile.slices.processes import processes
from tests.postgres_server import PASSWORD, USER
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]

ROWS = 20_000
ROWS_A_SLICE = 4_000
LOCK = 71


@pytest.fixture(scope="module")
def tables(sides: Sides) -> Sides:
    """A table that is equal, one with three differences, and one without a number as its key."""
    for name, wrong in (("equal", ""), ("wrong", "changed")):
        sides.table(name, "id bigint PRIMARY KEY, amount numeric(12, 2) NOT NULL, word text")
        made = f"INSERT INTO {sides.name(name)} SELECT i, i / 7.0, 'word ' || i FROM generate_series(1, {ROWS}) AS i"
        sides.both(made, f"ANALYZE {sides.name(name)}")
        if wrong:
            sides.target.execute(
                f"UPDATE {sides.name(name)} SET amount = amount + 0.01 WHERE id = 17",
                f"DELETE FROM {sides.name(name)} WHERE id = 9000",
                f"INSERT INTO {sides.name(name)} VALUES (999999, 1, 'extra')",
            )
    sides.table(
        "named", "name text PRIMARY KEY, v int", [(f"n{n}", n) for n in range(300)], [(f"n{n}", n) for n in range(299)]
    )
    return sides


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers read their own environment, which they have from here."""
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)


@contextmanager
def _workers(sides: Sides, made: list[Executor] | None = None, at_once: int = 2) -> Iterator[Distribution]:
    def executor() -> Executor:
        pool = processes()
        if made is not None:
            made.append(pool)
        return pool

    addresses = Addresses(sides.source.config(), sides.target.config())
    slices = Distribution(executor, addresses, at_once, rows_a_slice=ROWS_A_SLICE)
    try:
        yield slices
    finally:
        slices.close()


def _results(sides: Sides, slices: Distribution | None, *tables: str, **more: Any) -> list[TableResult]:
    run = replace(sides.run(), slices=slices)
    found = {result.table: result for result in reconcile(run, [sides.pair(table, **more) for table in tables])}
    return [replace(found[table], seconds=0, timings={}) for table in tables]


@pytest.mark.parametrize("strategy", Strategy, scope="module")
def test_processes_give_the_result_of_one_machine(tables: Sides) -> None:
    names = ("equal", "wrong", "named")
    with _workers(tables) as slices:
        theirs = _results(tables, slices, *names)
    assert theirs == _results(tables, None, *names)
    assert [result.status for result in theirs] == [TableStatus.MATCH, TableStatus.MISMATCH, TableStatus.MISMATCH]
    assert theirs[1].example_keys == ("changed 17 (amount)", "missing 9000", "extra 999999")


def waits_at_lock(tables: Sides) -> str:
    """A filter that lets every row of the source through, as soon as it gets this test's lock."""
    name = sql.Identifier(tables.schema, "waits").as_string()
    tables.source.execute(
        f"CREATE OR REPLACE FUNCTION {name}(bigint) RETURNS boolean IMMUTABLE LANGUAGE plpgsql SET lock_timeout = 0 AS "
        f"'BEGIN PERFORM pg_advisory_xact_lock_shared({LOCK}); RETURN true; END'"
    )
    return f"{name}(id)"


def test_a_worker_that_is_killed_while_it_reads_costs_its_slice(tables: Sides) -> None:
    """Each row waits at a lock of this test's, so that a worker is in the midst of its slice when it is killed."""
    before = set(multiprocessing.active_children())
    made: list[Executor] = []
    found: list[TableResult] = []
    waits = waits_at_lock(tables)
    with _workers(tables, made, at_once=1) as slices, tables.source.connect() as session:
        session.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        thread = threading.Thread(target=lambda: found.extend(_results(tables, slices, "equal", source_filter=waits)))
        thread.start()
        wait_until(
            lambda: session.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ).fetchone(),
            lambda waiting: waiting == (1,),
            what="a worker to read",
            deadline_seconds=30,
        )
        (worker,) = set(multiprocessing.active_children()) - before
        os.kill(worker.pid or 0, signal.SIGKILL)
        wait_until(lambda: len(made), lambda pools: pools == 2, what="another pool", deadline_seconds=30)
        session.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        thread.join(60)
    (result,) = found
    assert (result.status, result.source_rows, result.target_rows) == (TableStatus.MATCH, ROWS, ROWS)


def _command(sides: Sides, folder: Path, *more: str) -> tuple[int, dict[str, Any]]:
    flags = [f"--output-dir={folder}", "--json", "--validate-checksums", "--settle-seconds=0", *more]
    for side, server in (("source", sides.source), ("target", sides.target)):
        flags += [f"--{side}-type=postgresql", f"--{side}-host={server.host}", f"--{side}-port={server.port}"]
        flags += [f"--{side}-database=postgres", f"--{side}-user={USER}", f"--{side}-schema={sides.schema}"]
    status = main(["reconcile", *flags])
    reports = sorted(folder.glob("reconciliation_report_*.json"))
    return status, json.loads(reports[-1].read_text()) if reports else {}


def _without_times(report: dict[str, Any]) -> dict[str, Any]:
    for name in ("run_id", "started_at", "finished_at", "method"):
        report.pop(name)
    for table in report["tables"]:
        table.pop("seconds")
        table.pop("timings")
    return report


def test_the_command_writes_the_report_of_one_machine(tables: Sides, tmp_path: Path) -> None:
    flags = ("--tables=equal,wrong", "--executor=cdcproof.reconcile.slices.processes:processes")
    status, report = _command(tables, tmp_path / "many", *flags)
    alone = _command(tables, tmp_path / "one", flags[0])
    assert "slice by slice by the executor cdcproof.reconcile.slices.processes:processes" in report["method"]
    assert (status, _without_times(report)) == (alone[0], _without_times(alone[1]))
    assert status == 1
    assert report["summary"] == {"equal": "MATCH", "wrong": "MISMATCH"}


def test_workers_without_the_password_are_named_and_nothing_is_a_match(
    tables: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coordinator has it all the same: this process read it before."""
    monkeypatch.setattr("cdcproof.cli.reconcile.inputs.from_environment", lambda *_: Secret(PASSWORD))
    monkeypatch.delenv("POSTGRES_PASSWORD")
    status, report = _command(
        tables, tmp_path, "--tables=equal", "--executor=cdcproof.reconcile.slices.processes:processes"
    )
    assert (status, report["summary"]) == (3, {"equal": "ERROR"})
    assert "Worker " in report["tables"][0]["error"]
    assert "The environment variable POSTGRES_PASSWORD" in report["tables"][0]["error"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--executor=nowhere"], "--executor nowhere: give MODULE:FACTORY"),
        (["--executor=no_such_module_here:x"], "No module named 'no_such_module_here'"),
        (["--executor=json:no_such_name"], "json has no no_such_name"),
        (["--executor=json:dumps"], "--executor json:dumps makes no executor: TypeError: dumps() missing 1 required"),
        (["--executor=json:decoder"], "it cannot be called"),
        (["--executor=collections:OrderedDict"], "it makes OrderedDict, no concurrent.futures.Executor"),
        (["--executor=json:dumps", "--budget=5m"], "--executor and --budget exclude each other"),
        (["--executor=json:dumps", "--source-password=x"], "never travels"),
    ],
)
def test_what_cannot_be_an_executor_is_said_before_anything_is_read(
    tables: Sides, tmp_path: Path, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, report = _command(tables, tmp_path, "--tables=equal", *flags)
    assert (status, report) == (2, {})
    assert said in capsys.readouterr().err


def test_an_executor_wants_contents(tables: Sides, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconcile", "--pipeline=embedded", "--executor=json:dumps"]) == 2
    assert "--executor compares contents" in capsys.readouterr().err
