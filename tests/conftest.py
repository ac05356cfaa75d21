"""Fixtures for the tests of cdcproof."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin_project import Project

_LONG = tuple(Path(__file__).parent / folder for folder in ("integration", "environments/embedded"))


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a database server. Files that start a pipeline come first: the short ones keep the other worker busy."""
    for item in items:
        if "postgres_servers" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.server)
    items.sort(key=lambda item: not any(item.path.is_relative_to(folder) for folder in _LONG))


@pytest.fixture
def project(request: pytest.FixtureRequest) -> Project:
    """A project of checks; the test module that asks for it enables pytester."""
    return Project(request.getfixturevalue("pytester"))
