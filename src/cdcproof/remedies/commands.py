"""Commands that can be pasted: every name in them is quoted, and they fit the pipeline and its environment. Nothing here acts."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cdcproof.databases.administration import administer
from cdcproof.environments.base import Environment
from cdcproof.pipeline.model import Database, Pipeline

Commands = tuple[str, ...]
"""From looking to acting. A line that starts with ``#`` is advice, not a command."""


@dataclass(frozen=True)
class CommandLine:
    """The command line for one pipeline in one environment. `pipeline_name` is what `--pipeline` takes for it."""

    environment: Environment
    pipeline: Pipeline
    pipeline_name: str

    def cdcproof(self, *words: str) -> str:
        """A command of ours for this pipeline in this environment."""
        elsewhere = self.environment.name != self.pipeline.environment
        env = ["--env", self.environment.name] if elsewhere else []
        return shlex.join(["cdcproof", *words, "--pipeline", self.pipeline_name, *env])

    def act(self, *words: str) -> str:
        """One that changes something: on `live` it wants to be allowed."""
        return self.cdcproof(*words) + (" --allow-acts" if self.environment.name == "live" else "")

    def deploy(self, name: str) -> list[str]:
        """See what its file would change, then apply it."""
        directory = self.pipeline.paths.connectors
        file = str((directory or Path()) / f"{name}.json")
        return [self.cdcproof("connectors", "plan", file), self.act("connectors", "apply", file)]

    def psql(self, database: Database, statement: str) -> str:
        """A statement that is only looked at, by the pipeline's own account."""
        user, name = (quote(part, safe="") for part in (database.user, database.database))
        url = f"postgresql://{user}@{database.host}:{database.port}/{name}"
        return self.environment.shell(
            f'PGPASSWORD="${database.password_env}" psql {shlex.quote(url)} -c {shlex.quote(statement)}'
        )

    def administer(self, database: Database, statement: str, *, name: str = "") -> str:
        """A statement for an administrator of the database; `name`: another database of the same server."""
        return self.environment.shell(administer(database, statement, name=name))

    def ask_connect(self, path: str) -> str:
        """Ask Kafka Connect itself."""
        connect = self.pipeline.connect
        login = ["-u", connect.user] if connect.user else []  # curl then asks for the password
        return shlex.join(["curl", "-s", *login, f"{connect.url}{path}"])
