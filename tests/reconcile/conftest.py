"""What the tests of the reconciliation share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres_server import Servers
from tests.reconcile.sides import Sides


@pytest.fixture(scope="module")
def sides(postgres_servers: Servers, request: pytest.FixtureRequest) -> Iterator[Sides]:
    """Two servers with a schema of the module's name."""
    found = Sides(postgres_servers, request.module.__name__.rpartition(".")[2])
    found.both(f"CREATE SCHEMA {found.schema}")
    yield found
    found.both(f"DROP SCHEMA {found.schema} CASCADE")
