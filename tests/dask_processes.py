"""A Dask cluster of processes on this machine, whose scheduler and workers can be killed and started again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from cdcproof.clients.dask_cluster import connected
from tests.postgres_server import PASSWORD


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Cluster:
    """A scheduler and two workers, as processes, which have the password in their environment."""

    folder: Path
    port: int = field(default_factory=_free_port)
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ending: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Of its scheduler."""
        return f"tcp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """What of it does not run; return when work would be taken."""
        if self.scheduler is None:
            self.scheduler = self._started("dask_scheduler", "--host=127.0.0.1", f"--port={self.port}")
        workers = ("dask_worker", self.address, "--no-nanny", "--nthreads=1", f"--local-directory={self.folder}")
        self.workers = [one for one in self.workers if one.poll() is None]
        self.workers += [self._started(*workers) for _ in range(2 - len(self.workers))]
        connected(self.address, workers=2, seconds=60).shutdown()

    def kill_scheduler(self) -> None:
        """Its workers end by themselves, when they have done what they are at."""
        assert self.scheduler
        self.scheduler.kill()
        self.scheduler.wait(30)
        self.scheduler, self.ending, self.workers = None, self.workers, []

    def kill(self) -> None:
        """All of it."""
        for process in (*self.workers, *self.ending, *filter(None, [self.scheduler])):
            process.kill()
            process.wait(30)

    def _started(self, module: str, *flags: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{module}", *flags, "--no-dashboard"]
        environment = {**os.environ, "POSTGRES_PASSWORD": PASSWORD}
        with (self.folder / f"{module}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
