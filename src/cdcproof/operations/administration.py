"""Commands for an administrator of a database: they ask for a password, or take it from the administrator's environment."""

from __future__ import annotations

import shlex

from cdcproof.engines import DatabaseAddress


def administer(database: DatabaseAddress, statement: str, *, name: str = "") -> str:
    """A command to be pasted by one who may: the account is theirs. `name`: another database of the same server.

    Each line of the statement is a transaction of its own. One that begins with ``#`` is advice, and stays as it is.
    """
    if statement.startswith("#"):
        return statement
    place = name or database.database
    if database.type == "sqlserver":
        words = ["sqlcmd", "-S", f"{database.host},{database.port}", "-d", place, "-Q", statement]
    else:
        words = ["psql", "-h", database.host, "-p", str(database.port), "-d", place]
        words += [word for line in statement.splitlines() for word in ("-c", line)]
    return f"{shlex.join(words)}   # as an administrator"
