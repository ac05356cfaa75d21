"""Every act is written down before it is done, and then how it ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from cdcproof.core.errors import OperationError
from cdcproof.core.secrets import scrub


def write_down(directory: Path, who: str, what: str) -> None:
    """Add a line to `acts.log` there, which only its owner may read.

    Raises `OperationError`: an act that cannot be written down is not done.
    """
    path = directory / "acts.log"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as log:  # noqa: PTH123  pathlib takes no mode
            with suppress(PermissionError):  # somebody else's, which we may write
                os.fchmod(log.fileno(), 0o600)
            log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {who}: {scrub(what)}\n")
    except OSError as error:
        raise OperationError(
            f"{path} cannot be written ({error.strerror}), so this was not done: {what}",
            "Make room or give the right to write there.",
        ) from None


@contextmanager
def written_down(write: Callable[[str], None], what: str, *, ended: str = "done") -> Iterator[None]:
    """Write an act down, let it be done, then write down how it ended. A log that is full by then undoes nothing."""
    write(what)
    try:
        yield
    except BaseException as error:
        with suppress(OperationError):
            write(f"{what}: failed: {' '.join(str(error).split()) or type(error).__name__}")
        raise
    with suppress(OperationError):
        write(f"{what}: {ended}")
