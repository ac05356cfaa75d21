"""Two real PostgreSQL servers with a schema that a test module has for itself, and the engine over them.

Use it by the fixture `sides` of tests/reconcile/conftest.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql

from cdcproof.core.secrets import Secret
from cdcproof.core.waiting import Deadline
from cdcproof.databases.connections import connect
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.databases.names import TableName
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.engine import Endpoint, Options, Run, reconcile
from cdcproof.reconcile.in_flight.fence import Crossing, Fence, Method
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.report.result import TableResult
from tests.postgres_server import PASSWORD, Server, Servers


@dataclass(frozen=True)
class FenceThen:
    """A fence that does something while it is crossed, and takes no time."""

    then: Callable[[], None] = lambda: None
    method: Method = "position"
    takes_time: bool = True

    def cross(self, tell: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
        self.then()
        return Crossing(self.method, "0/1", 0.0)


class Unwatched:
    """Nobody looks on."""

    def doing(self, table: str, what: str, rows: int = 0, of: int = 0) -> None:
        pass

    def finished(self, table: str) -> None:
        pass


@dataclass(frozen=True)
class Sides:
    """Both servers, the schema that tables without a schema of their own are in, and how contents are read."""

    servers: Servers
    schema: str
    columnar: Columnar
    strategy: Strategy | None

    @property
    def source(self) -> Server:
        return self.servers.source

    @property
    def target(self) -> Server:
        return self.servers.target

    def both(self, *statements: str | sql.Composable) -> None:
        """Run statements at both sides."""
        for server in (self.source, self.target):
            server.execute(*statements)

    def name(self, table: str) -> str:
        """The table's name, quoted, with its schema."""
        return sql.Identifier(self.schema, table).as_string()

    def table(
        self,
        table: str,
        columns: str,
        source: Sequence[Sequence[Any]] = (),
        target: Sequence[Sequence[Any]] = (),
        *,
        target_columns: str = "",
    ) -> None:
        """Make a table anew, with these rows."""
        for server, defined, rows in (
            (self.source, columns, source),
            (self.target, target_columns or columns, target),
        ):
            server.execute(
                f"DROP TABLE IF EXISTS {self.name(table)} CASCADE", f"CREATE TABLE {self.name(table)} ({defined})"
            )
            server.insert(self.name(table).replace("%", "%%"), rows)

    def pair(self, table: str, **more: Any) -> TablePair:
        """The table of this name in the schema of both sides, and what a pipeline file says of it."""
        return TablePair(table, TableName(self.schema, table), TableName(self.schema, table), **more)

    def endpoint(self, server: Server, **changes: Any) -> Endpoint:
        """A side as the command opens it."""
        config = server.config(**changes)
        return Endpoint("postgresql", "test", lambda: connect(config, Secret(PASSWORD)))

    def run(self, options: Options | None = None, fence: Fence | None = None) -> Run:
        """What the engine is asked, but for the tables."""
        crossed = fence or FenceThen()
        asked = replace(options or Options(validate_checksums=True), strategy=self.strategy)
        ends = self.endpoint(self.source), self.endpoint(self.target)
        return Run(*ends, lambda _: crossed, asked, Unwatched(), self.columnar)

    def results(
        self, *tables: str | TablePair, options: Options | None = None, fence: Fence | None = None
    ) -> list[TableResult]:
        """Compare; the results in the order of the tables."""
        pairs = [self.pair(table) if isinstance(table, str) else table for table in tables]
        found = {result.table: result for result in reconcile(self.run(options, fence), pairs)}
        return [found[pair.name] for pair in pairs]

    def result(
        self, table: str, *, options: Options | None = None, fence: Fence | None = None, **more: Any
    ) -> TableResult:
        """Compare one table."""
        return self.results(self.pair(table, **more), options=options, fence=fence)[0]
