"""The log of a backup or a restore: a line for each step, with ✓ or ✗, on the screen and in a file of the backup directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cdcproof.core.errors import CdcproofError
from cdcproof.core.progress import Progress
from cdcproof.core.secrets import scrub

DONE, FAILED = "✓", "✗"


@dataclass
class Log:
    """What has been done. `failures` are the texts of the lines with ✗."""

    path: Path | None
    progress: Progress
    failures: list[str] = field(default_factory=list)

    def done(self, text: str) -> None:
        """A step that succeeded."""
        self._write(f"{DONE} {text}")

    def failed(self, text: str, remedy: str = "") -> None:
        """A step that did not, why, and what to do about it."""
        self.failures.append(text)
        self._write(f"{FAILED} {text}")
        if remedy:
            self.note(remedy)

    def note(self, text: str) -> None:
        """What an operator has to know."""
        for line in text.splitlines():
            self._write(f"  {line}")

    def waiting(self, text: str) -> None:
        """What is being done now; on the screen alone."""
        self.progress.waiting(scrub(text))

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """A step, which fails by our error or the system's: its line says why, and the next step is tried. What succeeds says so itself."""
        self.waiting(what)
        try:
            yield
        except CdcproofError as error:
            self.failed(f"{what}: {error.message}", error.remedy)
        except OSError as error:
            self.failed(f"{what}: {error.filename or 'a file'} cannot be written: {error.strerror or error}")

    def _write(self, text: str) -> None:
        line = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {scrub(text)}"
        self.progress.clear()
        print(line, flush=True)
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError:  # a full disk is what the line may be about: the screen has it
            return
