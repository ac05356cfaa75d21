"""Thread dumps of the embedded pipeline's Java processes.

Java prints one when it gets SIGQUIT (Oracle, "Troubleshooting Guide": Thread Dumps), and goes on working.
"""

from __future__ import annotations

import signal
from pathlib import Path

from cdcproof.core.errors import CouldNotLookError, DeadlineError
from cdcproof.core.patience import stretched
from cdcproof.core.waiting import wait_until
from cdcproof.environments.embedded import services
from cdcproof.environments.embedded.processes import running
from cdcproof.environments.embedded.state import Instance

_SECONDS = 5.0
_MOST_DUMP_BYTES = 16 << 20
_BEGINS, _ENDS = "Full thread dump", "JNI global ref"


def take(instance: Instance, service: str) -> str:
    """A dump made now. Raises `CouldNotLookError` for a process that is gone, is stopped or hangs."""
    process = instance.processes.get(service)
    output = services.output_file(instance, service)
    try:
        before = output.stat().st_size if output.exists() else 0
        if process and running.is_suspended(process):
            raise CouldNotLookError(
                f"{service} (process {process.pid}) is stopped: it prints nothing.", f"kill -CONT {process.pid}"
            )
        if process is None or not running.send(process, signal.SIGQUIT):
            raise CouldNotLookError(f"{service} does not run, so it has no threads.", f"cdcproof restart {service}")
        printed = wait_until(
            lambda: _from(output, before),
            lambda text: _ENDS in text.partition(_BEGINS)[2],
            what=f"the thread dump of {service}",
            deadline_seconds=stretched(_SECONDS),
        )
    except DeadlineError:
        raise CouldNotLookError(
            f"{service} (process {process.pid if process else 0}) printed no thread dump: it hangs.",
            f"cdcproof restart {service}",
        ) from None
    except OSError as error:
        raise CouldNotLookError(
            f"The thread dump of {service} cannot be read from {output}: {error.strerror}."
        ) from None
    return _BEGINS + printed.partition(_BEGINS)[2]


def _from(output: Path, place: int) -> str:
    with output.open("rb") as file:
        file.seek(place)
        return file.read(_MOST_DUMP_BYTES).decode("utf-8", errors="replace")
