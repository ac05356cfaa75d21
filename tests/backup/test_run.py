"""A whole backup of real databases: whole or not there, whatever happens to it."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psutil import NoSuchProcess, Process

from cdcproof.backup import manifest
from cdcproof.backup import run as backup
from cdcproof.backup.folders import Directory
from cdcproof.backup.parts import postgresql_programs as programs
from cdcproof.backup.run import Outcome
from cdcproof.core.errors import UsageError
from cdcproof.core.waiting import wait_until
from tests.backup import runs
from tests.postgres_server import PASSWORD, Server, Servers

pytest_plugins = ["tests.postgres_server"]


@pytest.fixture(autouse=True)
def made(postgres_servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "_save_parts", backup._save_parts)  # put back what `runs` stands in for
    monkeypatch.setenv("PG_PW", PASSWORD)
    if not getattr(made, "done", False):
        runs.prepare(postgres_servers)
        made.done = True  # type: ignore[attr-defined]


def folders_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.is_dir())


def assert_nothing_left(directory: Path, outcome: Outcome) -> None:
    assert outcome.folder is None
    assert outcome.exit_status == 1
    assert folders_in(directory) == []
    assert outcome.log is not None
    assert "✗ no backup was kept: it would not be whole" in outcome.log.read_text()


def test_a_backup_is_whole_and_its_log_says_so(
    postgres_servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = runs.run(runs.of(postgres_servers), tmp_path)

    assert (outcome.exit_status, outcome.failures) == (0, ())
    assert outcome.folder is not None
    made = manifest.verify(outcome.folder)
    assert made == outcome.manifest
    assert [(one.side, one.rows) for one in made.databases] == [("target", 502), ("source", 502)]
    assert [table.name for table in made.databases[0].state.tables] == ["public.customers", 'public.odd "name']
    assert made.databases[1].state.identity.database == "warehouse_source"
    assert outcome.log is not None
    assert outcome.log.name == f"backup_{made.timestamp}.log"
    lines = outcome.log.read_text().splitlines()
    assert [line.split()[2] for line in lines] == ["✓"] * 4
    assert capsys.readouterr().out.splitlines() == lines
    assert PASSWORD not in "".join(lines)


def test_the_sums_are_of_the_moment_of_the_dump_under_writes(postgres_servers: Servers, tmp_path: Path) -> None:
    """Rows that are written between the snapshot and the end are in neither."""
    stop = threading.Event()

    def write() -> None:
        with postgres_servers.source.connect("warehouse_source") as session:
            session.execute("CREATE TABLE IF NOT EXISTS busy (id bigserial PRIMARY KEY)")
            while not stop.is_set():
                session.execute("INSERT INTO busy DEFAULT VALUES")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        outcome = runs.run(runs.of(postgres_servers), tmp_path)
    finally:
        stop.set()
        writer.join()
    assert outcome.folder is not None
    assert outcome.manifest is not None
    source = outcome.manifest.of_side("source")
    assert source is not None
    busy = next(table for table in source.state.tables if table.table == "busy")
    dumped = subprocess.run(
        [
            programs.find("pg_restore", 18).path,
            "--data-only",
            "--table=busy",
            "--file=-",
            outcome.folder / source.place,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    numbers = [line for line in dumped.splitlines() if line.isdigit()]
    total = sum(
        int.from_bytes(hashlib.sha256(f"({number})".encode()).digest()[:8], "big", signed=True) for number in numbers
    )
    assert numbers
    assert (busy.rows, busy.checksum) == (len(numbers), str(total))
    postgres_servers.source.execute("DROP TABLE busy", database="warehouse_source")


@pytest.mark.parametrize("step", runs.STEPS)
def test_a_backup_that_is_killed_never_looks_complete_and_the_next_removes_it(
    postgres_servers: Servers, tmp_path: Path, step: str
) -> None:
    pipeline = runs.of(postgres_servers)
    runs.in_a_process_that_is_killed(lambda: runs.run(pipeline, tmp_path, runs.killed_at(step)))
    whole = step == "committed"
    left = [name for name in folders_in(tmp_path) if not name.startswith(".")]
    assert len(left) == whole
    for name in left:
        manifest.verify(tmp_path / name)

    outcome = runs.run(runs.of(postgres_servers), tmp_path)

    assert outcome.failures == ()
    assert outcome.folder is not None
    assert folders_in(tmp_path) == sorted([*left, outcome.folder.name])


def test_a_wrong_password_is_named(postgres_servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = runs.of(postgres_servers)
    monkeypatch.setenv("PG_PW", "wrong-password")
    outcome = runs.run(pipeline, tmp_path)

    assert_nothing_left(tmp_path, outcome)
    assert "refused user postgres" in outcome.failures[0]
    assert len(outcome.failures) == 3  # both sides, and what follows


def test_a_password_that_is_not_set_is_named(
    postgres_servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = runs.of(postgres_servers)
    monkeypatch.delenv("PG_PW")
    outcome = runs.run(pipeline, tmp_path)

    assert_nothing_left(tmp_path, outcome)
    assert "PG_PW" in outcome.failures[0]


def test_a_table_that_is_locked_is_named(
    postgres_servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdcproof.databases.postgresql.settings.SETTINGS", _impatient())
    with postgres_servers.target.connect("warehouse_target") as session, session.transaction():
        session.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        outcome = runs.run(runs.of(postgres_servers), tmp_path)

    assert_nothing_left(tmp_path, outcome)
    assert "public.customers was locked" in outcome.failures[0]
    assert "target" in outcome.failures[0]


def _impatient() -> dict[str, str]:
    from cdcproof.databases.postgresql.settings import SETTINGS

    return {**SETTINGS, "lock_timeout": "200"}


def test_a_server_that_goes_in_the_middle_is_named(
    postgres_servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a restart of the server ends it: all sessions of the database, pg_dump's included, while pg_dump waits for a lock."""
    monkeypatch.setattr("cdcproof.databases.postgresql.settings.SETTINGS", {**_impatient(), "lock_timeout": "0"})

    is_over = threading.Event()

    def end_all() -> None:
        with postgres_servers.target.connect() as session:
            count = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'warehouse_target' AND wait_event_type = 'Lock'"
            while not is_over.is_set():  # one session may begin to wait when another one has ended
                session.execute(count)  # type: ignore[arg-type]

    with postgres_servers.target.connect("warehouse_target") as session, session.transaction():
        session.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        ending = threading.Thread(target=end_all)
        ending.start()
        try:
            outcome = runs.run(runs.of(postgres_servers), tmp_path)
        finally:
            is_over.set()
            ending.join()

    assert_nothing_left(tmp_path, outcome)
    assert "warehouse_target" in outcome.failures[0]


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Every process of the server stands still, as where its machine hangs."""
    postmaster = Process(int((server.log.parent / "data" / "postmaster.pid").read_text().split()[0]))
    stood_still = [postmaster, *postmaster.children(recursive=True)]
    for process in stood_still:
        process.suspend()
    try:
        yield
    finally:
        for process in reversed(stood_still):
            with suppress(NoSuchProcess):  # a backend whose client has gone
                process.resume()


WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{}'::regclass"
SUMMED = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%odd \"\"name%cdcproof_row%'"


HELD = {"customers": (WAITING, 2), "parent": (SUMMED, 1)}
"""Table that is locked: the question by which it is known that a backup has come to it, and how many then wait."""


@pytest.mark.parametrize("table", HELD)
def test_a_server_that_is_stopped_while_pg_dump_runs_is_given_up(
    postgres_servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """Also where the sums are done and pg_dump alone is waited for: a lock on a partitioned table, without rows of its own, holds it alone."""
    monkeypatch.setattr("cdcproof.databases.postgresql.settings.SETTINGS", {**_impatient(), "lock_timeout": "0"})
    monkeypatch.setattr("cdcproof.databases.postgresql.connection.SILENCE_SECONDS", 0.2)
    monkeypatch.setattr("cdcproof.databases.postgresql.connection.TRIES", 1)
    monkeypatch.setattr("cdcproof.databases.postgresql.session.CONNECT_TIMEOUT_SECONDS", 2)
    monkeypatch.setattr(programs, "_END_SECONDS", 1)
    monkeypatch.setattr(programs, "_PING_SECONDS", 0.2)
    target = postgres_servers.target
    create = "CREATE TABLE IF NOT EXISTS parent (id int) PARTITION BY RANGE (id)"
    target.execute(create, database="warehouse_target")
    question, processes = HELD[table]
    with ThreadPoolExecutor(1) as pool, target.connect("warehouse_target") as session, session.transaction():
        session.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        running = pool.submit(runs.run, runs.of(postgres_servers), tmp_path)
        with target.connect("warehouse_target") as other:
            for asked in (question, WAITING):
                wait_until(
                    lambda asked=asked: other.execute(asked.format(table)).fetchone(),  # type: ignore[misc]
                    lambda found: found == (processes,),
                    what="pg_dump to wait",
                    deadline_seconds=30,
                )
        with stopped(target):
            outcome = running.result(60)
            assert not [p for p in Process().children(recursive=True) if p.name().startswith("pg_dump")]

    assert_nothing_left(tmp_path, outcome)
    assert [line.partition(":")[0] for line in outcome.failures] == ["target", "no backup was kept"]
    assert "warehouse_target at 127.0.0.1" in outcome.failures[0]
    assert "stopped answering" in outcome.failures[0]


def test_another_backup_that_runs_is_left_alone(postgres_servers: Servers, tmp_path: Path) -> None:
    unfinished = tmp_path / ".test_20261129_010000.unfinished"
    unfinished.mkdir()
    with Directory(tmp_path, "test").locked():
        outcome = runs.run(runs.of(postgres_servers), tmp_path)

    assert outcome.exit_status == 1
    assert "Another backup or restore of test is running" in outcome.failures[0]
    assert unfinished.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_full_disk_leaves_nothing_but_the_reason(postgres_servers: Servers, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "none", small], check=True)
    try:
        outcome = runs.run(runs.of(postgres_servers), small)
        assert folders_in(small) == []
    finally:
        subprocess.run(["umount", small], check=True)
    assert outcome.exit_status == 1
    assert "No space left on device" in outcome.failures[0]


def test_a_file_that_cannot_grow_is_a_reason_too(postgres_servers: Servers, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, hard))
    try:
        outcome = runs.run(runs.of(postgres_servers), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_nothing_left(tmp_path, outcome)


def test_a_program_older_than_the_server_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="PostgreSQL 99, and pg_dump must be as new"):
        programs.find("pg_dump", 99)
    assert programs.find("pg_dump", 18).major >= 18


def test_the_password_is_on_no_command_line(
    postgres_servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    popen = subprocess.Popen

    def seen(argv: list[str], **options: object) -> object:
        started.append([str(word) for word in argv])
        return popen(argv, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", seen)
    assert runs.run(runs.of(postgres_servers), tmp_path).exit_status == 0
    assert any("pg_dump" in argv[0] for argv in started)
    assert PASSWORD not in str(started)


def test_old_backups_go_when_a_new_one_is_made(postgres_servers: Servers, tmp_path: Path) -> None:
    from tests.backup.made import NOW, committed

    old = [committed(tmp_path, "test", NOW.replace(year=2025, day=day)) for day in (1, 2, 3)]
    outcome = runs.run(runs.of(postgres_servers, backup={"keep_count": 2}), tmp_path)

    assert outcome.folder is not None
    assert folders_in(tmp_path) == [old[2].folder.name, outcome.folder.name]


def test_a_failed_backup_deletes_no_old_one(postgres_servers: Servers, tmp_path: Path) -> None:
    from tests.backup.made import NOW, committed

    kept = committed(tmp_path, "test", NOW.replace(year=2025))
    pipeline = runs.of(postgres_servers)
    broken = pipeline.model_copy(update={"target": pipeline.target.model_copy(update={"database": "not_there"})})
    outcome = runs.run(broken, tmp_path)

    assert outcome.exit_status == 1
    assert folders_in(tmp_path) == [kept.folder.name]


def test_the_database_is_as_it_was_while_a_dump_runs(postgres_servers: Servers) -> None:
    # a pooler of other tests keeps its sessions, after a query of its own
    ours = (
        "SELECT pid, state, query FROM pg_stat_activity WHERE application_name = 'cdcproof' AND query <> 'DISCARD ALL'"
    )
    address = {"host": "127.0.0.1", "port": postgres_servers.source.port, "user": "postgres", "password": PASSWORD}
    with psycopg.connect(**address, autocommit=True) as session:
        # the server ends a session a moment after its client
        wait_until(
            lambda: session.execute(ours).fetchall(), lambda found: not found, what="no session", deadline_seconds=10
        )


def test_a_backup_that_is_interrupted_says_so_and_leaves_nothing(postgres_servers: Servers, tmp_path: Path) -> None:
    def interrupt(step: str) -> None:
        if step == "verify":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.run(runs.of(postgres_servers), tmp_path, interrupt)

    assert folders_in(tmp_path) == []
    (log,) = tmp_path.glob("backup_*.log")
    assert "✗ the backup was ended: interrupted" in log.read_text()
