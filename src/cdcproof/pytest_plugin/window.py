"""What a run has to do with a maintenance window: the go or no-go that one of `premaintenance` ends in, and the lines in its header."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cdcproof.core.errors import CdcproofError
from cdcproof.maintenance import go
from cdcproof.maintenance.go import Go
from cdcproof.maintenance.journal import Actor
from cdcproof.maintenance.window import Windows, sha256
from cdcproof.pipeline.model import Pipeline
from cdcproof.pytest_plugin.reporter import Reporter


def header(config: pytest.Config, pipeline: Pipeline) -> list[str]:
    """The change that a run is about, and the window that is planned: by their digests, so that a run can be of them alone."""
    lines = []
    change = config.getoption("cdcproof_change")
    if change is not None and change.is_file():
        lines.append(go.change_line(change.name, sha256(change)))
    try:
        window = Windows.of(pipeline, Actor.here()).current()
    except CdcproofError:  # what is kept of windows is no matter of most suites; those of whom it is say so
        return lines
    return [*lines, go.plan_line(window)] if window else lines


class WindowGo:
    """Writes the go or no-go at the end of a run of the suite, in the only process or in xdist's controller."""

    def __init__(self, config: pytest.Config, pipeline: Callable[[], Pipeline]) -> None:
        self._config = config
        self._pipeline = pipeline
        self._lines: list[str] = []
        self._is_go = False

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write it; what is no go does not end with 0."""
        reporter = self._config.pluginmanager.get_plugin("cdcproof_reporter")
        run = reporter.run if isinstance(reporter, Reporter) else None
        if run is None or go.SUITE not in run.suites:
            return
        try:
            window = Windows.of(self._pipeline(), Actor.here()).demand()
            given = go.judged(run, window)
            path = str(go.write(given, window))
        except CdcproofError as error:
            given, path = Go(False, "", "", "", (error.message,)), ""
        self._is_go = given.go
        self._lines = [f"{given.word}  {path}".rstrip(), *(f"  {line}" for line in (*given.reasons, *given.notes))]
        if not given.go and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print it last."""
        for line in self._lines:
            terminalreporter.write_line(line, bold=True, green=self._is_go, red=not self._is_go)
