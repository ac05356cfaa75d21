"""One limit on the time of a whole run of checks, beside the limits of single calls.

This is for whatever no call's own limit ends: the check that hangs is *not checked*, and so is every check after it.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from cdcproof.core.time_limit import end_at_once_if_stuck, time_limit
from cdcproof.core.waiting import Deadline
from cdcproof.pytest_plugin.options import soak_seconds, time_limit_seconds

_LOOKING_SECONDS = 600.0
_COMPARING_SECONDS = 7200.0
"""The suites below reconcile every table."""
_COMPARING_SUITES = ("validate", "staging", "premaintenance")
_CLEANING_UP_SECONDS = 120.0
"""What a check has made is taken away even when the time is over."""


class TimeLimit:
    """The limit of this process's run: with xdist each worker has one of its own."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._deadline = Deadline(0)
        self._status = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Start the clock, now that it is known what is run."""
        seconds = time_limit_seconds(self._config)
        if seconds is None:
            compares = any(item.get_closest_marker(suite) for item in session.items for suite in _COMPARING_SUITES)
            seconds = _LOOKING_SECONDS + (_COMPARING_SECONDS + soak_seconds(self._config) if compares else 0)
        self._deadline = Deadline(seconds)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Bound what the check's fixtures look at."""
        return (yield from self._bounded(item, self._deadline.remaining_seconds))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Bound the check."""
        return (yield from self._bounded(item, self._deadline.remaining_seconds))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """Bound the cleaning up."""
        return (yield from self._bounded(item, self._deadline.remaining_seconds + _CLEANING_UP_SECONDS))

    def _bounded(self, item: pytest.Item, seconds: float) -> Generator[None]:
        if not item.get_closest_marker("runbook"):
            return (yield)
        with time_limit(
            seconds,
            f"The run's limit of {self._deadline.seconds:g} s was over before this check had ended.",
            "See what did not answer in time; a run that needs longer gets it by --time-limit.",
        ):
            return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Remember the exit status."""
        self._status = int(exitstatus)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """End the program when what hung would keep it from ending."""
        if self._deadline.passed and self._deadline.seconds:
            end_at_once_if_stuck(self._status)
