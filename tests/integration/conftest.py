"""One embedded pipeline for all integration tests, and the morning run as an operator would start it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.clients.prometheus import scrape
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import wait_until
from cdcproof.environments.embedded import connectors, lifecycle, passwords, state
from cdcproof.environments.embedded.environment import Embedded
from cdcproof.environments.embedded.folders import INSTANCE_VARIABLE
from cdcproof.environments.embedded.state import Instance
from cdcproof.findings import Verdict
from cdcproof.pipeline.choice import VARIABLE
from cdcproof.pipeline.model import Pipeline, load
from cdcproof.reconcile.report.result import Report, TableResult, TableStatus, write
from cdcproof.reporting.record import Run, StepRecord
from tests.drills.detections import DETECTIONS
from tests.integration.forking import Forking

ROOT = Path(__file__).parents[2]
INSTANCE = "-".join(
    filter(None, ("integration", os.environ.get(INSTANCE_VARIABLE), os.environ.get("PYTEST_XDIST_WORKER")))
)
"""Never one that somebody else uses: each worker has its own, and those who test side by side set the variable."""
PASSWORDS = {"POSTGRES_SOURCE_PASSWORD": "source-s3cret-Ω7f", "POSTGRES_PASSWORD": "target-s3cret-Ω9k"}

HASTY = """#!/bin/sh
case "$1 $2" in
"connectors resume" | "connectors restart" | "connectors apply" | "connectors undo") set -- "$@" --settle-seconds 2 ;;
esac
exec "{python}" -I -S "{pasted}" "{address}" cdcproof "$@"
"""
"""Our program as commands find it that are pasted: ten seconds of RUNNING are believed after two, and a fork runs it."""
THE_GATE = "test_what_runs_passes_the_staging_gate"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With $CDCPROOF_PIPELINE set, `pytest tests/integration/` is the runbook's validation of that pipeline: the gate alone.

    All the other tests are of cdcproof itself, and break an embedded pipeline of their own.
    """
    if not os.environ.get(VARIABLE):
        return
    folder = Path(__file__).parent
    ours = [item for item in items if folder in item.path.parents and item.name != THE_GATE]
    if ours:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@dataclass(frozen=True)
class Outcome:
    """What a run printed and recorded."""

    run: Run
    output: str
    exit_status: int

    def step(self, step: str) -> StepRecord:
        return next(s for s in self.run.steps if s.step == step)

    def verdicts(self) -> dict[str, Verdict]:
        return {step.step: step.verdict for step in self.run.steps}


class Pipelines:
    """The running pipeline: run checks on it, break it, heal it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "CDCPROOF_INSTANCE": INSTANCE, **PASSWORDS, "COLUMNS": "80"}
        self.environment.pop(VARIABLE, None)
        # its plug-in loads all of hypothesis at the end of a run, which is a third of a morning's processor time
        self.environment["PYTEST_ADDOPTS"] = "-p no:hypothesispytest"
        self.healthy: dict[str, Verdict] = {}
        address = folder / "forking"
        self.forking = Forking(ROOT, address)
        self.programs = folder / "programs"
        self.programs.mkdir()
        hasty = self.programs / "cdcproof"
        pasted = Path(__file__).with_name("pasted.py")
        hasty.write_text(HASTY.format(python=sys.executable, pasted=pasted, address=address))
        hasty.chmod(0o755)

    @property
    def instance(self) -> Instance:
        return state.running(INSTANCE)

    @property
    def connect(self):
        return connectors.client(self.instance)

    def located(self) -> Pipeline:
        return Embedded(INSTANCE).locate(load(ROOT / "fixtures" / "pipelines" / "embedded.toml"))

    def heal(self) -> None:
        """What an operator does when in doubt: `up` starts and mends whatever is not right."""
        lifecycle.up(INSTANCE, Progress())
        self.forget_restarts()

    def forget_restarts(self) -> None:
        """All tests together make more of them than a healthy day has."""
        state.save(replace(self.instance, restarts=()))

    def call(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one of our commands from the project's folder, as `python -m` does; what it says is kept with the reports."""
        done = self.forking.run(command, ROOT, {**self.environment, **environment})
        with (self.folder / "streams.txt").open("a") as streams:
            streams.write(done.stdout + done.stderr)
        return done

    def paste(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command that a check offers, as it is printed, as one who may administer both databases."""
        path = f"{self.programs}:{Path(sys.executable).parent}:{environment.pop('PATH', self.environment['PATH'])}"
        administrator = {"PGUSER": "postgres", "PGPASSWORD": passwords.of(self.instance).superuser.reveal()}
        return subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env={**self.environment, **administrator, **environment, "PATH": path},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def morning(self, *options: str, **environment: str) -> Outcome:
        """`pytest -m morning`, with reports in a folder of the test's own."""
        return self.checks("morning", *options, **environment)

    def checks(self, suite: str, *options: str, **environment: str) -> Outcome:
        """`pytest -m SUITE`, with reports in a folder of the test's own."""
        reports = self.folder / "reports"
        done = self.call(
            "pytest", "-m", suite, f"--reports-dir={reports}", "-p", "no:cacheprovider", *options, **environment
        )
        output = done.stdout + done.stderr
        written = [*reports.glob("latest.json"), *reports.glob("*/latest.json")]  # one of another pipeline has a folder
        assert len(written) == 1, output
        [latest] = written
        outcome = Outcome(Run.from_dict(json.loads(latest.read_text())), output, done.returncode)
        latest.unlink()
        DETECTIONS.saw(outcome.run)
        return outcome

    def assert_only(
        self,
        outcome: Outcome,
        failed: str,
        verdict: Verdict = Verdict.FAILED,
        *,
        blocked: tuple[str, ...] = (),
        unseen: tuple[str, ...] = (),
        also: tuple[str, ...] = (),
    ) -> StepRecord:
        """Exactly this step has this verdict, and nothing else differs from healthy but those that are named.

        Those are blocked, not checked (`unseen`), or failed of the same cause (`also`).
        """
        expected = self.healthy | dict.fromkeys((failed, *also), verdict) | dict.fromkeys(blocked, Verdict.BLOCKED)
        expected |= dict.fromkeys(unseen, Verdict.NOT_CHECKED)
        assert outcome.verdicts() == expected, outcome.output
        assert (outcome.exit_status == 0) is verdict.is_green, outcome.output
        assert "Traceback" not in outcome.output
        return outcome.step(failed)

    def assert_healthy(self, outcome: Outcome) -> None:
        assert outcome.verdicts() == self.healthy, outcome.output
        assert outcome.exit_status == 0

    @property
    def reports(self) -> Path:
        return self.located().paths.reconciliation_reports

    def report(self, *, seconds_ago: float = 60, **statuses: TableStatus) -> Path:
        """A report of this pipeline as the hourly job writes it; tables match unless `statuses` says otherwise."""
        pipeline = self.located()
        finished = datetime.now().astimezone() - timedelta(seconds=seconds_ago)
        made = Report(
            run_id=f"test-{finished.isoformat()}",
            started_at=finished.isoformat(),
            finished_at=finished.isoformat(),
            source=f"postgresql://127.0.0.1:{pipeline.source.port}/{pipeline.source.database}",
            target=f"postgresql://127.0.0.1:{pipeline.target.port}/{pipeline.target.database}",
            method="test",
            tables=tuple(
                TableResult(
                    t, statuses.get(t, TableStatus.MATCH), 10, 10 if t not in statuses else 9, t not in statuses
                )
                for t in pipeline.table_names
            ),
        )
        return write(made, self.reports)

    def forget_reports(self) -> None:
        for path in self.reports.glob("*.json*"):
            path.unlink()

    def has_counted_a_mismatch(self) -> bool:
        """Whether a test that reconciled has left one, or nothing shows that none did: the morning warns of it for a day."""
        page = scrape(self.located().exporters.reconciliation_url)
        last = page.labelled("reconciliation_last_mismatch_timestamp_seconds", "table")
        return not last or any(last.values())

    def forget_the_past(self) -> None:
        """No report, restart or mismatch of an earlier test counts any more."""
        self.forget_reports()
        self.forget_restarts()
        if self.has_counted_a_mismatch():
            self.count_afresh()
        else:
            self.report()

    def count_afresh(self) -> None:
        """Heal the metrics: counters never forget a mismatch, so an exporter without a past takes over."""
        for _ in range(3):  # one that was started again before its past was gone has read it
            lifecycle.kill(INSTANCE, "exporter")
            (self.instance.folders.state / "exporter-state.json").unlink(missing_ok=True)
            self.forget_reports()
            self.report()
            self.heal()
            if not self.has_counted_a_mismatch():
                return
        raise AssertionError("the exporter still counts a mismatch of an earlier test")


def free_ports(number: int) -> list[int]:
    with ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [server.getsockname()[1] for server in servers]


def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipelines]:
    """The pipeline, up for the whole session, with passwords that every test can search for."""
    before = {name: os.environ.get(name) for name in PASSWORDS}
    os.environ.update(PASSWORDS)
    lifecycle.remove(INSTANCE, Progress())
    # not the preferred ports: workers start their pipelines at the same moment
    exporter_ports = dict(zip(("exporter-reconciliation", "exporter-connect"), free_ports(2), strict=True))
    lifecycle.up(INSTANCE, Progress(), wanted_ports=exporter_ports)
    made = Pipelines(tmp_path_factory.mktemp("pipelines"))
    made.report()
    outcome = made.morning()
    assert set(outcome.verdicts().values()) == {Verdict.PASSED}, outcome.output
    made.healthy = outcome.verdicts()
    yield made
    made.forking.close()
    lifecycle.remove(INSTANCE, Progress())
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def kept_healthy(pipelines: Pipelines) -> Iterator[Pipelines]:
    """A pipeline that is healthy before the test, and must be green again once the test has healed it."""
    pipelines.forget_the_past()
    yield pipelines
    pipelines.assert_healthy(pipelines.morning())


def eventually(look, holds=bool, *, what: str, seconds: float = 20):
    """Wait until a fault has taken effect."""
    return wait_until(look, holds, what=what, deadline_seconds=seconds)
