"""A SQL Server that knows the statements of backup and restore, and no data: for what our side of the conversation does."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cdcproof.databases.sqlserver.queries import backup, catalogue
from cdcproof.pipeline import model as pipeline
from tests.tds_server import Answer, Refusal
from tests.tsql_values import Int, Text


@dataclass
class FakeServer:
    """Its answers. `rows` is the number of rows of its one table, each time it is asked; a refusal is given once by its statement's beginning.

    `databases` are their names; `root` stands for the root of the server's own machine.
    """

    root: Path
    rows: list[int] = field(default_factory=lambda: [5])
    edition: int = 3
    databases: list[str] = field(default_factory=lambda: ["master", "warehouse"])
    refusals: dict[str, Refusal] = field(default_factory=dict)
    modes: list[int] = field(default_factory=list)
    """Of the file that is restored, and of the two folders above."""
    done: list[str] = field(default_factory=list)
    """Statements that are no SELECT."""

    def answer(self, statement: str, parameters: list[Any]) -> Answer:
        for beginning in list(self.refusals):
            if statement.startswith(beginning):
                raise self.refusals.pop(beginning)
        known: dict[str, Answer] = {
            catalogue.VERSION: (("v", "e"), [(Text("16.0.4200.1"), Text("Developer Edition"))]),
            catalogue.IDENTITY: (("s", "d", "m", "f"), [(Text("SQL1"), Text("warehouse"), Text("2026-01-01"), True)]),
            catalogue.RECOVERY_FORK: (("f",), [(Text("AF0C"),)]),
            catalogue.DATABASE_STATE: (("c", "s"), [(True, Int(0, 8))]),
            catalogue.CAPTURED: (("s", "t"), [(Text("dbo"), Text("customers"))]),
            catalogue.LOG_END: (("l",), [(Text("00000027:00000ac0:0003"),)]),
            catalogue.LOG_SCANS: (("s", "e", "r", "l", "c"), []),
            backup.EDITION: (("e", "v"), [(Int(self.edition), Int(16))]),
            backup.PROPERTIES: (
                ("o", "r", "c", "i"),
                [(Text("sa"), Text("FULL"), Text("SQL_Latin1_General_CP1_CI_AS"), True)],
            ),
            backup.TABLES: (("s", "t"), [(Text("dbo"), Text("customers"))]),
            backup.DATABASES: (("n",), [(Text(name),) for name in sorted(self.databases)]),
            backup.DEFAULT_FOLDERS: (("d", "l"), [(Text("/var/opt/mssql/data/"), Text("/var/opt/mssql/log/"))]),
        }
        if statement in known:
            return known[statement]
        if statement.startswith("SELECT COUNT_BIG(*), CHECKSUM_AGG"):
            rows = self.rows[0] if len(self.rows) == 1 else self.rows.pop(0)
            return (("n", "c"), [(Int(rows, 64), Int(rows * 7))])
        if statement.lstrip().startswith("SET "):
            return None
        self.done.append(statement)
        return self._act(statement)

    def _act(self, statement: str) -> Answer:
        disk = re.search(r"DISK = N'((?:[^']|'')*)'", statement)
        file = self.root / disk[1].replace("''", "'").lstrip("/") if disk else self.root
        if statement.startswith("BACKUP DATABASE"):
            file.write_bytes(b"TAPE" + b"page" * 1000)
        elif statement.startswith("RESTORE") and not file.read_bytes().startswith(b"TAPE"):
            raise Refusal(3241, "The media family is incorrectly formed.")
        if statement.startswith("RESTORE FILELISTONLY"):
            return (
                ("LogicalName", "PhysicalName", "Type"),
                [
                    (Text("w"), Text("/var/opt/mssql/data/w.mdf"), Text("D")),
                    (Text("w_log"), Text("/var/opt/mssql/data/w_log.ldf"), Text("L")),
                ],
            )
        if statement.startswith("RESTORE DATABASE"):
            self.modes = [path.stat().st_mode & 0o777 for path in (file, file.parent, file.parents[1])]
        if found := re.match(r"RESTORE DATABASE \[(.*?)\] FROM", statement):
            self.databases.append(found[1])
        elif found := re.fullmatch(r"ALTER DATABASE \[(.*?)\] MODIFY NAME = \[(.*?)\]", statement):
            self.databases.remove(found[1])
            self.databases.append(found[2])
        elif found := re.fullmatch(r"DROP DATABASE \[(.*?)\]", statement):
            self.databases.remove(found[1])
        return None


def config(port: int) -> pipeline.Database:
    """The fake as a pipeline file names it."""
    return pipeline.Database.model_validate(
        {
            "type": "sqlserver", "host": "127.0.0.1", "port": port, "database": "warehouse", "user": "sa",
            "password_env": "MSSQL_PW", "schema": "dbo", "encrypt": False, "trust_server_certificate": True,
        }
    )  # fmt: skip
