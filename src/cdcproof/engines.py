"""The two engines of databases, and what a door has to know of a database. Reading a pipeline file takes more, and a tenth of a second."""

from __future__ import annotations

from typing import Literal, Protocol

Engine = Literal["sqlserver", "postgresql"]
DEFAULT_PORTS: dict[Engine, int] = {"sqlserver": 1433, "postgresql": 5432}
DEFAULT_SCHEMAS: dict[Engine, str] = {"sqlserver": "dbo", "postgresql": "public"}


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
    def encrypt(self) -> bool:
        """TLS to SQL Server; PostgreSQL negotiates by itself."""
        ...

    @property
    def trust_server_certificate(self) -> bool:
        """SQL Server only: accept a certificate that no known authority signed."""
        ...

    @property
    def multi_subnet_failover(self) -> bool:
        """SQL Server only: the host is a listener with an address in each of several subnets."""
        ...
