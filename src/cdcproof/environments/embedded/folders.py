"""Where the embedded pipeline keeps its files, and the account PostgreSQL runs under."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from cdcproof import shipped
from cdcproof.core.errors import OperationError, UsageError
from cdcproof.core.files import write_whole
from cdcproof.pipeline.choice import project_file

INSTANCE_VARIABLE = "CDCPROOF_INSTANCE"
DEFAULT_INSTANCE = "default"
_UNPRIVILEGED = "nobody"
_DURABLE = Path("/var/lib/cdcproof")


@dataclass(frozen=True)
class Account:
    """An operating system account."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Folders:
    """The folders of one instance. `postgres` lies elsewhere only where its account could not reach `state`."""

    state: Path
    postgres: Path

    @property
    def instance_file(self) -> Path:
        """What the instance remembers."""
        return self.state / "instance.json"

    @property
    def lock(self) -> Path:
        """Held by the command that is changing the instance."""
        return self.state / "lock"

    @property
    def logs(self) -> Path:
        """One log per service, and ``.out`` beside it for what a process printed."""
        return self.state / "logs"

    @property
    def secrets(self) -> Path:
        """The passwords, mode 0600, in the form Kafka's FileConfigProvider reads."""
        return self.state / "secrets.properties"

    @property
    def settings(self) -> Path:
        """Configuration files of the services, written at every start."""
        return self.state / "settings"

    @property
    def data(self) -> Path:
        """Data of ZooKeeper, Kafka and Prometheus."""
        return self.state / "data"

    @property
    def backups(self) -> Path:
        """The backup directory that the disk check looks at."""
        return self.state / "backups"


def instance_name(asked: str | None = None) -> str:
    """The instance meant: `asked`, else $CDCPROOF_INSTANCE, else ``default``."""
    name = asked or os.environ.get(INSTANCE_VARIABLE) or DEFAULT_INSTANCE
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", name):
        raise UsageError(
            f"{name!r} cannot be the name of an instance.", "Use letters, digits, - and _, at most 41 of them."
        )
    return name


def cache_folder() -> Path:
    """What is fetched and built once for all instances: $XDG_CACHE_HOME/cdcproof, else ~/.cache/cdcproof."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cdcproof"


def folders(instance: str) -> Folders:
    """The folders of an instance, below $XDG_STATE_HOME/cdcproof, else ~/.local/state/cdcproof."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "cdcproof" / instance
    if server_account() is None or is_traversable(state):
        return Folders(state, state / "postgres")
    # A home directory closed to other accounts: the database files go beside it, no permission is changed.
    # Its name distinguishes instances of one name that have different state folders.
    name = f"{instance}-{hashlib.sha256(str(state).encode()).hexdigest()[:8]}"
    before = _temporary_folder() / name  # where instances were before there was a durable place for them
    return Folders(state, before if before.is_dir() else shared_folder() / name)


def instances() -> tuple[str, ...]:
    """Names of the instances that have a state folder, running or not."""
    every = folders(DEFAULT_INSTANCE).state.parent
    return tuple(sorted(path.name for path in every.iterdir() if path.is_dir())) if every.exists() else ()


def shared_folder() -> Path:
    """The place outside our closed home directory; `make` checks whose it is.

    Below /var/lib, where nothing is cleaned away: systemd-tmpfiles deletes what is older than 30 days below /var/tmp.
    """
    if _DURABLE.exists() or (os.access(_DURABLE.parent, os.W_OK) and is_traversable(_DURABLE)):
        return _DURABLE
    return _temporary_folder()


def shared_folders() -> tuple[Path, ...]:
    """Every place that is, or was, the shared one."""
    return (_DURABLE, _temporary_folder())


def _temporary_folder() -> Path:
    return Path("/var/tmp") / f"cdcproof-{os.getuid()}"  # noqa: S108


def server_account() -> Account | None:
    """The account PostgreSQL must run under, None for our own: it refuses to run as root."""
    if os.name != "posix" or os.getuid() != 0:
        return None
    import pwd  # noqa: PLC0415  does not exist on Windows

    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise UsageError(
            f"PostgreSQL refuses to run as root, and there is no account {_UNPRIVILEGED!r} to run it under.",
            "Run cdcproof as an ordinary user.",
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def make(instance: str) -> Folders:
    """Create the instance's folders, but for that of the databases. Raises `OperationError` where that cannot be done (read-only, full, not ours)."""
    try:
        folders(instance).state.mkdir(mode=0o711, parents=True, exist_ok=True)
        made = folders(instance)  # again: whether other accounts may pass is only now certain
        for folder in (made.logs, made.settings, made.data, made.backups):
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OperationError(
            f"The state folder cannot be made: {error.strerror}: {error.filename}.",
            f"{way_out(error)} Or name another place with XDG_STATE_HOME.",
        ) from None
    return made


def way_out(error: OSError) -> str:
    """What to do about a file that cannot be written or read; `cdcproof up` goes on where it stopped."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "Free space there, then run `cdcproof up` again: it goes on where it stopped."
        case errno.EACCES | errno.EPERM:
            return "It belongs to another account: run cdcproof as that account, or change the owner with chown."
        case errno.EROFS:
            return "The file system is read-only: mount it for writing."
    return "Mend that, then run `cdcproof up` again: it goes on where it stopped."


def make_for_databases(instance: str) -> None:
    """Create the folder that the two servers' data folders lie in."""
    made = folders(instance)
    if made.postgres.parent != made.state:
        make_owned(made.postgres.parent)
    made.postgres.mkdir(mode=0o711, exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, all of it or nothing."""
    write_whole(path, text, mode=0o600)


def make_owned(folder: Path) -> None:
    """A folder in a place where everybody may write: it must be ours, and no link that somebody else has laid."""
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise OperationError(
            f"{folder} belongs to somebody else or can be written by others, so it is not used.", "Remove it."
        )


def is_traversable(path: Path) -> bool:
    """Whether any account may pass through every folder above `path` (those that exist)."""
    return all(parent.stat().st_mode & 0o001 for parent in path.parents if parent.exists())


def checkout() -> Path:
    """The folder of the project that is at work here: a checkout, or one that has a ``cdcproof.toml``; else the working directory."""
    file = project_file()
    if _is_a_checkout(Path.cwd()) or not file:
        return _root().resolve() if shipped.IS_CHECKOUT else Path.cwd()
    return file.absolute().parent


def monitoring() -> Path:
    """The `monitoring` folder."""
    return _root() / "monitoring"


def fixtures() -> Path:
    """The `fixtures` folder: of the checkout that is the working directory, else of this package."""
    return _root() / "fixtures"


def _root() -> Path:
    return Path.cwd() if _is_a_checkout(Path.cwd()) else shipped.ROOT


def _is_a_checkout(folder: Path) -> bool:
    return (folder / "fixtures" / "connectors" / "embedded-source.json").is_file()
