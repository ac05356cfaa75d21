"""One cdcproof at a time: locks that end with the process that holds them, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdcproof.core.errors import UsageError
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import wait_until

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def only_one(lock: Path, what: str, progress: Progress, *, deadline_seconds: float = 120.0) -> Iterator[None]:
    """Hold the lock file, waiting for another cdcproof that is `what` ("fetching the parts").

    Raises `DeadlineError` when the other one takes longer than the deadline.
    """
    if fcntl is None:
        raise UsageError(
            f"cdcproof keeps others from {what} at the same time on Linux and macOS only.",
            "On Windows, use it within WSL.",
        )
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:

        def take() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        wait_until(
            take,
            bool,
            what=f"another cdcproof that is {what}",
            deadline_seconds=deadline_seconds,
            report=lambda _: progress.waiting(f"waiting: another cdcproof is {what}"),
        )
        yield
