"""This machine, the disks, the container engine, and the versions of what runs here."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata

import psutil

from cdcproof import __version__
from cdcproof.clients.containers.engine import Container, Engine
from cdcproof.diagnostics.parts import File, Part, Remark, Scope
from cdcproof.reporting.record import table

_MEBIBYTE = 1 << 20
_MOST_PROCESSES = 40
_NAME = re.compile(r"[\w.-]+")


def system(scope: Scope) -> Iterator[Part]:
    """Memory, load, clock, and the largest processes by name: what they were started with may hold a secret."""
    del scope
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    booted = datetime.fromtimestamp(psutil.boot_time(), UTC)
    lines = [
        f"{platform.platform()}, {platform.node()}",
        f"clock {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}, booted {booted:%Y-%m-%dT%H:%M:%SZ}",
        f"cores {psutil.cpu_count()}, load {' '.join(f'{load:.2f}' for load in psutil.getloadavg())}",
        f"memory {memory.total // _MEBIBYTE:,} MiB, available {memory.available // _MEBIBYTE:,} MiB",
        f"swap {swap.total // _MEBIBYTE:,} MiB, used {swap.used // _MEBIBYTE:,} MiB",
        "",
        table(_processes()),
        "",
    ]
    yield File("system/machine.txt", "\n".join(lines))


def versions(scope: Scope) -> Iterator[Part]:
    """Of cdcproof, Python and the packages that it uses."""
    needed = sorted(_NAME.match(line)[0] for line in metadata.requires("cdcproof") or () if "extra ==" not in line)  # type: ignore[index]  # each has one
    lines = [f"cdcproof {__version__}", f"Python {sys.version.split()[0]} ({platform.machine()})", ""]
    for name in needed:
        with suppress(metadata.PackageNotFoundError):
            lines.append(f"{name} {metadata.version(name)}")
    yield File("system/versions.txt", "\n".join([*lines, "", *scope.environment.header(scope.pipeline), ""]))


def disks(scope: Scope) -> Iterator[Part]:
    """The file systems of the data and the backups."""
    found = scope.environment.file_systems(scope.pipeline)
    limit = scope.pipeline.thresholds.disk_fail_percent
    rows: list[dict[str, object]] = [
        {
            "path": disk.path,
            "used %": f"{disk.used_percent:.1f}",
            "inodes %": None if disk.inodes_used_percent is None else f"{disk.inodes_used_percent:.1f}",
            "free MiB": f"{disk.free_bytes // _MEBIBYTE:,}",
            "largest below it": ", ".join(f"{t.entry} {t.size_bytes // _MEBIBYTE:,} MiB" for t in disk.biggest) or None,
        }
        for disk in found
    ]
    yield File("system/disks.txt", table(rows) + "\n")
    for disk in found:
        if not disk.used_percent <= limit:
            yield Remark(f"The disk of {disk.path} is {disk.used_percent:.0f} % full; the limit is {limit:g} %")


def engine(scope: Scope) -> Iterator[Part]:
    """The container engine, and the pipeline's containers."""
    named = [service.container for service in scope.pipeline.services if service.container]
    with Engine() as opened:
        found = opened.containers(named)
        yield File(
            "system/engine.txt", f"{opened.version()}\n\n{table(_row(c) for c in found.values()) or 'no container'}\n"
        )


def _row(container: Container) -> dict[str, object]:
    return {
        "container": container.name,
        "state": container.state,
        "health": container.health,
        "exit status": container.exit_code,
        "restarts": container.restart_count,
        "started": _moment(container.started_at),
        "finished": _moment(container.finished_at),
    }


def _moment(unix: float | None) -> str | None:
    return None if unix is None else f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _processes() -> list[dict[str, object]]:
    fields = ["pid", "name", "username", "status", "num_threads", "memory_info", "cpu_times"]
    found = [process.info for process in psutil.process_iter(fields)]
    largest = sorted(found, key=lambda info: -(info["memory_info"].rss if info["memory_info"] else 0))
    return [
        {
            "pid": info["pid"],
            "program": info["name"],
            "account": info["username"],
            "state": info["status"],
            "threads": info["num_threads"],
            "memory MiB": info["memory_info"].rss // _MEBIBYTE if info["memory_info"] else None,
            "cpu seconds": f"{info['cpu_times'].user + info['cpu_times'].system:.0f}" if info["cpu_times"] else None,
        }
        for info in largest[:_MOST_PROCESSES]
    ]
