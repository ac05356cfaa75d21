"""Workers that are processes of this machine: a cluster in small."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor


def processes() -> ProcessPoolExecutor:
    """One for each processor. They are started anew, not forked: threads and DuckDB do not survive a fork."""
    return ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """Ctrl-C is for the process that gave the work; without it nobody asks for more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
