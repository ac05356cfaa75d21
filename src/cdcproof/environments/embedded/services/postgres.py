"""The two PostgreSQL servers: the source, in place of production's SQL Server, and the target."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

from cdcproof.core import bounded
from cdcproof.environments.embedded import folders, passwords
from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.processes import running
from cdcproof.environments.embedded.processes.ports import HOST, ask
from cdcproof.environments.embedded.services import postgres_cluster
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.services.service import Service, Start, log_file
from cdcproof.environments.embedded.state import Instance

SOURCE_NAME, TARGET_NAME = "postgres-source", "postgres"
_STARTUP_MESSAGE = b"\x00\x00\x00\x29\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"


def _start(service: str, instance: Instance, parts: Parts, java_: Java) -> Start:
    """Make the server's data folder when there is none yet, and write its settings."""
    del parts, java_
    account = folders.server_account()
    bin_folder = postgres_cluster.server_programs(account)
    data = instance.folders.postgres / service
    if not postgres_cluster.is_whole(data):
        folders.make_for_databases(instance.name)
        postgres_cluster.ready()  # again: `down --remove` of another state folder may have taken it away
        postgres_cluster.make(bin_folder, data, account, passwords.of(instance).superuser)
    forget_a_dead_server(data)
    (data / "postgresql.conf").write_text(
        "".join(f"{key} = '{value}'\n" for key, value in _settings(service, instance).items()), encoding="utf-8"
    )
    (data / "pg_hba.conf").write_text(
        f"host all all {HOST}/32 scram-sha-256\nhost replication all {HOST}/32 scram-sha-256\n", encoding="utf-8"
    )
    return Start([str(bin_folder / "postgres"), "-D", str(data)], log_file(instance, service), account)


def forget_a_dead_server(data: Path) -> None:
    """Remove the lock of a server that was killed and whose process the system still knows: it keeps the next one from starting.

    Where the first process of a machine or container asks late, or never, how its children ended, that lasts.
    """
    lock = data / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError):
        pid = int(bounded.read_text(lock).splitlines()[0])
        if running.is_only_remembered(pid) and not running.works_in(
            data
        ):  # its sessions have that working directory too
            lock.unlink()


def _answers(service: str, instance: Instance) -> bool:
    """Whether the server takes connections: it then asks who we are, where one that still starts refuses.

    As pg_isready does it, at a tenth of the time (the protocol: PostgreSQL's documentation, "Message Formats").
    """
    return ask(instance.ports[service], _STARTUP_MESSAGE).startswith(b"R")


def _settings(service: str, instance: Instance) -> dict[str, object]:
    """postgresql.conf of one of the two servers."""
    common: dict[str, object] = {
        "listen_addresses": HOST,
        "port": instance.ports[service],
        "unix_socket_directories": "",
        "cluster_name": f"cdcproof-{instance.name}-{service}",
        "max_connections": 60,
        "shared_buffers": "32MB",
        "jit": "off",
        "fsync": "off",
        "full_page_writes": "off",
        "max_wal_size": "256MB",
        "wal_recycle": "off",
        "wal_init_zero": "off",
        "log_line_prefix": "%m [%p] %u@%d ",
        "log_min_error_statement": "panic",  # a statement may hold values
        "log_checkpoints": "off",
        "log_replication_commands": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "io_method": "sync",
    }
    if service == SOURCE_NAME:
        # a connector that stays away must not fill the disk; the slot is then lost, and the checks report that
        return {**common, "wal_level": "logical", "max_slot_wal_keep_size": "2GB", "wal_sender_timeout": "10s"}
    return common


SOURCE = Service(
    SOURCE_NAME, "source", {SOURCE_NAME: None}, partial(_start, SOURCE_NAME), partial(_answers, SOURCE_NAME)
)
TARGET = Service(
    TARGET_NAME, "target", {TARGET_NAME: None}, partial(_start, TARGET_NAME), partial(_answers, TARGET_NAME)
)
SERVERS = (SOURCE_NAME, TARGET_NAME)
