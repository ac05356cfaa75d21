"""TLS to PostgreSQL: both servers with certificates of a private authority, by every way in which we connect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdcproof.backup.parts import postgresql_programs
from cdcproof.core.errors import RefusedError
from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect, connect_for_diagnosis, connect_for_health
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.pipeline.model import Database
from tests.certificates import Authority
from tests.postgres_server import PASSWORD, Servers
from tests.tls_proxy import encrypting

pytest_plugins = ["tests.postgres_server"]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def encrypted(postgres_servers: Servers, authority: Authority) -> Iterator[Servers]:
    """Both servers behind TLS, for localhost alone."""
    certificate = authority.issue("postgresql", "localhost")
    with ExitStack() as stack:
        source, target = (
            replace(
                server,
                port=stack.enter_context(encrypting((server.host, server.port), certificate, postgresql=True)),
            )
            for server in (postgres_servers.source, postgres_servers.target)
        )
        yield Servers(source, target)


def in_use(database: Database) -> bool:
    """Whether libpq speaks TLS."""
    with connect(database) as session:
        assert session.query("SELECT 1") == [(1,)]  # type: ignore[attr-defined]
        return session.driver.pgconn.ssl_in_use  # type: ignore[attr-defined, no-any-return]


def test_a_known_authority_encrypts_both_sides(encrypted: Servers, authority: Authority) -> None:
    for server in (encrypted.source, encrypted.target):
        assert in_use(server.config(host="localhost", ca_file=authority.file)) is True
    known = encrypted.source.config(host="localhost", ca_file=authority.file)
    with connect_for_health(known), connect_for_diagnosis(known):
        pass


def test_the_stream_and_postgresqls_programs_are_encrypted_too(encrypted: Servers, authority: Authority) -> None:
    known = encrypted.source.config(host="localhost", ca_file=authority.file)
    with connect(known) as session, Columnar(None) as columnar:
        duckdb = columnar._loading.connection()  # type: ignore[attr-defined]
        address = session.address().reveal()  # type: ignore[attr-defined]
        assert "verify-full" in address
        literal = "'" + address.replace("'", "''") + "'"
        duckdb.execute(f"ATTACH {literal} AS source (TYPE postgres, READ_ONLY)")
        assert duckdb.execute("FROM postgres_query('source', 'SELECT 7')").fetchall() == [(7,)]
        wrong = literal.replace("localhost", "127.0.0.1")
        with pytest.raises(Exception, match="does not match host name"):
            duckdb.execute(f"ATTACH {wrong} AS other (TYPE postgres, READ_ONLY)")

    settings = postgresql_programs.environment(known, Secret(PASSWORD))
    assert (settings["PGSSLMODE"], settings["PGSSLROOTCERT"]) == ("verify-full", str(authority.file))
    assert postgresql_programs.environment(encrypted.source.config(), Secret(PASSWORD))["PGSSLMODE"] == "verify-full"


@pytest.mark.parametrize("demanded", [{}, {"encrypt": True}])
def test_an_unknown_authority_is_refused_by_default(encrypted: Servers, demanded: dict[str, Any]) -> None:
    """Nothing is said of TLS in the file, or only that there must be some: a certificate that nobody vouches for is none."""
    for server in (encrypted.source, encrypted.target):
        with pytest.raises(RefusedError, match="its certificate cannot be verified") as caught:
            in_use(server.config(host="localhost", **demanded))
        assert "ca_file" in caught.value.remedy


def test_another_authority_and_a_file_that_is_none(encrypted: Servers, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other").file
    for file in (other, tmp_path / "absent.pem"):
        with pytest.raises(RefusedError, match="its certificate cannot be verified") as caught:
            in_use(encrypted.target.config(host="localhost", ca_file=file))
        assert "ca_file" in caught.value.remedy


def test_another_host_name(encrypted: Servers, authority: Authority) -> None:
    with pytest.raises(RefusedError, match=r"its certificate is not for the name 127\.0\.0\.1") as caught:
        in_use(encrypted.target.config(ca_file=authority.file))
    assert "host" in caught.value.remedy


def test_who_accepts_it_unseen_says_so(encrypted: Servers) -> None:
    assert in_use(encrypted.target.config(trust_server_certificate=True)) is True


def test_libpqs_own_variable_names_the_authority(
    encrypted: Servers, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(authority.file))
    assert in_use(encrypted.target.config(host="localhost")) is True


def test_a_server_without_tls(postgres_servers: Servers, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_use(postgres_servers.target.config()) is False, "as before, where nobody demands it"
    assert in_use(postgres_servers.target.config(encrypt=False)) is False
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")  # another server than is named
    programs = postgresql_programs.environment(postgres_servers.target.config(), Secret(PASSWORD))
    assert programs["PGSSLMODE"] == "disable"
    assert "PGHOSTADDR" not in programs
    for demanded in ({"encrypt": True}, {"ca_file": authority.file}):
        with pytest.raises(RefusedError, match="it has no TLS") as caught:
            in_use(postgres_servers.target.config(**demanded))
        assert "encrypt" in caught.value.remedy
