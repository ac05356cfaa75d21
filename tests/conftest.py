"""Fixtures for the tests of cdcproof."""

from __future__ import annotations

import pytest

from tests.plugin_project import Project


@pytest.fixture
def project(request: pytest.FixtureRequest) -> Project:
    """A project of checks; the test module that asks for it enables pytester."""
    return Project(request.getfixturevalue("pytester"))
