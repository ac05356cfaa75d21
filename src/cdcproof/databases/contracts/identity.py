"""Which database a session leads to, whatever its address is. Data only.

Whatever is stored about a database carries its identity, and speaks only for a database with an equal one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """A database, and the history that it is in.

    `server` is PostgreSQL's system identifier; SQL Server's name, or the identifier of the database in its availability
    group, which all replicas share. `database` is its name. `made` changes when the database is dropped and made again: its oid, or
    the time of its creation. `history` changes when changes that were seen may be undone, by a failover or a restore: PostgreSQL's
    timeline, SQL Server's recovery fork.

    `unknown` says what the account may not read, and what stands in its place; empty where nothing is missing.
    """

    server: str
    database: str
    made: str
    history: str
    unknown: str = ""

    def is_same_database(self, other: Identity) -> bool:
        """Whether both are one database, be it before and after a failover or a restore."""
        return (self.server, self.database, self.made) == (other.server, other.database, other.made)

    def of_database(self) -> str:
        """The database alone, as people read it: the same before and after a failover."""
        return " ".join(filter(None, (self.database, f"({self.made})" if self.made else "", "of", self.server)))

    def __str__(self) -> str:
        return f"{self.of_database()}, history {self.history or 'unknown'}"
