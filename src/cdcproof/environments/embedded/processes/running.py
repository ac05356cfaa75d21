"""Start a process that outlives us, find it again, stop it.

A process is known by its pid *and* its start time: a pid alone may since have been given to somebody else's process.
Each carries `MARK` in its environment, so that also a process whose start nobody lived to write down is found.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from cdcproof.core.errors import CouldNotLookError, OperationError
from cdcproof.core.waiting import wait_until
from cdcproof.environments.embedded.folders import Account
from cdcproof.environments.embedded.processes import log_writer

MARK = "CDCPROOF_SERVICE"
_FAULTS = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL)
# The kernel reports a start time in ticks since the boot, whose own time is only known to about a second.
_SAME_START_SECONDS = 2.0
_FINISH_LOG_SECONDS = 5.0


@dataclass(frozen=True)
class Process:
    """A process that we started. `started` is in seconds since the epoch."""

    pid: int
    started: float


def start(
    argv: Sequence[str],
    *,
    mark: str,
    log: Path,
    environment: Mapping[str, str],
    account: Account | None,
    cwd: Path,
    limit_log: bool = False,
) -> Process:
    """Start a process in a session of its own; what it prints is appended to `log`.

    With `limit_log` a second process writes it there, which limits its size and ends after the first.
    """
    writer = None
    try:
        with log.open("ab") as file:
            writer = _log_writer(log) if limit_log else None
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=writer.stdin if writer else file,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **environment, MARK: mark},
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
    except OSError as error:
        raise OperationError(f"{argv[0]} cannot be started: {error.strerror or error}.") from None
    finally:
        if writer and writer.stdin:
            writer.stdin.close()  # it ends when the process has closed its end too
    for earlier in tuple(_writers.values()):  # services are started side by side
        earlier.poll()
    if writer:
        _writers[child.pid] = writer
    _children[child.pid] = child
    try:
        return Process(child.pid, psutil.Process(child.pid).create_time())
    except psutil.NoSuchProcess:
        return Process(child.pid, 0.0)


_children: dict[int, subprocess.Popen[bytes]] = {}
"""Processes of our own: they must be waited for, or a dead one stays a zombie for as long as we live."""
_writers: dict[int, subprocess.Popen[bytes]] = {}
"""The writers of their logs, by the pid of the process that prints."""


def finish_log(process: Process) -> None:
    """Wait until all that a dead process of our own printed is in its log; a few seconds at most."""
    writer = _writers.get(process.pid)
    if writer and not is_alive(process):
        with suppress(subprocess.TimeoutExpired):
            writer.wait(_FINISH_LOG_SECONDS)


def _log_writer(log: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", log_writer.__file__, str(log)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def is_alive(process: Process | None) -> bool:
    """Whether exactly this process runs."""
    return process is not None and _find(process) is not None


def listens(process: Process | None, ports: Collection[int]) -> bool:
    """Whether this very process listens on these ports of ours, so that an answer from there is its answer."""
    found = _find(process) if process else None
    if found is None:
        return False
    try:
        heard = {each.laddr.port for each in found.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # a system that does not say: it runs, and something answers
        return True
    return heard.issuperset(ports)


def has_crashed(process: Process | None) -> bool:
    """Whether this process, one of our own, was ended by a fault of its program."""
    child = _children.get(process.pid) if process else None
    return child is not None and -(child.poll() or 0) in _FAULTS


def arguments(process: Process) -> tuple[str, ...]:
    """The command line of the process, empty when it is gone."""
    found = _find(process)
    try:
        return tuple(found.cmdline()) if found else ()
    except psutil.Error:
        return ()


def marked(prefix: str) -> dict[str, Process]:
    """Processes that carry a mark with this prefix: rest of the mark to process."""
    found: dict[str, Process] = {}
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            mark = process.environ().get(MARK, "")
            # a server's own children inherit the mark: the service is the one whose parent does not carry it
            if mark.startswith(prefix) and _mark_of_parent(process) != mark:
                found[mark.removeprefix(prefix)] = Process(process.pid, process.create_time())
        except (psutil.Error, OSError):
            continue
    return found


def terminate(process: Process, *, deadline_seconds: float, quick: bool = False) -> bool:
    """Ask it to stop (`quick`: PostgreSQL's fast shutdown, SIGINT), kill it when it does not; whether it stopped by itself."""
    found = _find(process)
    if found is None:
        return True
    try:
        (found.send_signal(2) if quick else found.terminate())
        wait_until(
            lambda: is_alive(process), lambda alive: not alive, what="its end", deadline_seconds=deadline_seconds
        )
    except psutil.NoSuchProcess:
        return True
    except CouldNotLookError:
        kill(process)
        return False
    return True


def is_suspended(process: Process) -> bool:
    """Whether somebody has stopped it (SIGSTOP): it runs no more until somebody sends SIGCONT."""
    found = _find(process)
    try:
        return found is not None and found.status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def is_only_remembered(pid: int) -> bool:
    """Whether the process has ended and the system still knows it: whoever started it has not asked how it ended (a zombie)."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def works_in(folder: Path) -> bool:
    """Whether some process that runs, of this account or any if that may be seen, has the folder as its working directory."""
    place = folder.resolve()  # as the system names it
    for one in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if Path(one.cwd()) == place:
                return True
    return False


def send(process: Process, number: int) -> bool:
    """Send a signal to exactly this process; whether it was there to get it."""
    found = _find(process)
    try:
        if found:
            found.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return found is not None


def freeze(process: Process) -> bool:
    """SIGSTOP to it and to its own children, whose memory stays as it is; whether it was there."""
    found = _find(process)
    if found is None:
        return False
    for one in (found, *found.children(recursive=True)):  # the parent first, so that it makes no more of them
        with suppress(psutil.NoSuchProcess):
            one.suspend()
    return True


def description(process: Process) -> dict[str, object]:
    """All that the system knows of it and of its children. Secrets are in it. Raises `CouldNotLookError` when it is gone."""
    found = _find(process)
    if found is None:
        raise CouldNotLookError(f"Process {process.pid} is gone.")
    try:
        return {"process": _recorded(found), "children": [_recorded(child) for child in found.children(recursive=True)]}
    except psutil.Error as error:
        raise CouldNotLookError(f"Process {process.pid} cannot be described: {error}") from None


def _recorded(found: psutil.Process) -> dict[str, object]:
    names = ["pid", "ppid", "username", "cmdline", "exe", "cwd", "create_time", "status", "environ", "memory_info"]
    return {**found.as_dict([*names, "open_files", "net_connections", "num_threads"])}


def kill(process: Process) -> None:
    """SIGKILL to it and to its own children, and wait until they are gone."""
    found = _find(process)
    if found is None:
        return
    children = found.children(recursive=True)
    for one in (found, *children):
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    wait_until(
        lambda: is_alive(process) or any(child.is_running() and not _is_over(child) for child in children),
        lambda alive: not alive,
        what=f"the end of process {process.pid}",
        deadline_seconds=10,
        interval_seconds=0.02,
    )


def _find(process: Process) -> psutil.Process | None:
    child = _children.get(process.pid)
    if child is not None and child.poll() is not None:
        return None
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.started) < _SAME_START_SECONDS
        return found if same and not _is_over(found) else None
    except psutil.NoSuchProcess:
        return None


def _is_over(process: psutil.Process) -> bool:
    """Whether it holds nothing any more. A zombie may have threads that still end, and with them the ports they hold."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1)
    except psutil.NoSuchProcess:  # ZombieProcess is one
        return True


def _mark_of_parent(process: psutil.Process) -> str | None:
    try:
        parent = process.parent()
        return parent.environ().get(MARK) if parent else None
    except (psutil.Error, OSError):
        return None
