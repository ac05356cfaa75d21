"""Fixtures for the tests of cdcproof."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from cdcproof.core import secrets
from tests.drills.detections import DETECTIONS
from tests.plugin_project import Project

if TYPE_CHECKING:
    from tests.integration.conftest import Pipelines

_TESTS = Path(__file__).parent
LONGEST_FIRST = (
    *(
        f"integration/test_{name}.py"
        for name in ("morning_faults", "in_flight", "validate", "staging_gate", "connectors")
    ),
    *("drills", "integration"),
    "environments/embedded",
    *("databases/sqlserver/queries/test_judges.py", "databases/sqlserver/test_drivers.py", "reconcile"),
)
"""Minutes, then what starts a pipeline, then half minutes; all else is short. A worker that begins a long file last is waited for."""


settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a database server, and put what takes long first."""
    for item in items:
        if "postgres_servers" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.server)
    items.sort(key=lambda item: _place(item.path))


def pytest_collection_finish() -> None:
    """What was collected stays to the end: a tenth of the tests' processor time went into looking whether it is garbage."""
    gc.freeze()


@cache  # of each file once, not of each test
def _place(path: Path) -> int:
    return next((n for n, place in enumerate(LONGEST_FIRST) if path.is_relative_to(_TESTS / place)), len(LONGEST_FIRST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Measure how long a drill takes to see its fault; one that fails proves nothing."""
    DETECTIONS.begin(item.nodeid)
    yield
    DETECTIONS.keep()


@pytest.fixture(autouse=True)
def _own_secrets() -> Iterator[None]:
    """What a test makes known as a secret, "backup" for example, is one in no other test."""
    before = set(secrets._known)
    yield
    secrets._known.clear()
    secrets._known.update(before)


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipelines]:
    """The embedded pipeline that the integration tests and the drills of a worker share."""
    from tests.integration.conftest import started  # no other test needs what it loads

    yield from started(tmp_path_factory)


@pytest.fixture
def healthy(pipelines: Pipelines) -> Iterator[Pipelines]:
    """That pipeline, healthy before the test; green again once the test has healed it."""
    from tests.integration.conftest import kept_healthy

    yield from kept_healthy(pipelines)


@pytest.fixture
def project(request: pytest.FixtureRequest) -> Project:
    """A project of checks; the test module that asks for it enables pytester."""
    return Project(request.getfixturevalue("pytester"))
