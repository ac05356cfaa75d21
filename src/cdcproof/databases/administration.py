"""Commands for an administrator of a database: they ask for a password, or take it from the administrator's environment."""

from __future__ import annotations

import shlex

from cdcproof.pipeline.engines import DatabaseAddress


def administer(database: DatabaseAddress, statement: str, *, name: str = "") -> str:
    """A command to be pasted by one who may: the account is theirs. `name`: another database of the same server.

    Each line of the statement is a transaction of its own. One that begins with ``#`` is advice, and stays as it is.
    """
    if statement.startswith("#"):
        return statement
    place = name or database.database
    if database.type == "sqlserver":
        command = sqlcmd(database, statement, name=place)
    else:
        words = ["psql", "-h", database.host, "-p", str(database.port), "-d", place]
        command = shlex.join([*words, *(word for line in statement.splitlines() for word in ("-c", line))])
    return f"{command}   # as an administrator"


def sqlcmd(database: DatabaseAddress, statement: str, *, name: str = "", user: str = "") -> str:
    """A statement for SQL Server. sqlcmd 18 checks the server's certificate, also where the pipeline wants no TLS: -C lets it be."""
    unchecked = ["-C"] if database.trust_server_certificate or database.encrypt is False else []
    account = ["-U", user] if user else []
    place = ["-S", f"{database.host},{database.port}", "-d", name or database.database]
    return shlex.join(["sqlcmd", *unchecked, *place, *account, "-Q", statement])
