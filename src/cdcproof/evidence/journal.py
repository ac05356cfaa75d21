"""The recordings of a directory of reports: one for each run, for as many runs as the journal of runs keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdcproof import __version__
from cdcproof.evidence import recording
from cdcproof.evidence.chain import MOST_BYTES, Chain, FullError
from cdcproof.reporting.journal import KEPT_RUNS

_UNFINISHED = "unfinished"
MOST_OBSERVED_BYTES = MOST_BYTES * 3 // 4
"""Up to there what checks were given is recorded whole. The rest of the file is for verdicts, and for what was left out."""


class Journal:
    """Writes the recording of the run that goes on, line by line. It never raises: `problem` says why it is not whole."""

    def __init__(self, reports: Path, started_at: float) -> None:
        self.problem = ""
        self._left_out: list[str] = []
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
                    self._add(self._chain, kind, content)
        except OSError as error:
            self._give_up(error)

    def _add(self, chain: Chain, kind: str, content: Mapping[str, Any]) -> None:
        """The line; of a value for which there is no room, that it was left out: its check is not judged again."""
        if "value" not in content:
            chain.add(kind, content)
            return
        try:
            chain.add(kind, content, MOST_OBSERVED_BYTES)
        except FullError:
            most = f"what does not fit into the {MOST_OBSERVED_BYTES / 2**20:g} MiB of a recording's observations"
            chain.add(kind, {"step": content["step"], "fixture": content["fixture"], "unwritten": most})
            self._left_out.append(f"{content['fixture']} of {content['step']}")
            self.problem = (
                f"The evidence is not whole: it has no more than {MOST_OBSERVED_BYTES / 2**20:g} MiB of observations, "
                f"and is without {', '.join(self._left_out)}. A replay calls these checks not checked."
            )

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
