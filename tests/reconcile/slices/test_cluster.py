"""Slices given to a Dask cluster of processes on this machine: the report of one machine, also when a worker or the scheduler is killed."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import psycopg
import pytest

from cdcproof.cli.reconcile import workers
from cdcproof.clients import dask_cluster
from cdcproof.clients.dask_cluster import connected, demand_safe
from cdcproof.core.errors import UsageError
from cdcproof.core.waiting import wait_until
from cdcproof.reconcile.checksums import checkpoint
from cdcproof.reconcile.checksums.checkpoint import Checkpoint
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.slices.distribution import Addresses, Distribution
from tests.dask_processes import Cluster
from tests.reconcile.sides import Sides
from tests.reconcile.slices.test_processes import (  # noqa: F401  fixtures among them
    LOCK,
    ROWS,
    ROWS_A_SLICE,
    _command,
    _results,
    _without_times,
    password,
    tables,
    waits_at_lock,
)

pytest_plugins = ["tests.postgres_server"]

WAITING = """SELECT a.client_port FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND NOT l.granted"""


@pytest.fixture(scope="module")
def one_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    cluster = Cluster(tmp_path_factory.mktemp("dask"))
    try:
        yield cluster
    finally:
        cluster.kill()


@pytest.fixture
def cluster(one_cluster: Cluster) -> Cluster:
    """Whole, whatever the test before has killed."""
    one_cluster.start()
    return one_cluster


@contextmanager
def _slices(sides: Sides, cluster: Cluster, at_once: int = 2) -> Iterator[Distribution]:
    addresses = Addresses(sides.source.config(), sides.target.config())
    slices = Distribution(lambda: connected(cluster.address), addresses, at_once, rows_a_slice=ROWS_A_SLICE)
    try:
        yield slices
    finally:
        slices.close()


@contextmanager
def _while_one_reads(tables: Sides, cluster: Cluster) -> Iterator[tuple[psycopg.Connection, list[TableResult]]]:  # noqa: F811
    """While a worker waits in the midst of its slice: the session that holds the lock. After it the results are in the list."""
    found: list[TableResult] = []
    waits = waits_at_lock(tables)
    with _slices(tables, cluster, at_once=1) as slices, _locking(tables) as session:
        thread = threading.Thread(target=lambda: found.extend(_results(tables, slices, "equal", source_filter=waits)))
        thread.start()
        _reader(session)
        try:
            yield session, found
        finally:
            session.execute("SELECT pg_advisory_unlock_all()")
            thread.join(120)


@contextmanager
def _locking(tables: Sides) -> Iterator[psycopg.Connection]:  # noqa: F811
    with tables.source.connect() as session:
        session.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield session


def _reader(session: psycopg.Connection, *but: int) -> int:
    """The port of a session, none of `but`, that waits at the lock."""
    rows = wait_until(
        lambda: [row[0] for row in session.execute(WAITING).fetchall() if row[0] not in but],
        bool,
        what="a worker to read",
        deadline_seconds=60,
    )
    return rows[0]  # type: ignore[no-any-return]


def test_a_cluster_gives_the_report_of_one_machine(tables: Sides, cluster: Cluster, tmp_path: Path) -> None:  # noqa: F811
    status, report = _command(tables, tmp_path / "many", "--tables=equal,wrong", f"--cluster={cluster.address}")
    alone = _command(tables, tmp_path / "one", "--tables=equal,wrong")
    assert f"slice by slice by the cluster {cluster.address}" in report["method"]
    assert (status, _without_times(report)) == (alone[0], _without_times(alone[1]))
    assert report["summary"] == {"equal": "MATCH", "wrong": "MISMATCH"}


def test_a_worker_that_is_killed_while_it_reads_costs_its_slice(tables: Sides, cluster: Cluster) -> None:  # noqa: F811
    with _while_one_reads(tables, cluster) as (session, found):
        port = _reader(session)
        (worker,) = [
            one
            for one in cluster.workers
            if any(there.laddr.port == port for there in psutil.Process(one.pid).net_connections("tcp"))
        ]
        worker.send_signal(signal.SIGKILL)
        worker.wait(30)
    (result,) = found
    assert (result.status, result.source_rows, result.target_rows) == (TableStatus.MATCH, ROWS, ROWS)


def test_a_scheduler_that_is_started_again_goes_on_with_the_run(
    tables: Sides,  # noqa: F811
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it had is lost with it: the slice is read again, by a worker of the new one."""
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 60)  # as long as a busy machine may take to start one
    with _while_one_reads(tables, cluster) as (session, found):
        before = _reader(session)
        cluster.kill_scheduler()
        cluster.start()
        _reader(session, before)
        assert found == []
    (result,) = found
    assert (result.status, result.error) == (TableStatus.MATCH, "")
    assert (result.source_rows, result.target_rows) == (ROWS, ROWS)


def test_a_run_that_lost_its_scheduler_is_not_checked_and_the_next_one_goes_on_from_it(
    tables: Sides,  # noqa: F811
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(workers, "Distribution", partial(Distribution, rows_a_slice=ROWS_A_SLICE))
    monkeypatch.setattr(checkpoint, "Checkpoint", partial(Checkpoint, save_seconds=0))
    waits = waits_at_lock(tables)
    behind = f"--source-where=equal:id <= {2 * ROWS_A_SLICE} OR {waits}"
    flags = ("--tables=equal", f"--cluster={cluster.address}", "--max-parallel=1", "--strategy=push-down", behind)
    with ThreadPoolExecutor() as pool, _locking(tables) as session:
        run = pool.submit(_command, tables, tmp_path, *flags)
        _reader(session)
        cluster.kill_scheduler()
        status, report = run.result(120)
    assert (status, report["summary"]) == (3, {"equal": "ERROR"})
    assert f"The cluster at {cluster.address} is not ready" in report["tables"][0]["error"]
    capsys.readouterr()
    assert _command(tables, tmp_path, *flags)[0] == 3, "no cluster"
    assert f"The cluster at {cluster.address} is not ready" in capsys.readouterr().err
    cluster.start()
    status, report = _command(tables, tmp_path, *flags)
    assert (status, report["summary"]) == (0, {"equal": "MATCH"})
    assert "goes on from an interrupted run" in report["tables"][0]["resumed"]
    assert (report["tables"][0]["source_rows"], report["tables"][0]["target_rows"]) == (ROWS, ROWS)


@pytest.mark.parametrize(
    ("lose", "said"),
    [
        (lambda cluster: [one.kill() for one in cluster.workers], "its scheduler has had no workers"),
        (lambda cluster: cluster.scheduler.send_signal(signal.SIGSTOP), "no scheduler has answered"),
    ],
    ids=["without workers", "a scheduler that does not answer"],
)
def test_a_cluster_from_which_nothing_can_come_back_ends_its_tables(
    tables: Sides,  # noqa: F811
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    lose: Callable[[Cluster], object],
    said: str,
) -> None:
    """Dask itself waits without end for a worker, and for the answer of a scheduler whose machine is there."""
    for name, seconds in (("CONNECT_SECONDS", 2), ("LOST_SECONDS", 1), ("_LOOKS_SECONDS", 0.1)):
        monkeypatch.setattr(dask_cluster, name, seconds)
    assert cluster.scheduler
    try:
        with _while_one_reads(tables, cluster) as (_, found):
            lose(cluster)
            wait_until(lambda: list(found), bool, what="the table's error", deadline_seconds=60)
    finally:
        cluster.scheduler.send_signal(signal.SIGCONT)
    assert [result.status for result in found] == [TableStatus.ERROR]
    assert f"The cluster at {cluster.address} was lost: for 1 s {said}" in found[0].error


@pytest.mark.parametrize(
    "address", ["tcp://scheduler:8786", "tcp://10.0.0.1:8786", "tcp://localhost.example.com:1", "tcp://0.0.0.0:8786"]
)
def test_a_scheduler_elsewhere_without_tls_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="without TLS anyone in between could run code"):
        demand_safe(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "scheduler:8786",
        "tls://scheduler",
        "ws://127.0.0.1:1",
        "tls://u:p@h:1",
        "tls://h:x",
        "inproc://1",
        "tls://h:1/p",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="give tls://HOST:PORT"):
        demand_safe(address)


@pytest.mark.parametrize(
    "address", ["tls://scheduler:8786", "tcp://127.0.0.1:8786", "tcp://[::1]:1", "tcp://localhost:1"]
)
def test_tls_and_this_machine_are_taken(address: str) -> None:
    demand_safe(address)


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"(?s)--cluster needs Dask.*cdcproof\[cluster\]"):
        dask_cluster.demand_installed()
