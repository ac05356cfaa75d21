"""What is preserved of a pipeline: originals, which nobody but the owner may read, and redacted copies for those who help."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import psutil

from cdcproof.clients.connect.client import Connect
from cdcproof.core import bounded
from cdcproof.core.errors import CdcproofError, OperationError
from cdcproof.core.json_text import parsed
from cdcproof.core.secrets import learn, scrub
from cdcproof.diagnostics.collect import collect
from cdcproof.emergency.suspects import VOLATILE, Suspect
from cdcproof.environments.base import Environment
from cdcproof.pipeline.model import Pipeline

ORIGINALS, REDACTED = "originals", "redacted"
_SINCE_SECONDS = 24 * 3600.0
_LONGEST_COPY_BYTES = 64 << 20


@dataclass(frozen=True)
class Evidence:
    """The folder of one incident."""

    folder: Path

    def make(self) -> None:
        """Create its folders. Raises `OperationError`."""
        try:
            for path in (self.folder, self.folder / ORIGINALS, self.folder / REDACTED):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OperationError(
                f"{self.folder} cannot be made: {error.strerror}.", "Make room or give the right to write there."
            ) from None

    def machine(self) -> str:
        """Every process and connection of this machine, and what its clock says."""
        to = self.folder / ORIGINALS / "machine"
        to.mkdir(exist_ok=True, mode=0o700)
        names = ["pid", "ppid", "username", "name", "cmdline", "create_time", "status"]
        found = [process.info for process in psutil.process_iter(names)]
        _write(to / "processes.json", found)
        connections = [c._asdict() for c in psutil.net_connections("inet")]
        _write(to / "connections.json", connections)
        clock = {
            "utc": datetime.now(UTC).isoformat(),
            "unix_seconds": time.time(),
            "boot_unix_seconds": psutil.boot_time(),
        }
        _write(to / "clock.json", clock)
        return f"{len(found)} processes, {len(connections)} connections; the clock says {clock['utc']}"

    def suspect(self, suspect: Suspect, *, volatile: bool) -> str:
        """What is to be had of one service, that which is gone first or the rest. Raises `OperationError` naming what is not; the rest is kept."""
        to = self.folder / ORIGINALS / _file_name(suspect.name)
        to.mkdir(exist_ok=True, mode=0o700)
        kept, missed = [], []
        for name, write in suspect.takings():
            if (name in VOLATILE) is not volatile:
                continue
            try:
                write(to / name)
                kept.append(name)
            except CdcproofError as error:
                missed.append(f"{name} ({error.message})")
            except OSError as error:
                missed.append(f"{name} ({error.strerror or error})")
        if missed:
            raise OperationError(f"not preserved: {', '.join(missed)}; preserved: {', '.join(kept) or 'nothing'}")
        return ", ".join(kept)

    def connect(self, pipeline: Pipeline) -> str:
        """Connectors with configurations in clear, states and positions, as Connect reports them."""
        to = self.folder / ORIGINALS / "connect"
        to.mkdir(exist_ok=True, mode=0o700)
        connect = Connect(pipeline.connect)
        found = connect.states().connectors
        answer = [
            {"name": c.name, "state": c.state, "config": dict(c.config), "tasks": [vars(t) for t in c.tasks]}
            for c in found
        ]
        _write(to / "connectors.json", answer)
        missed = []
        for connector in found:
            try:
                _write(to / f"positions-{_file_name(connector.name)}.json", connect.offsets(connector.name))
            except CdcproofError as error:
                missed.append(f"positions of {connector.name} ({error.message})")
        if missed:
            raise OperationError(f"not preserved: {', '.join(missed)}")
        return f"{len(found)} connectors with their configurations and positions"

    def diagnostics(self, pipeline: Pipeline, environment: Environment, report: Callable[[str], None]) -> str:
        """The redacted archive of `cdcproof diagnose`."""
        made = collect(
            pipeline, environment, output_dir=self.folder / REDACTED, since_seconds=_SINCE_SECONDS, report=report
        )
        missing = f"; not collected: {', '.join(one.what for one in made.missing)}" if made.missing else ""
        return f"{made.path.name}, {len(made.files)} files{missing}"

    def redact(self) -> str:
        """A copy of each original without secrets. The originals stay as they are: changed evidence is none."""
        copied = large = 0
        for original in sorted((self.folder / ORIGINALS).rglob("*.json")):
            _learn(original)
        for original in sorted((self.folder / ORIGINALS).rglob("*")):
            if not original.is_file():
                continue
            if original.stat().st_size > _LONGEST_COPY_BYTES:
                large += 1
                continue
            to = self.folder / REDACTED / original.relative_to(self.folder / ORIGINALS)
            to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            to.write_text(scrub(bounded.read_text(original, _LONGEST_COPY_BYTES, errors="replace")), encoding="utf-8")
            copied += 1
        return f"{copied} files without secrets" + (f"; {large} are too large to be copied" if large else "")


def _learn(path: Path) -> None:
    """Learn every secret that stands under a name that says so, wherever in a file it does."""
    try:
        _walk(parsed(bounded.read_text(path, _LONGEST_COPY_BYTES)))
    except (OSError, ValueError):
        return


def _walk(answer: object) -> None:
    if isinstance(answer, dict):
        learn({str(key): str(value) for key, value in answer.items() if isinstance(value, str)})
        for value in answer.values():
            _walk(value)
    elif isinstance(answer, list):
        pairs = [entry.partition("=")[::2] for entry in answer if isinstance(entry, str) and "=" in entry]
        learn({key: value for key, value in pairs if value})
        flags = [pair for pair in pairwise(map(str, answer)) if pair[0].startswith("-")]  # of a command line
        learn({flag.lstrip("-"): value for flag, value in flags})
        for value in answer:
            _walk(value)


def _write(to: Path, answer: object) -> None:
    to.write_text(json.dumps(answer, indent=1, default=str, ensure_ascii=False) + "\n", encoding="utf-8")


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
