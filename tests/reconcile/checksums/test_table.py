"""Tables read the one way and the other, over real servers, and gone on with after a run was killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal
from unittest.mock import patch

import pytest

from cdcproof.databases.duckdb import engine as duckdb_engine
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.databases.postgresql.checksums import Checksums
from cdcproof.databases.table_read import ChunkSum
from cdcproof.reconcile import contents, engine
from cdcproof.reconcile.checksums import checkpoint, narrowing, parts, strategy
from cdcproof.reconcile.checksums.balance import Balance
from cdcproof.reconcile.checksums.checkpoint import FOLDER, Unfinished
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.engine import Run
from cdcproof.reconcile.plan.calibration import Calibration
from cdcproof.reconcile.report.result import TableResult, TableStatus
from tests.postgres_server import Server, Servers
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]

COLUMNS = "id int PRIMARY KEY, name text, amount numeric(12, 2), at timestamptz"
ROWS = (
    "INSERT INTO {t} SELECT i, 'name ' || i % 97, i / 3.0, timestamptz '2024-01-01Z' + i * interval '1 s'"
    " FROM generate_series(1, {n}) AS i"
)
PLANTED = (
    "DELETE FROM {t} WHERE id = 17",
    "UPDATE {t} SET name = name || ' ' WHERE id = 1700",
    "INSERT INTO {t} VALUES (-5, '', 0, now())",
    "UPDATE {t} SET amount = NULL WHERE id = 39000",
)
DIFFERING = {"missing 17", "changed 1700 (name)", "extra -5", "changed 39000 (amount)"}


def _filled(sides: Sides, table: str, rows: int) -> None:
    sides.table(table, COLUMNS)
    sides.both(ROWS.format(t=sides.name(table), n=rows), f"ANALYZE {sides.name(table)}")
    sides.target.execute(*(change.format(t=sides.name(table)) for change in PLANTED))


def _run(sides: Sides, columnar: Columnar | None, pinned: Strategy | None = None) -> Run:
    return replace(replace(sides, strategy=pinned).run(), columnar=columnar)


def _result(run: Run, sides: Sides, table: str) -> TableResult:
    [result] = engine.reconcile(run, [sides.pair(table)])
    return result


def _found(result: TableResult) -> tuple[object, ...]:
    return (result.status, result.error, result.source_rows, result.target_rows, set(result.example_keys))


@pytest.mark.parametrize("pinned", Strategy)
def test_both_ways_find_the_same_differences(
    sides: Sides, columnar: Columnar, pinned: Strategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was streamed is not summed up once more at the servers: their hash would have to see it, too."""
    _filled(sides, "ways", 40_000)
    monkeypatch.setattr(narrowing, "_FEW_ROWS", 0)
    sums = Checksums.sums_of_chunks
    with patch.object(Checksums, "sums_of_chunks", autospec=True, side_effect=sums) as narrowed:
        result = _result(_run(sides, columnar, pinned), sides, "ways")
    assert _found(result) == (TableStatus.MISMATCH, "", 40_000, 40_000, DIFFERING)
    assert (result.strategy, result.reason) == (pinned, "asked for")
    assert narrowed.called == (pinned is Strategy.PUSH_DOWN)


@pytest.fixture
def md5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers that have no hash in common but MD5, and tables that are large for them."""
    monkeypatch.setattr(Calibration, "hashes_natively", lambda *_: False)
    monkeypatch.setattr(strategy, "LEAST_ROWS", 30_000)


def test_servers_of_one_hash_hash_their_rows_themselves(sides: Sides, columnar: Columnar) -> None:
    _filled(sides, "size", 40_000)
    result = _result(_run(sides, columnar), sides, "size")
    assert (result.strategy, result.reason) == (
        "push-down",
        "both servers hash their rows faster than they send them",
    )
    assert _found(result) == (TableStatus.MISMATCH, "", 40_000, 40_000, DIFFERING)


@pytest.mark.usefixtures("md5")
@pytest.mark.parametrize(("rows", "expected"), [(20_000, Strategy.PUSH_DOWN), (40_000, Strategy.STREAM)])
def test_of_other_servers_a_large_table_is_streamed(
    sides: Sides, columnar: Columnar, rows: int, expected: Strategy
) -> None:
    _filled(sides, "size", rows)
    result = _result(_run(sides, columnar), sides, "size")
    assert result.strategy == expected
    assert set(result.example_keys) == {key for key in DIFFERING if rows > 39_000 or "39000" not in key}


@pytest.mark.usefixtures("md5")
def test_a_machine_that_cannot_stream_pushes_down_unless_it_must(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    _filled(sides, "alone", 40_000)
    monkeypatch.setattr(duckdb_engine, "_EXTENSION", "cdcproof_has_no_such_module")
    with Columnar() as without:
        result = _result(_run(sides, without), sides, "alone")
        assert (result.strategy, set(result.example_keys)) == ("push-down", DIFFERING)
        assert "is not installed" in result.reason
        refused = _result(_run(sides, without, Strategy.STREAM), sides, "alone")
        assert refused.status is TableStatus.ERROR
        assert "--strategy push-down" in refused.error


def test_a_type_that_does_not_arrive_as_it_is_is_pushed_down(
    sides: Sides, columnar: Columnar, monkeypatch: pytest.MonkeyPatch
) -> None:
    _filled(sides, "wrong", 1_000)
    monkeypatch.setattr(
        columnar, "reference_hashes", lambda columns, parts: [(0,) * len(columns)] * max(map(len, parts)), raising=True
    )
    result = _result(_run(sides, columnar, Strategy.STREAM), sides, "wrong")
    assert (result.strategy, result.status) == ("push-down", TableStatus.MISMATCH)
    assert "is streamed as another value" in result.reason


def test_rows_that_are_too_wide_for_the_stream_are_pushed_down(sides: Sides, columnar: Columnar) -> None:
    wide = ", ".join(f"c{i} text" for i in range(40))
    sides.table("wide", f"id int PRIMARY KEY, {wide}")
    values = ", ".join(["repeat(chr(65 + i % 26), 7999)"] * 40)
    sides.both(f"INSERT INTO {sides.name('wide')} SELECT i, {values} FROM generate_series(1, 400) AS i")
    sides.target.execute(f"UPDATE {sides.name('wide')} SET c7 = '' WHERE id = 3")
    result = _result(_run(sides, columnar, Strategy.STREAM), sides, "wide")
    assert _found(result) == (TableStatus.MISMATCH, "", 400, 400, {"changed 3 (c7)"})
    assert result.strategy == "push-down"
    assert "do not fit" in result.reason


PROGRAM = """
import json, sys
from tests.reconcile.checksums import test_table
test_table.be_killed(**json.loads(sys.argv[1]))
"""
DATABASES = {"the source": "here", "the target": "there"}
KILLED_ROWS = 1_000_000
MOVED = 990_000  # in the last part


def be_killed(*, ports: tuple[int, int], schema: str, pinned: str, reports: str) -> None:
    """Runs in a process of its own: reconciles one table, and half the parts of the other, says so, and waits to be killed."""
    source, target = (Server("127.0.0.1", port, Path("/")) for port in ports)
    kept, finished, first = checkpoint.Checkpoint.keep, Unfinished.finished, threading.Event()

    def note(self: Unfinished, result: TableResult, about: checkpoint.Fingerprint) -> None:
        finished(self, result, about)
        first.set()

    def keep(self: checkpoint.Checkpoint, about: checkpoint.Fingerprint, left: checkpoint.ResumePoint) -> None:
        self._saved = -1e9
        kept(self, about, left)
        if len(left.scanned.done) == 2:
            assert first.wait(60)
            print("half", flush=True)
            sys.stdin.read()

    checkpoint.Checkpoint.keep = keep  # type: ignore[method-assign]
    Unfinished.finished = note  # type: ignore[method-assign]
    parts._LEAST_ROWS = KILLED_ROWS // 4
    with Columnar() as columnar, Unfinished(Path(reports), {"of": schema}, DATABASES) as unfinished:
        sides = Sides(Servers(source, target), schema, columnar, Strategy(pinned))
        run = replace(sides.run(), unfinished=unfinished)
        list(engine.reconcile(run, [sides.pair("first"), sides.pair("killed")]))


def _kill(sides: Sides, pinned: Strategy, reports: Path) -> None:
    asked = {
        "ports": (sides.source.port, sides.target.port),
        "schema": sides.schema,
        "pinned": pinned,
        "reports": str(reports),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(asked)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert process.stdout
        # DuckDB takes `python -c` for a person, and shows its own progress where a query is slow
        assert any(line.endswith("half\n") for line in process.stdout)
    finally:
        process.kill()
        process.wait(30)
    assert process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def killed(sides: Sides) -> None:
    _filled(sides, "first", 40_000)
    _filled(sides, "killed", KILLED_ROWS)


@pytest.mark.usefixtures("killed")
@pytest.mark.parametrize("pinned", Strategy)
def test_a_killed_run_is_gone_on_with_and_finds_what_an_uninterrupted_one_does(
    sides: Sides, columnar: Columnar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pinned: Strategy
) -> None:
    uninterrupted = _result(_run(sides, columnar, pinned), sides, "killed")
    _kill(sides, pinned, tmp_path)
    assert len(list((tmp_path / FOLDER).glob("*.json"))) == 2, "the finished table's result, and the other one's sums"
    read: list[str] = []
    original = Balance._add

    def counted(balance: Balance, sums: Iterable[ChunkSum], sign: Literal[1, -1]) -> int:
        read.append("part")
        return original(balance, sums, sign)

    monkeypatch.setattr(Balance, "_add", counted)
    monkeypatch.setattr(contents, "_proven", lambda *_: None)  # planted rows are read in parts too
    with Unfinished(tmp_path, {"of": sides.schema}, DATABASES) as unfinished:
        assert unfinished.resumed
        run = replace(_run(sides, columnar, pinned), unfinished=unfinished)
        results = {one.table: one for one in engine.reconcile(run, [sides.pair("first"), sides.pair("killed")])}
        unfinished.complete()
    assert len(read) == 2 * (4 - 2), "parts that were read before are not read again"
    assert _found(results["killed"]) == _found(uninterrupted)
    assert results["killed"].source_rows == KILLED_ROWS
    assert results["killed"].strategy == pinned
    assert "goes on from an interrupted run" in results["killed"].resumed
    assert "compared by the run of" in results["first"].resumed
    assert set(results["first"].example_keys) == DIFFERING
    assert list((tmp_path / FOLDER).glob("*.json")) == []


@pytest.mark.parametrize("pinned", Strategy)
def test_a_row_that_moved_into_what_was_read_before_is_not_forgotten(
    sides: Sides, columnar: Columnar, tmp_path: Path, pinned: Strategy
) -> None:
    _filled(sides, "first", 10)
    _filled(sides, "killed", KILLED_ROWS)
    table = sides.name("killed")
    sides.both(f"DELETE FROM {table} WHERE id BETWEEN 100 AND 150", f"VACUUM (INDEX_CLEANUP ON) {table}")
    _kill(sides, pinned, tmp_path)
    sides.source.execute(f"UPDATE {table} SET name = 'moved' WHERE id BETWEEN {MOVED} AND {MOVED} + 400")
    with sides.source.connect() as session:
        at_the_front = "name = 'moved' AND ctid < '(5,0)'"  # where rows were deleted
        moved = [row[0] for row in session.execute(f"SELECT id FROM {table} WHERE {at_the_front}").fetchall()]  # type: ignore[arg-type]
    assert moved
    sides.target.execute(
        f"UPDATE {table} SET name = 'moved' WHERE id BETWEEN {MOVED} AND {MOVED} + 400",
        f"DELETE FROM {table} WHERE id = {moved[0]}",
    )
    with Unfinished(tmp_path, {"of": sides.schema}, DATABASES) as unfinished:
        result = _result(replace(_run(sides, columnar), unfinished=unfinished), sides, "killed")
    assert "goes on from" in result.resumed
    assert set(result.example_keys) == DIFFERING | {f"missing {moved[0]}"}


@pytest.mark.parametrize("change", ["VACUUM FULL {t}", "ALTER TABLE {t} ALTER name TYPE varchar(40)"])
def test_a_table_that_is_another_now_is_read_anew(
    sides: Sides, columnar: Columnar, tmp_path: Path, change: str
) -> None:
    _filled(sides, "first", 10)
    _filled(sides, "killed", KILLED_ROWS)
    _kill(sides, Strategy.STREAM, tmp_path)
    sides.target.execute(change.format(t=sides.name("killed")))
    with Unfinished(tmp_path, {"of": sides.schema}, DATABASES) as unfinished:
        result = _result(replace(_run(sides, columnar, Strategy.STREAM), unfinished=unfinished), sides, "killed")
    assert "is not used: " in result.resumed
    assert set(result.example_keys) == DIFFERING
