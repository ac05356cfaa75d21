"""Do independent things side by side: most of them wait for another process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def side_by_side(*acts: Callable[[], object]) -> None:
    """Do all of them at the same time and return when all are over. Raises what the first of them raised."""
    with ThreadPoolExecutor(max(1, len(acts))) as pool:
        for done in [pool.submit(act) for act in acts]:
            done.result()
