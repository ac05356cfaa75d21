"""Slices given to a Dask cluster of processes on this machine: the report of one machine, also when a worker or the scheduler is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from cdcproof.clients import dask_cluster
from cdcproof.clients.dask_cluster import connected, demand_safe
from cdcproof.core.errors import UsageError
from cdcproof.core.waiting import wait_until
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.slices.distribution import Addresses, Distribution
from tests.postgres_server import PASSWORD
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


@dataclass(frozen=True)
class Cluster:
    """A scheduler and its workers, by their processes."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers, which have the password in their environment."""
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    folder = tmp_path_factory.mktemp("dask")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "POSTGRES_PASSWORD": PASSWORD}
    alone = ("--no-dashboard",)

    def start(module: str, *flags: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{module}", *flags, *alone]
        log = (folder / f"{module}.log").open("ab")
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    address = f"tcp://127.0.0.1:{port}"
    scheduler = start("dask_scheduler", "--host=127.0.0.1", f"--port={port}")
    workers = [start("dask_worker", address, "--no-nanny", "--nthreads=1", f"--local-directory={folder}") for _ in "ab"]
    try:
        executor = connected(address, workers=2, seconds=60)
        executor.shutdown()
        yield Cluster(address, scheduler, workers)
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait(30)


@contextmanager
def _slices(sides: Sides, cluster: Cluster, at_once: int = 2) -> Iterator[Distribution]:
    addresses = Addresses(sides.source.config(), sides.target.config())
    slices = Distribution(lambda: connected(cluster.address), addresses, at_once, rows_a_slice=ROWS_A_SLICE)
    try:
        yield slices
    finally:
        slices.close()


@contextmanager
def _while_one_reads(tables: Sides, cluster: Cluster) -> Iterator[tuple[int, list[TableResult]]]:  # noqa: F811
    """While a worker waits in the midst of its slice: the port of its session. After it the results are in the list."""
    found: list[TableResult] = []
    waits = waits_at_lock(tables)
    with _slices(tables, cluster, at_once=1) as slices, tables.source.connect() as session:
        session.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        thread = threading.Thread(target=lambda: found.extend(_results(tables, slices, "equal", source_filter=waits)))
        thread.start()
        try:
            (port,) = wait_until(
                lambda: session.execute(WAITING).fetchone() or (),
                bool,
                what="a worker to read",
                deadline_seconds=60,
            )
            yield port, found
        finally:
            session.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        thread.join(120)


def test_a_cluster_gives_the_report_of_one_machine(tables: Sides, cluster: Cluster, tmp_path: Path) -> None:  # noqa: F811
    status, report = _command(tables, tmp_path / "many", "--tables=equal,wrong", f"--cluster={cluster.address}")
    alone = _command(tables, tmp_path / "one", "--tables=equal,wrong")
    assert f"slice by slice by the cluster {cluster.address}" in report["method"]
    assert (status, _without_times(report)) == (alone[0], _without_times(alone[1]))
    assert report["summary"] == {"equal": "MATCH", "wrong": "MISMATCH"}


def test_a_worker_that_is_killed_while_it_reads_costs_its_slice(tables: Sides, cluster: Cluster) -> None:  # noqa: F811
    with _while_one_reads(tables, cluster) as (port, found):
        (worker,) = [
            one
            for one in cluster.workers
            if any(there.laddr.port == port for there in psutil.Process(one.pid).net_connections("tcp"))
        ]
        worker.send_signal(signal.SIGKILL)
        worker.wait(30)
    (result,) = found
    assert (result.status, result.source_rows, result.target_rows) == (TableStatus.MATCH, ROWS, ROWS)


def test_without_its_scheduler_a_run_is_an_error_and_none_begins(
    tables: Sides,  # noqa: F811
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 2)
    with _while_one_reads(tables, cluster) as (_, found):
        cluster.scheduler.kill()
        cluster.scheduler.wait(30)
        wait_until(lambda: list(found), bool, what="the table's error", deadline_seconds=60)
    assert [result.status for result in found] == [TableStatus.ERROR]
    assert _command(tables, tmp_path, "--tables=equal", f"--cluster={cluster.address}") == (3, {})
    assert f"The cluster at {cluster.address} is not ready" in capsys.readouterr().err


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
