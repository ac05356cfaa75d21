"""An embedded pipeline of a benchmark's own: started, named to every command by the environment, and removed at the end."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import lifecycle


@contextmanager
def own_instance(name: str) -> Iterator[None]:
    """The pipeline runs, with its tables empty."""
    quiet = Progress(io.StringIO())
    os.environ |= {"CDCPROOF_INSTANCE": name, "POSTGRES_SOURCE_PASSWORD": "bench", "POSTGRES_PASSWORD": "bench"}
    try:
        lifecycle.up(name, quiet)
        yield
    finally:
        lifecycle.remove(name, quiet)
