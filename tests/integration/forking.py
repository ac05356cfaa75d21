"""Runs of our commands by forks of one process that has loaded what they load: half of a morning's processor time is imports.

`python -m tests.integration.forking SOCKET` reads one question a line, `{"argv": [module, …], "cwd": …, "env": {…}, "out": path, "err": path}`,
and answers each by the exit status of a child, which runs the module as `python -m` does. At the socket it answers
`tests/integration/pasted.py` in the same way, whose own streams the child has. Only imported, never used before: clients
with threads of their own do not live through a fork.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    *("cdcproof.evidence.recording", "cdcproof.history.keep", "cdcproof.reporting.formats.allure_results", "doctest"),
    *("cdcproof.observations.databases.account_rights_reading", "cdcproof.observations.certificates.reading"),
    *("cdcproof.observations.reconciliation.connector_page_reading", "cdcproof.databases.test_rows"),
    *("cdcproof.observations.reconciliation.source_history", "cdcproof.maintenance.go"),
    *("cdcproof.databases.accounts.roles", "cdcproof.observations.backups.morning"),
    *("cdcproof.databases.postgresql.sessions.test_rows", "cdcproof.observations.lag.freshness"),
    *("cdcproof.cli.remedy", "cdcproof.cli.logs", "cdcproof.cli.restart", "cdcproof.cli.status"),
    *("cdcproof.cli.connectors.commands", "cdcproof.cli.reconcile.compare", "cdcproof.cli.connectors.deploy"),
)
"""None that pytest rewrites."""
_MOST_SECONDS = 300


class Forking:
    """The process, as a client sees it. Ends with its standard input."""

    def __init__(self, cwd: Path, address: Path) -> None:
        """`address` is the socket for `pasted`."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.forking", str(address)],
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


def _serve(address: str) -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # a child that collects garbage would copy all of it
    answers = os.fdopen(os.dup(1), "w")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        while line := _next_line(listener):
            asked = json.loads(line)
            child = os.fork()
            if not child:
                files = [os.open(str(asked[name]), os.O_CREAT | os.O_WRONLY | os.O_APPEND) for name in ("out", "err")]
                _run(asked, [os.open(os.devnull, os.O_RDONLY), *files])
            answers.write(f"{_status(child, listener)}\n")
            answers.flush()


def _next_line(listener: socket.socket) -> str:
    """The next question on standard input; meanwhile commands that are pasted are run."""
    while sys.stdin not in (ready := select.select([sys.stdin, listener], [], [])[0]):
        assert ready
        _answer(listener)
    return sys.stdin.readline()


def _status(child: int, listener: socket.socket) -> int:
    """The exit status of a child, as a shell has it, once it has ended; meanwhile commands that are pasted are run."""
    end = os.pidfd_open(child)
    while end not in (ready := select.select([end, listener], [], [], _MOST_SECONDS)[0]):
        if listener in ready:
            _answer(listener)
        else:
            os.kill(child, signal.SIGKILL)
    os.close(end)
    return _reaped(child)


def _reaped(child: int) -> int:
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status


def _answer(listener: socket.socket) -> None:
    """Run the command of a client in a child of a child, which nobody has to wait for."""
    connection, _ = listener.accept()
    with connection:
        between = os.fork()
        if between:
            os.waitpid(between, 0)
            return
        if os.fork():
            os._exit(0)
        data, files, *_ = socket.recv_fds(connection, 1 << 20, 3)
        while not data.endswith(b"\n"):
            more = connection.recv(1 << 20)
            data += more or os._exit(1)  # the client was ended
        child = os.fork()
        if not child:
            _run(json.loads(data), files)
        end = os.pidfd_open(child)
        if end not in select.select([end, connection], [], [])[0]:  # the client was ended
            os.kill(child, signal.SIGTERM)
        connection.sendall(f"{_reaped(child)}\n".encode())
        os._exit(0)


def _run(asked: Mapping[str, Any], streams: Sequence[int]) -> None:
    """In the child: never returns."""
    argv = [str(word) for word in asked["argv"]]
    status = 1
    try:
        for number, file in enumerate(streams):
            os.dup2(file, number)
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["env"])
        sys.argv = argv
        runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001  Python prints it, and so does a fork of it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve(sys.argv[1])
