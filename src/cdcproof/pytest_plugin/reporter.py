"""The half of the pytest plug-in that prints and writes: in the only process, or in xdist's controller.

It learns everything from the test reports that `pytest_plugin` made, wherever that ran.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO, cast

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.output import Sturdy
from cdcproof.evidence.journal import Journal
from cdcproof.evidence.recording import Recording
from cdcproof.findings import Verdict
from cdcproof.history import database
from cdcproof.history.entries import Measure
from cdcproof.history.keep import remember
from cdcproof.pipeline.model import HttpService
from cdcproof.pytest_plugin import options as pytest_options
from cdcproof.pytest_plugin import plan as pytest_plan
from cdcproof.pytest_plugin.plan import Plan
from cdcproof.pytest_plugin.xdist import PLAN, PlanScheduling
from cdcproof.reporting import places
from cdcproof.reporting.formats import text
from cdcproof.reporting.formats.chart import Recalled
from cdcproof.reporting.journal import suite_name
from cdcproof.reporting.judge import EvidenceBook, judge
from cdcproof.reporting.publish import Published, publish, publish_replay, write_ctrf
from cdcproof.reporting.record import Run, StepRecord
from cdcproof.reporting.suites import coverage

PROBLEM = "cdcproof_problem"
"""Key under which a worker sends the controller the reason why it refuses to run the checks."""

_LIVE = {
    Verdict.PASSED: ("passed", ".", {"green": True}),
    Verdict.WARNED: ("warned", "W", {"yellow": True}),
    Verdict.FAILED: ("FAILED", "F", {"red": True}),
    Verdict.NOT_CHECKED: ("NOT CHECKED", "N", {"red": True}),
    Verdict.BLOCKED: ("BLOCKED", "B", {"yellow": True}),
    Verdict.WAIVED: ("waived", "w", {"yellow": True}),
}


class Reporter:
    """Collects the records of a session, prints them live and at the end, and has the reports written."""

    def __init__(
        self,
        config: pytest.Config,
        pushgateway: Callable[[], HttpService | None],
        collected: Callable[[], Plan],
        notify: Callable[[Run, Sequence[str], str], Sequence[str]],
        *,
        replayed: Recording | None,
        history_keep_days: Callable[[], float],
    ) -> None:
        self._config = config
        self._notify = notify
        self._pushgateway = pushgateway
        self._collected = collected
        self._replayed = replayed
        self._history_keep_days = history_keep_days
        self._measures: list[Measure] = []
        self._evidence: Journal | None = None
        self._started_at = time.time()
        self._records: dict[str, StepRecord] = {}
        self._sent: dict[str, Any] = {}
        self._selected: frozenset[str] = frozenset()
        self._plan = Plan()
        self._problem = ""
        self._run: Run | None = None
        self._published: Published | None = None

    @property
    def run(self) -> Run | None:
        """What was recorded, once the session has ended and its reports are written; None where no check ran."""
        return self._run

    # ---- what the session reports ----

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Let no terminal that breaks (`pytest | head`, a full log) keep the checks from running or the reports away."""
        writer = self._config.get_terminal_writer()
        sturdy = Sturdy(writer._file)
        writer._file = cast("TextIO", sturdy)
        self._config.add_cleanup(sturdy.let_go)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember which checks were selected."""
        self._plan = self._collected()
        self._selected = self._plan.selected([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Send a worker the place where to leave the plan, which says which checks belong together."""
        node.workerinput[PLAN] = str(self._plan_file)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> PlanScheduling:
        """Keep checks that need one another on one worker, so that verdicts are the same with and without -n."""
        return PlanScheduling(config, log, self._plan_file)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Remember which checks the workers selected; every worker collects the same."""
        self._plan = pytest_plan.read(self._plan_file)
        self._selected = self._plan.selected(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Learn why a worker refused to run the checks."""
        self._problem = getattr(node, "workeroutput", {}).get(PROBLEM, self._problem)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the record that came with the report."""
        if str(report.when) == "???":  # how xdist reports the test in which a worker died
            self._add_record_of_crash(report)
        sent = getattr(report, "cdcproof", None)
        if sent:
            record = StepRecord.from_dict(sent["record"])
            self._sent = {**self._sent, **sent}
            self._records[record.step] = record
            self._measures += [Measure(*one) for one in json.loads(sent.get("measures", "[]"))]
            if not self._replayed:
                self._keep_evidence(json.loads(sent.get("evidence", "[]")))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """The verdict as category, letter and word."""
        sent = getattr(report, "cdcproof", None)
        if not sent:
            return None
        verdict = Verdict(sent["record"]["verdict"])
        category, letter, markup = _LIVE[verdict]
        return category, letter, (str(verdict).upper(), markup)

    # ---- the end ----

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Write the reports before pytest prints its summary, and name the HTML report after it."""
        if self._problem:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        elif self._records:
            self._run = self._as_run()
            self._published = self._publish(self._run, self._config.rootpath)
            if file := pytest_options.ctrf_file(self._config):
                failures = (*self._published.failures, *write_ctrf(self._run, file))
                self._published = replace(self._published, failures=failures)
            interrupted = self._selected - self._records.keys()
            bad = not self._run.is_right or interrupted or self._published.failures
            if bad and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif self._selected and session.exitstatus == pytest.ExitCode.OK and not self._config.option.collectonly:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        yield
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal and self._problem:
            terminal.write_line(f"ERROR: {self._problem}", red=True)
        if terminal and self._published and self._published.html:
            terminal.write_line(str(self._published.html))

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print a block for each check that needs attention, then one line per check, the totals and the changes."""
        if self._run is None or self._published is None:
            return
        out = terminalreporter
        out.ensure_newline()
        for record in text.needing_attention(self._run):
            first, _, rest = text.block(record).partition("\n")
            out.write_line("")
            out.write_line(first, bold=True, **_LIVE[record.verdict][2])
            out.write_line(rest)
        blocked = text.blocked_lines(self._run)
        if blocked:
            out.write_line("")
        for line in blocked:
            out.write_line(line, yellow=True)
        out.section("the pipeline", sep="=")
        for line in self._run.header:
            for part in text.folded(line, rest="  "):
                out.write_line(part)
        columns = max(text.COLUMNS, shutil.get_terminal_size().columns)
        for record, line in zip(self._run.steps, text.overview(self._run, columns), strict=True):
            out.write_line(line, **_LIVE[record.verdict][2])
        out.write_line("")
        for line in self._published.changes:
            for part in text.wrapped(line):
                out.write_line(part)
        for line in (*self._published.warnings, *self._published.failures):
            out.write_line(line, red=True)
        colour = {"GREEN": "green", "PARTIAL": "yellow", "NOT GREEN": "red"}[self._run.word]
        out.write_line(text.totals(self._run), bold=True, **{colour: True})

    def _publish(self, run: Run, root: Path) -> Published:
        """Have the reports written, with what they say of the evidence."""
        if self._replayed:
            then = tuple(self._replayed.verdicts.values())
            return publish_replay(run, then, self._replayed.path.stem, root, self._reports)
        kept = self._evidence.end(suite_name(run)) if self._evidence else ""
        self._run = replace(run, header=(*run.header, *filter(None, [kept])))
        published = publish(self._run, root, self._reports, self._pushgateway, self._notify, remember=self._remember)
        problem = self._evidence.problem if self._evidence and self._reports.is_dir() else ""  # else that is said
        return replace(published, failures=(*published.failures, *filter(None, [problem])))

    def _remember(self, run: Run) -> Recalled:
        return remember(self._reports / database.FILE, run, self._measures, self._history_keep_days())

    @property
    def _reports(self) -> Path:
        return pytest_options.reports_dir(self._config) or self._config.rootpath / "reports"

    def _keep_evidence(self, lines: list[tuple[str, dict[str, Any]]]) -> None:
        if self._evidence is None:
            folder = places.folder_of(self._sent.get("pipeline", "unknown"), self._reports)
            self._evidence = Journal(folder, self._started_at)
        self._evidence.keep(lines)

    def _add_record_of_crash(self, report: pytest.TestReport) -> None:
        step = self._plan.steps.get(report.nodeid)
        if step is None:
            return
        died = CouldNotLookError(f"The process that ran this check died: {report.longrepr}")
        record = judge(step, died, EvidenceBook(), None, started_at=time.time(), duration_seconds=0)
        report.longrepr = text.block(record)
        report.cdcproof = {"record": record.as_dict()}  # type: ignore[attr-defined]  # as a worker would have done

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        """Where the workers leave the plan; made when xdist asks for it, gone with this process."""
        return tempfile.TemporaryDirectory(prefix="cdcproof-")

    @property
    def _plan_file(self) -> Path:
        return Path(self._folder.name) / "plan.json"

    def _as_run(self) -> Run:
        steps = tuple(sorted(self._records.values(), key=lambda r: _in_runbook_order(r.step)))
        left, of = len(self._selected - self._records.keys()), len(self._selected)
        interrupted = [f"Interrupted: {left} of {of} checks did not run."] if left else []
        replay = [f"REPLAY: {self._replayed.words}"] if self._replayed else []
        covered = coverage(self._selected, self._records.keys(), self._plan.suites)
        return Run(
            pipeline=self._sent.get("pipeline", "unknown"),
            environment=self._sent.get("environment", "unknown"),
            suites=tuple(sorted({r.suite for r in steps})),
            started_at=self._replayed.started_at if self._replayed else self._started_at,
            duration_seconds=round(time.time() - self._started_at, 3),
            header=(*replay, *self._sent.get("header", ()), *interrupted),
            steps=steps,
            missing=tuple(sorted(covered.missing, key=_in_runbook_order)),
            parts=covered.parts,
            replay=self._replayed.words if self._replayed else "",
        )


def _in_runbook_order(step: str) -> tuple[str, int, str]:
    """Steps with a runbook number by their number, the others after them by name."""
    suite, _, name = step.partition(".")
    number = name.partition("-")[0]
    return (suite, int(number), name) if number.isdigit() else (suite, 1_000, name)
