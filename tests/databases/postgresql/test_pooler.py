"""Sessions through a pooler: one that refuses the options of a session's start, and PgBouncer itself where it is installed."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from cdcproof.core.errors import CdcproofError, RefusedError, UnreachableError
from cdcproof.core.secrets import Secret
from cdcproof.core.waiting import wait_until
from cdcproof.databases.connections import connect
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.databases.postgresql.database import PostgreSQL
from cdcproof.databases.postgresql.settings import SETTINGS
from tests.postgres_server import PASSWORD, USER, Server, Servers, _free_port

pytest_plugins = ["tests.postgres_server"]

REFUSALS = [
    "unsupported startup parameter: options",
    "unsupported startup parameter in options: default_transaction_read_only",
    "Feature not supported: RDS Proxy currently doesn't support command-line options.",
]


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)


@contextmanager
def pooler(server: Server, refusal: str, parameter: str = "options") -> Iterator[int]:
    """A port that refuses a start with this parameter in it, and else leads to the server, a session for each."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:

        def serve() -> None:
            while True:
                with suppress(OSError):
                    client, _ = listener.accept()
                    threading.Thread(target=one, args=(client,), daemon=True).start()
                    continue
                return

        def one(client: socket.socket) -> None:
            with client, suppress(OSError):
                start = _start_of(client)
                if f"\0{parameter}\0".encode() in start:
                    body = b"SFATAL\0C08P01\0M" + refusal.encode() + b"\0\0"
                    client.sendall(b"E" + struct.pack("!I", len(body) + 4) + body)
                    return
                with socket.create_connection((server.host, server.port)) as upstream:
                    upstream.sendall(start)
                    back = threading.Thread(target=_relay, args=(upstream, client), daemon=True)
                    back.start()
                    _relay(client, upstream)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        yield listener.getsockname()[1]


def _start_of(client: socket.socket) -> bytes:
    """The first message that is a start; TLS is declined as a server without it does. Raises `OSError` where the client leaves then."""
    while True:
        head = client.recv(4, socket.MSG_WAITALL)
        if not head:
            raise ConnectionResetError
        size = struct.unpack("!I", head)[0]
        body = client.recv(size - 4, socket.MSG_WAITALL)
        if struct.unpack("!I", body[:4])[0] not in (80877103, 80877104):
            return head + body
        client.sendall(b"N")


def _relay(here: socket.socket, there: socket.socket) -> None:
    with suppress(OSError):
        while data := here.recv(65536):
            there.sendall(data)
        there.shutdown(socket.SHUT_WR)


def settings_of(session: PostgreSQL) -> dict[str, str]:
    names = [*SETTINGS, "statement_timeout"]
    return {name: session.query("SELECT current_setting(%s)", (name,))[0][0] for name in names}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_behind_a_pooler_that_takes_no_options_a_session_has_the_same_settings(
    postgres_servers: Servers, refusal: str
) -> None:
    server = postgres_servers.source
    with PostgreSQL(server.config(), Secret(PASSWORD), 7) as direct:
        wanted = settings_of(direct)
    with (
        pooler(server, refusal) as port,
        PostgreSQL(server.config(port=port), Secret(PASSWORD), 7) as pooled,
        pooled.snapshot(),
        pooled.beside()() as beside,
    ):
        assert settings_of(pooled) == settings_of(beside) == wanted
    assert (wanted["default_transaction_read_only"], wanted["statement_timeout"]) == ("on", "7s")


def test_the_stream_has_the_settings_too(postgres_servers: Servers) -> None:
    server = postgres_servers.source
    with (
        pooler(server, REFUSALS[0]) as port,
        PostgreSQL(server.config(port=port), Secret(PASSWORD), 7) as pooled,
        Columnar() as columnar,
        columnar.side(pooled) as side,
        side.snapshot(),
    ):
        rows = side._rows  # type: ignore[attr-defined]
        asked = "FROM postgres_query(?, 'SELECT current_setting(''statement_timeout'') AS found')"
        assert rows._cursor.execute(asked, [rows._name]).fetchall() == [("7s",)]


def test_what_else_a_pooler_refuses_is_named_and_the_server_asked_for(postgres_servers: Servers) -> None:
    server = postgres_servers.source
    with (
        pooler(server, "unsupported startup parameter: application_name", "application_name") as port,
        pytest.raises(RefusedError) as raised,
        connect(server.config(port=port)),
    ):
        pass
    assert (
        "does not take what a session starts with: unsupported startup parameter: application_name"
        in raised.value.message
    )
    assert raised.value.remedy.startswith("This is a pooler. Name the server itself")


PGBOUNCER = shutil.which("pgbouncer")
needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")


@pytest.fixture
def pgbouncer(postgres_servers: Servers, tmp_path: Path) -> Iterator[Callable[..., int]]:
    server = postgres_servers.source
    with ExitStack() as stack:

        def start(**settings: str) -> int:
            port = _free_port()
            users = tmp_path / "users"
            users.write_text(f'"{USER}" "{PASSWORD}"\n')
            told = {
                "listen_addr": "127.0.0.1",
                "listen_port": port,
                "unix_socket_dir": "",
                "auth_type": "plain",
                "auth_file": users,
                **settings,
            }
            lines = ["[databases]", f"* = host={server.host} port={server.port}", "[pgbouncer]"]
            file = tmp_path / "pgbouncer.ini"
            file.write_text("\n".join([*lines, *(f"{key} = {value}" for key, value in told.items())]))
            account = {}
            if os.geteuid() == 0:  # PgBouncer refuses root
                for place in (tmp_path, *tmp_path.parents):
                    if place.is_relative_to(tmp_path.parents[2]):
                        place.chmod(place.stat().st_mode | 0o055)
                users.chmod(0o644)
                account = {"user": "nobody"}
            log = stack.enter_context((tmp_path / "log").open("wb"))
            assert PGBOUNCER
            running = subprocess.Popen([PGBOUNCER, file], stdout=log, stderr=log, **account)  # type: ignore[call-overload]
            stack.callback(running.wait, 10)
            stack.callback(running.terminate)

            def answers() -> bool:
                try:
                    psycopg.connect(
                        host="127.0.0.1", port=port, user=USER, password=PASSWORD, dbname="postgres"
                    ).close()
                except psycopg.OperationalError as error:
                    raise UnreachableError(f"{error}\n{(tmp_path / 'log').read_text()}") from None
                return True

            wait_until(answers, bool, what="PgBouncer", deadline_seconds=15)
            return port

        yield start


@needs_pgbouncer
@pytest.mark.parametrize("ignored", ["", "options"])
def test_pgbouncer_in_session_mode_is_as_good_as_the_server(
    postgres_servers: Servers, pgbouncer: Callable[..., int], ignored: str
) -> None:
    port = pgbouncer(pool_mode="session", ignore_startup_parameters=ignored or "extra_float_digits")
    server = postgres_servers.source
    with PostgreSQL(server.config(), Secret(PASSWORD), 7) as direct:
        wanted = settings_of(direct)
    with PostgreSQL(server.config(port=port), Secret(PASSWORD), 7) as pooled:
        assert settings_of(pooled) == wanted
    # what was set does not reach the next who is given the server's session
    with psycopg.connect(host="127.0.0.1", port=port, user=USER, password=PASSWORD, dbname="postgres") as next_one:
        assert next_one.execute("SHOW default_transaction_read_only").fetchall() == [("off",)]


@needs_pgbouncer
def test_a_pool_of_one_session_in_session_mode_works(postgres_servers: Servers, pgbouncer: Callable[..., int]) -> None:
    port = pgbouncer(pool_mode="session", default_pool_size="1")
    with PostgreSQL(postgres_servers.source.config(port=port), Secret(PASSWORD), 7) as pooled:
        assert settings_of(pooled)["TimeZone"] == "UTC"


@needs_pgbouncer
@pytest.mark.parametrize("ignored", ["", "options"])
def test_pgbouncer_in_transaction_mode_is_refused_and_left_as_it_was(
    postgres_servers: Servers, pgbouncer: Callable[..., int], ignored: str
) -> None:
    port = pgbouncer(pool_mode="transaction", ignore_startup_parameters=ignored or "extra_float_digits")
    config = postgres_servers.source.config(port=port)
    with pytest.raises(CdcproofError, match="gives each transaction a session of its own") as raised, connect(config):
        pass
    assert "pool_mode = session" in raised.value.remedy
    with psycopg.connect(host="127.0.0.1", port=port, user=USER, password=PASSWORD, dbname="postgres") as other:
        assert other.execute("SHOW default_transaction_read_only").fetchall() == [("off",)]
