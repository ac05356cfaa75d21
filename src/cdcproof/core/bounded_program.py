"""Programs whose output is read whole: bounded in time, and up to a bound in bytes. One that prints more is ended.

What it printed until then is not used: a part of an answer may pass for all of it.
"""

from __future__ import annotations

import errno
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cdcproof.core.bounded import MOST_BYTES


class TooMuchOutputError(OSError):
    """A program that was ended, because it printed more than it may."""


def run(
    command: Sequence[str | Path],
    *,
    seconds: float | None,
    most_bytes: int = MOST_BYTES,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    has_terminal: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run it without input, and return what it printed, of either stream up to `most_bytes`. With `has_terminal` its errors go there.

    Raises `TooMuchOutputError`, `OSError` where it cannot be run, and `subprocess.TimeoutExpired`.
    """
    errors = None if has_terminal else subprocess.PIPE
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=cwd, env=env, bufsize=0
    ) as program:
        streams = [_Stream(program, pipe, most_bytes) for pipe in (program.stdout, program.stderr) if pipe]
        try:
            for stream in streams:
                stream.thread.start()
            program.wait(seconds)
        except BaseException:
            program.kill()
            raise
        finally:
            for stream in streams:
                stream.thread.join(_PATIENCE_SECONDS)  # what it started may still hold the pipe
    if any(stream.is_too_much for stream in streams):
        why = f"it printed more than {most_bytes / 2**20:g} MiB, and was ended"
        raise TooMuchOutputError(errno.EFBIG, why, str(command[0]))
    said = [b"".join(stream.blocks).decode(errors="replace").replace("\r\n", "\n") for stream in streams]
    return subprocess.CompletedProcess(command, program.returncode, said[0], said[1] if len(said) > 1 else None)


_PATIENCE_SECONDS = 5.0
_BLOCK_BYTES = 1 << 16


@dataclass
class _Stream:
    """What a program prints, read as it comes."""

    program: subprocess.Popen[bytes]
    pipe: IO[bytes]
    most_bytes: int
    blocks: list[bytes] = field(default_factory=list)
    is_too_much: bool = False

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        with suppress(ValueError):  # the pipe was closed: what the program left behind is not read
            self._read_all()

    def _read_all(self) -> None:
        left = self.most_bytes
        while block := self.pipe.read(_BLOCK_BYTES):
            left -= len(block)
            if left < 0:
                self.is_too_much = True
                self.program.kill()
                return
            self.blocks.append(block)
