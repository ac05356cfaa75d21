"""The two engines of databases, and what a session has to know of a database. Reading a pipeline file takes more, and a tenth of a second."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

Engine = Literal["sqlserver", "postgresql"]
DEFAULT_PORTS: dict[Engine, int] = {"sqlserver": 1433, "postgresql": 5432}
DEFAULT_SCHEMAS: dict[Engine, str] = {"sqlserver": "dbo", "postgresql": "public"}
WITHOUT_PASSWORD = frozenset(("Windows", "ActiveDirectoryIntegrated", "ActiveDirectoryMsi"))
"""Logins to SQL Server for which the driver asks the machine."""


class DatabaseAddress(Protocol):
    """Where a database is and whose account we use: a `pipeline.Database`, or what the flags of a command say."""

    @property
    def type(self) -> Engine:
        """Whose it is."""
        ...

    @property
    def host(self) -> str:
        """A name or an address."""
        ...

    @property
    def port(self) -> int:
        """From 1 to 65535."""
        ...

    @property
    def database(self) -> str:
        """Its name."""
        ...

    @property
    def user(self) -> str:
        """Our account."""
        ...

    @property
    def password_env(self) -> str:
        """The environment variable that holds its password."""
        ...

    @property
    def publication(self) -> str | None:
        """PostgreSQL source only: the publication that the source connector reads."""
        ...

    @property
    def slot(self) -> str | None:
        """PostgreSQL source only: the replication slot that the source connector reads."""
        ...

    @property
    def encrypt(self) -> bool | None:
        """Whether TLS is demanded; None: of SQL Server it is, PostgreSQL's is used where the server has it."""
        ...

    @property
    def ca_file(self) -> Path | None:
        """PostgreSQL only: the certificate of the authority that signed the server's."""
        ...

    @property
    def host_name_in_certificate(self) -> str | None:
        """SQL Server only: the name in the certificate, where it is not the host's."""
        ...

    @property
    def authentication(self) -> str | None:
        """SQL Server only: how the account logs in, where it is not by name and password of the server's own."""
        ...

    @property
    def trust_server_certificate(self) -> bool:
        """Accept a certificate that no known authority signed."""
        ...

    @property
    def multi_subnet_failover(self) -> bool:
        """SQL Server only: the host is a listener with an address in each of several subnets."""
        ...
