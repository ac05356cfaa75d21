"""Every act is written down before it is done."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cdcproof.errors import OperationError
from cdcproof.secrets import scrub


def write_down(directory: Path, who: str, what: str) -> None:
    """Add a line to `acts.log` there. Raises `OperationError`: an act that cannot be written down is not done."""
    path = directory / "acts.log"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {who}: {scrub(what)}\n")
    except OSError as error:
        raise OperationError(
            f"{path} cannot be written ({error.strerror}), so this was not done: {what}",
            "Make room or give the right to write there.",
        ) from None
