"""Lines of a TOML text, for errors: `tomllib` keeps no positions.

This follows the headers and keys as they stand, which is good enough for the flat files we read.
"""

from __future__ import annotations

import re


def line_of(text: str, location: tuple[int | str, ...]) -> int | None:
    """The line (from 1) of the key at `location`, or of the nearest table around it; None when neither is found."""
    header: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    best: tuple[int, int] | None = None
    wanted = [str(part) for part in location]
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        array = re.match(r"\[\[\s*([\w.\-]+)\s*\]\]", stripped)
        table = re.match(r"\[\s*([\w.\-]+)\s*\]", stripped)
        key = re.match(r"""["']?([\w.\-]+)["']?\s*=""", stripped)
        if array:
            counts[array[1]] = counts.get(array[1], -1) + 1
            header = (*array[1].split("."), str(counts[array[1]]))
            seen = header
        elif table:
            header = tuple(table[1].split("."))
            seen = header
        elif key:
            seen = (*header, *key[1].split("."))
        else:
            continue
        if list(seen) == wanted[: len(seen)] and (best is None or len(seen) > best[0]):
            best = (len(seen), number)
    return best[1] if best else None


def last_line_naming(text: str, value: str) -> int | None:
    """The line of the last key that is set to this string."""
    setting = re.compile(rf"""=\s*["']{re.escape(value)}["']""")
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if setting.search(line)]
    return lines[-1] if lines else None
