"""Runs of our commands by forks of one process that has loaded what they load: half of a morning's processor time is imports.

`python -m tests.integration.forking` reads one question a line, `{"argv": [module, …], "cwd": …, "env": {…}, "out": path, "err": path}`,
and answers each by the exit status of a child, which runs the module as `python -m` does. Only imported, never used before: clients
with threads of their own do not live through a fork.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

PRELOADED = (
    *("pytest", "_pytest.junitxml", "psycopg", "confluent_kafka.admin", "jinja2", "psutil", "pydantic", "yaml"),
    *("cdcproof.observations.readings", "cdcproof.remedies.checks", "cdcproof.databases.postgresql.database"),
    *(
        "cdcproof.databases.postgresql.sessions.deployment",
        "cdcproof.environments.embedded.environment",
        "cdcproof.cli.main",
    ),
    *("cdcproof.connectors.prerequisites", "cdcproof.validation.round_trip.run", "cdcproof.validation.soak.watch"),
    *("cdcproof.validation.baseline.recording", "cdcproof.reconcile.engine", "cdcproof.cli.reconcile.inputs"),
    *(
        "cdcproof.maintenance.checklist",
        "cdcproof.maintenance.remedies",
        "cdcproof.connectors.deployment.gate",
        "docker",
    ),
    *(
        "cdcproof.monitoring.monthly",
        "cdcproof.monitoring.dashboards.page",
        "cdcproof.observations.weeks.metrics_reading",
    ),
    *(
        "cdcproof.observations.images.images_reading",
        "cdcproof.observations.images.advisories_reading",
        "cdcproof.observations.lag.source_reading",
    ),
    *("cdcproof.validation.round_trip.canary", "cdcproof.connectors.settings.rules", "cdcproof.oncall.notify"),
    *("cdcproof.backup.inspection", "cdcproof.history.weekly_sizes", "cdcproof.databases.postgresql.sessions.health"),
    *("cdcproof.reporting.publish", "cdcproof.reporting.judge", "allure_commons", "attr", "execnet", "unittest", "pdb"),
    *("cdcproof.diagnostics.collect", "cdcproof.backup.run", "cdcproof.maintenance.drill_reports"),
    *(
        "cdcproof.observations.weeks.recovery_drill",
        "cdcproof.validation.reconciliation",
        "cdcproof.observations.databases.capture_job_reading",
    ),
)
"""None that pytest rewrites."""
_MOST_SECONDS = 300


class Forking:
    """The process, as a client sees it. Ends with its standard input."""

    def __init__(self, cwd: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.forking"],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run` of ``python -m`` does it with `capture_output`."""
        assert self._process.stdin
        assert self._process.stdout
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            asked = {"argv": list(argv), "cwd": str(cwd), "env": dict(env), "out": str(out), "err": str(err)}
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(list(argv), status, out.read_text(), err.read_text())

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=30)


def _serve() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            _run(asked)
        end = os.pidfd_open(child)
        if not select.select([end], [], [], _MOST_SECONDS)[0]:
            os.kill(child, signal.SIGKILL)
        os.close(end)
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _run(asked: Mapping[str, object]) -> None:
    """In the child: never returns."""
    argv = [str(word) for word in asked["argv"]]  # type: ignore[attr-defined]
    status = 1
    try:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(str(asked[name]), os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(str(asked["cwd"]))
        os.environ.clear()
        os.environ.update(asked["env"])  # type: ignore[arg-type]
        sys.argv = argv
        runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
