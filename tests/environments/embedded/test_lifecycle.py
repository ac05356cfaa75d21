"""Whatever happens to the embedded pipeline, `up` brings it back. One instance of its own; nothing is simulated."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cdcproof.core.errors import OperationError
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import wait_until
from cdcproof.environments.embedded import lifecycle, services, state
from cdcproof.environments.embedded.data import databases, replication
from cdcproof.environments.embedded.environment import Embedded
from cdcproof.environments.embedded.processes import log_writer, ports, running
from cdcproof.environments.embedded.processes.running import Process
from cdcproof.environments.embedded.services import postgres
from cdcproof.environments.embedded.state import Instance

pytestmark = pytest.mark.integration

NAME = "test-lifecycle"
CLI = [sys.executable, "-m", "cdcproof"]


@pytest.fixture(scope="module", autouse=True)
def instance_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Its folders are new and go away with it; the parts come from the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("CDCPROOF_INSTANCE", NAME)
        lifecycle.up(NAME, Progress(io.StringIO()))
        folders = state.running(NAME).folders
        yield
        lifecycle.down(NAME, Progress(io.StringIO()))
        assert running.marked(f"{folders.state}:") == {}
        lifecycle.remove(NAME, Progress(io.StringIO()))


@pytest.fixture
def reported() -> io.StringIO:
    return io.StringIO()


def up(reported: io.StringIO | None = None) -> Instance:
    return lifecycle.up(NAME, Progress(reported or io.StringIO()))


def pids(instance: Instance) -> dict[str, int]:
    return {name: process.pid for name, process in instance.processes.items()}


def down_services() -> set[str]:
    return {s.name for s in Embedded(NAME).states(services.CORE) if not s.up}


def require_a_new_row_to_arrive(instance: Instance) -> None:
    databases.source(
        instance,
        "INSERT INTO customers (customer_id, name, email) SELECT 200000 + count(*), 'Test', 'test@example.com' FROM customers",
    )
    replication.follow(instance, Progress(io.StringIO()), what="row", deadline_seconds=30)


def test_up_again_changes_nothing(reported: io.StringIO) -> None:
    before = up()
    again = up(reported)
    assert pids(again) == pids(before)
    assert again.restarts == before.restarts
    assert reported.getvalue() == ""


def test_every_service_is_up_and_answers() -> None:
    states = Embedded(NAME).states(services.CORE)
    assert {s.name: s.verdict for s in states} == dict.fromkeys(services.CORE, "up")
    assert all(s.uptime_seconds is not None and s.restarts_24h == 0 for s in states)


@pytest.mark.parametrize("service", postgres.SERVERS)
def test_what_a_database_complains_of_is_in_its_log_also_once_the_log_was_turned_over(service: str) -> None:
    instance = up()
    ask = databases.source if service == "postgres-source" else databases.target
    log = services.log_file(instance, service)
    with log.open("ab") as file:
        file.truncate(log_writer.LIMIT_BYTES)

    with pytest.raises(OperationError, match="no_such_table"):
        ask(instance, "SELECT * FROM no_such_table")

    wait_until(
        lambda: lifecycle.logs(NAME, service, 5),
        lambda reported: "no_such_table" in reported,
        what="the complaint to be in the log",
        deadline_seconds=10,
    )
    assert log.stat().st_size < 100_000
    log.with_name(f"{log.name}.1").unlink()


@pytest.mark.parametrize("service", services.CORE)
def test_a_killed_service_is_seen_and_brought_back(service: str, reported: io.StringIO) -> None:
    before = up()
    lifecycle.kill(NAME, service)
    assert down_services() == {service}

    healed = up(reported)

    changed = {name for name, pid in pids(healed).items() if pids(before)[name] != pid}
    assert changed == {service}
    assert healed.restarts_24h(service) == before.restarts_24h(service) + 1
    assert f"{service} is not running any more" in reported.getvalue()
    require_a_new_row_to_arrive(healed)


def test_a_reset_takes_the_databases_back_to_the_first_rows() -> None:
    instance = lifecycle.reset(NAME, Progress(io.StringIO()))
    rows = databases.counts(instance, "source")
    assert rows == databases.counts(instance, "target")
    assert rows["customers"] == databases.SEED.customers
    require_a_new_row_to_arrive(instance)


def test_both_sides_hold_the_same_values() -> None:
    instance = up()
    for table in databases.TABLES:
        sql = f"SELECT t::text FROM public.{table} AS t ORDER BY 1"
        assert databases.source(instance, sql) == databases.target(instance, sql)


def test_a_port_in_use_is_replaced_and_said(reported: io.StringIO) -> None:
    instance = up()
    lifecycle.kill(NAME, "kafka")
    with socket.socket() as intruder:
        intruder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        intruder.bind((ports.HOST, instance.ports["kafka"]))
        intruder.listen()
        moved = up(reported)
    assert moved.ports["kafka"] != instance.ports["kafka"]
    assert f"port {instance.ports['kafka']} of kafka is in use" in reported.getvalue()
    require_a_new_row_to_arrive(moved)


def test_a_stale_pid_that_now_is_another_process_is_left_alone() -> None:
    lifecycle.kill(NAME, "zookeeper")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"]) as other:
        stale = Process(other.pid, psutil.Process(other.pid).create_time() - 3600)
        state.save(state.running(NAME).with_process("zookeeper", stale))
        assert down_services() == {"zookeeper"}
        healed = up()
        assert other.poll() is None
        other.kill()
    assert pids(healed)["zookeeper"] != other.pid


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_an_up_that_is_stopped_in_the_middle_is_finished_by_the_next(sent: signal.Signals, status: int) -> None:
    lifecycle.down(NAME, Progress(io.StringIO()))
    mark = f"{state.load(NAME).folders.state}:"  # type: ignore[union-attr]
    with subprocess.Popen([*CLI, "up"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as half:
        wait_until(lambda: running.marked(mark), bool, what="a first process", deadline_seconds=30)
        half.send_signal(sent)
        _, error = half.communicate(timeout=60)
    assert half.returncode == status
    assert ("`cdcproof up` finishes" in error) == (sent == signal.SIGINT)
    started = running.marked(mark)
    assert started

    instance = up()

    # a broker that comes back before ZooKeeper has forgotten the last one ends, and is started again
    kept = set(started) - {"kafka"}
    assert {name: pids(instance)[name] for name in kept} == {name: started[name].pid for name in kept}
    assert sorted(p.pid for p in running.marked(mark).values()) == sorted(pids(instance).values())
    require_a_new_row_to_arrive(instance)


def test_a_process_nobody_wrote_down_is_stopped_too() -> None:
    instance = up()
    state.save(replace(instance, processes={}))
    lifecycle.down(NAME, Progress(io.StringIO()))
    assert running.marked(f"{instance.folders.state}:") == {}
    up()


def test_without_the_source_that_somebody_removed_the_instance_starts_anew(reported: io.StringIO) -> None:
    """Its offsets would be of a log that is gone: the source connector fails for ever."""
    instance = up()
    databases.source(instance, "DELETE FROM shipments WHERE shipment_id < 10")
    lifecycle.kill(NAME, "postgres-source")
    shutil.rmtree(instance.folders.postgres / "postgres-source")

    again = up(reported)

    assert f"postgres-source ({instance.folders.postgres / 'postgres-source'})" in reported.getvalue()
    assert (
        databases.counts(again, "target")
        == databases.counts(again, "source")
        == {**vars(databases.SEED), "inventory": 50}
    )
    require_a_new_row_to_arrive(again)


def ports_in_use(instance: Instance) -> set[int]:
    return {instance.ports[name] for service in instance.processes for name in services.ports_of(service)}


def test_a_full_disk_is_said_and_a_second_instance_runs_beside_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.getuid() != 0 or sys.platform != "linux":
        pytest.skip("a small file system can only be mounted by root on Linux")
    mount = tmp_path / "small"
    mount.mkdir(mode=0o755)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m,mode=755", "tmpfs", mount], check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    first = up()
    monkeypatch.setenv("XDG_STATE_HOME", str(mount))
    try:
        filler = mount / "filler"
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(mount).free)
        full = subprocess.run([*CLI, "up"], capture_output=True, text=True, timeout=150, check=False)
        assert full.returncode == 1, full.stderr
        assert "space" in full.stderr
        assert "Traceback" not in full.stderr
        filler.unlink()

        second = up()

        assert not ports_in_use(second) & ports_in_use(first)
        require_a_new_row_to_arrive(second)
        lifecycle.down(NAME, Progress(io.StringIO()))
        assert running.marked(f"{mount}/") == {}
        assert all(running.is_alive(p) for p in first.processes.values())
    finally:
        lifecycle.down(NAME, Progress(io.StringIO()))
        lifecycle.remove(NAME, Progress(io.StringIO()))
        subprocess.run(["umount", mount], check=True)
