"""Microsoft's ODBC driver and a server whose certificate a private authority has issued. No SQL Server runs here: it is the tests' TDS server, by TLS."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdcproof.core.errors import RefusedError
from cdcproof.core.secrets import Secret
from cdcproof.databases.sqlserver.database import SQLServer
from cdcproof.databases.sqlserver.queries import catalogue
from cdcproof.pipeline.model import Database
from tests.certificates import Authority
from tests.databases.sqlserver.test_drivers import StandIn, standing_in
from tests.tds_tls import encrypting_tds

ROOT = Path(__file__).parents[3]
PASSWORD = "over TLS alone"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[StandIn, int]]:
    certificate = Authority(tmp_path, "private").issue("sql", "127.0.0.1", "sql.corp.example")
    with standing_in() as behind, encrypting_tds(behind.server.port, certificate) as port:
        yield behind, port


def session(port: int, **changes: Any) -> SQLServer:
    settings = {"type": "sqlserver", "host": "127.0.0.1", "port": port, "database": "shop", "user": "u", "password_env": "P", "schema": "dbo"}  # fmt: skip
    return SQLServer(Database.model_validate(settings | changes), Secret(PASSWORD), 20)


@pytest.mark.parametrize("changes", [{}, {"host_name_in_certificate": "sql.corp.example"}])
def test_a_certificate_of_an_unknown_authority_is_refused_before_anything_is_sent(
    server: tuple[StandIn, int], changes: dict[str, Any]
) -> None:
    behind, port = server
    with pytest.raises(RefusedError, match="certificate verify failed") as refused, session(port, **changes):
        pass
    assert "trust_server_certificate" in refused.value.remedy
    assert PASSWORD not in str(refused.value)
    assert behind.server.logins == []


def test_one_that_is_accepted_unseen_encrypts_all_the_same(server: tuple[StandIn, int]) -> None:
    behind, port = server
    with session(port, trust_server_certificate=True) as asked:
        assert asked.query(catalogue.ISOLATION) == [(1, False)]
    assert [login["password"] for login in behind.server.logins] == [PASSWORD]


def test_a_server_that_offers_no_encryption_is_refused_unless_the_pipeline_says_so(server: tuple[StandIn, int]) -> None:
    behind, _ = server
    with pytest.raises(RefusedError) as refused, session(behind.server.port):
        pass
    assert "encrypt = false" in refused.value.remedy
    assert behind.server.logins == []
    with session(behind.server.port, encrypt=False):
        pass
    assert len(behind.server.logins) == 1


CONNECTS = """
import sys
from cdcproof.core.errors import CdcproofError
from tests.databases.sqlserver.test_tls import session
try:
    with session(int(sys.argv[1]), host_name_in_certificate=sys.argv[2] or None):
        print("connected")
except CdcproofError as error:
    print(error.message)
"""


@pytest.mark.parametrize(
    ("host", "words"),
    [("sql.corp.example", "connected"), ("", "subject name does not match host name")],
)
def test_an_authority_that_the_machine_trusts_is_enough_for_the_hosts_of_the_certificate(
    server: tuple[StandIn, int], tmp_path: Path, host: str, words: str
) -> None:
    """OpenSSL reads what it trusts once in a process. The driver compares names alone: an address in the certificate is none."""
    environment = {**os.environ, "SSL_CERT_FILE": str(tmp_path / "private.pem")}
    command = [sys.executable, "-c", CONNECTS, str(server[1]), host]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert words in done.stdout, done.stdout + done.stderr
    assert len(server[0].server.logins) == (words == "connected")
