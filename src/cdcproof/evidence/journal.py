"""The recordings of a directory of reports: one for each run, for as many runs as the journal of runs keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdcproof import __version__
from cdcproof.evidence import recording
from cdcproof.evidence.chain import Chain
from cdcproof.reporting.journal import KEPT_RUNS

_UNFINISHED = "unfinished"


class Journal:
    """Writes the recording of the run that goes on, line by line. It never raises: `problem` says why it is not whole."""

    def __init__(self, reports: Path, started_at: float) -> None:
        self.problem = ""
        self._folder = reports / "evidence"
        self._stamp = datetime.fromtimestamp(started_at, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._chain: Chain | None = None
        try:
            self._chain = Chain(self._folder / f"{self._stamp}-{_UNFINISHED}.jsonl")
        except OSError as error:
            self._give_up(error)
        head = {"format": recording.FORMAT, "version": __version__, "started_at": started_at}
        self.keep([(recording.HEAD, head)])

    def keep(self, lines: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Append lines: kind and content of each."""
        try:
            for kind, content in lines:
                if self._chain:
                    self._chain.add(kind, content)
        except OSError as error:
            self._give_up(error)

    def end(self, suites: str) -> str:
        """End the recording, give it its name, and forget the oldest ones of these suites. Returns what to say of it."""
        if self._chain is None:
            return ""
        path = self._folder / f"{self._stamp}-{suites}.jsonl"
        try:
            self._chain.end()
            self._chain.path.replace(path)
            for name in (suites, _UNFINISHED):
                for old in sorted(self._folder.glob(f"[0-9]*Z-{name}.jsonl"), reverse=True)[KEPT_RUNS:]:
                    old.unlink(missing_ok=True)
        except OSError as error:
            self._give_up(error)
            return ""
        return f"Evidence: {path.name}, SHA-256 of its last line: {self._chain.last_hash}"

    def _give_up(self, error: OSError) -> None:
        self.problem = f"The evidence could not be written: {error.strerror or error}"
        if self._chain:
            with suppress(OSError):
                self._chain.close()
        self._chain = None
