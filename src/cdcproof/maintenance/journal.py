"""What was done when, by whom: a file of JSON lines that is only ever added to, and on the disk before anything goes on.

A program that is killed in the middle of a line leaves a torn one. Nobody was ever sure of that entry, so it is passed over.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cdcproof.core import bounded
from cdcproof.core.errors import ConfigError, DeadlineError, OperationError, UsageError
from cdcproof.core.files import synchronise, write_whole
from cdcproof.core.json_text import parsed
from cdcproof.core.locking import only_one
from cdcproof.core.progress import Progress
from cdcproof.core.secrets import scrub

Event = Literal["begun", "done", "failed", "noted"]
_FILE = "journal.jsonl"
_GLANCE_SECONDS = 0.5
"""How long a lock is waited for in any case: `status` holds it for a moment."""
_DYING_SECONDS = 10.0
"""How long a lock is waited for whose holder is gone: a child of it that is ending may have it still."""


@dataclass(frozen=True)
class Actor:
    """Who runs this program, and where."""

    who: str
    host: str
    pid: int

    @classmethod
    def here(cls) -> Actor:
        """The account that was logged in, also behind sudo."""
        try:
            who = os.environ.get("SUDO_USER") or getpass.getuser()
        except (KeyError, OSError):  # an account without a name
            who = f"uid {os.getuid()}"
        return cls(who, socket.gethostname(), os.getpid())

    def __str__(self) -> str:
        return f"{self.who} on {self.host} (process {self.pid})"


@dataclass(frozen=True)
class Entry:
    """One line: a step of a command began, ended or failed. `at` is ISO 8601 in UTC, `text` a sentence without secrets."""

    at: str
    command: str
    step: str
    event: Event
    who: str
    host: str
    pid: int
    text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def time(self) -> datetime:
        """When it was written."""
        return datetime.fromisoformat(self.at)


@dataclass(frozen=True)
class Journal:
    """The journal in one folder."""

    folder: Path
    actor: Actor

    @property
    def path(self) -> Path:
        """Its file."""
        return self.folder / _FILE

    def append(
        self, command: str, step: str, event: Event, text: str = "", facts: Mapping[str, Any] | None = None
    ) -> Entry:
        """Write an entry, and return when the disk has it. Raises `OperationError`: what cannot be written is not done."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = Entry(at, command, step, event, **asdict(self.actor), text=scrub(text), facts=facts or {})
        line = json.dumps(asdict(entry), ensure_ascii=False)
        try:
            is_new = not self.path.exists()
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:  # noqa: PTH123  pathlib takes no mode
                file.write((b"\n" if _is_torn(self.path) else b"") + line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                synchronise(self.folder)
        except OSError as error:
            raise OperationError(
                f"{self.path} cannot be written ({error.strerror}), so this was not done: {command} {step}",
                "Make room or give the right to write there, then give the command again: it goes on where it stopped.",
            ) from None
        return entry

    def entries(self) -> tuple[Entry, ...]:
        """Every whole entry, oldest first. Raises `ConfigError` where the file cannot be read."""
        try:
            lines = bounded.read_bytes(self.path).split(b"\n")
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise ConfigError(f"The journal cannot be read: {error.strerror}.", path=self.path) from None
        return tuple(entry for line in lines if (entry := _read(line)))


def _is_torn(path: Path) -> bool:
    """Whether the file ends in the middle of a line."""
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _read(line: bytes) -> Entry | None:
    try:
        return Entry(**parsed(line))
    except (ValueError, TypeError):
        return None


@contextmanager
def holding(folder: Path, actor: Actor, command: str) -> Iterator[None]:
    """Be the only one who acts here. Raises `UsageError` that names the first one where somebody does already."""
    holder = folder / "holder.json"
    with ExitStack() as held:
        try:
            held.enter_context(only_one(folder / "lock", "at work", Progress(), deadline_seconds=_patience(holder)))
        except DeadlineError:
            raise UsageError(
                f"{_holder(holder)} Nothing was done.",
                "Wait until that has ended, or talk to them; `cdcproof maintenance status` says where things stand.",
            ) from None
        since = datetime.now(UTC).isoformat(timespec="seconds")
        write_whole(holder, json.dumps({**asdict(actor), "command": command, "since": since}), mode=0o600)
        yield


def held_by(folder: Path) -> str:
    """Who acts here now, as a sentence; empty when nobody does."""
    try:
        with only_one(folder / "lock", "", Progress(), deadline_seconds=0.0):
            return ""
    except DeadlineError:
        return _holder(folder / "holder.json")


def _patience(holder: Path) -> float:
    stored = _stored(holder)
    return _GLANCE_SECONDS if stored and _is_alive(stored) else _DYING_SECONDS


def _holder(holder: Path) -> str:
    stored = _stored(holder)
    if not stored:
        return "Somebody else is at work on this already; who it is was not written down yet."
    return (
        f"{stored.get('who')} on {stored.get('host')} (process {stored.get('pid')}) is running "
        f"`{stored.get('command')}` here since {stored.get('since')}."
    )


def _stored(holder: Path) -> dict[str, Any]:
    try:
        stored = parsed(bounded.read_text(holder))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _is_alive(stored: Mapping[str, Any]) -> bool:
    """Whether the holder's process may be there: on another machine it cannot be known."""
    if stored.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(stored.get("pid", 0)), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError):
        return True
    return True
