"""What the tests of the reconciliation share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.reconcile.checksums.strategy import Strategy
from tests.postgres_server import Servers
from tests.reconcile.sides import Sides


@pytest.fixture(scope="module")
def strategy() -> Strategy | None:
    """How contents are read; a module that wants both says `pytest.mark.parametrize("strategy", Strategy, scope="module")`."""
    return None


@pytest.fixture(scope="session")
def columnar() -> Iterator[Columnar]:
    """DuckDB, loaded once."""
    with Columnar() as opened:
        yield opened


@pytest.fixture(scope="module")
def sides(
    postgres_servers: Servers, columnar: Columnar, strategy: Strategy | None, request: pytest.FixtureRequest
) -> Iterator[Sides]:
    """Two servers with a schema of the module's name."""
    found = Sides(postgres_servers, request.module.__name__.rpartition(".")[2], columnar, strategy)
    found.both(f"CREATE SCHEMA {found.schema}")
    yield found
    found.both(f"DROP SCHEMA {found.schema} CASCADE")
