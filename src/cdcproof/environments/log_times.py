"""When the lines of a log were written, by the time that they begin with. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

# 2026-11-29 17:00:00,123 and 2026-11-29T17:00:00.123Z, in brackets or after a few characters; times without a zone are of UTC
_TIME = re.compile(
    r"^.{0,12}?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?[ ]?(Z|UTC|GMT|[+-]\d\d:?\d\d)?", re.MULTILINE
)


def since(text: str, moment: float) -> str:
    """From the first line on that was written at this moment (Unix seconds) or later; all of a log that names no times.

    Lines are taken to be in the order in which they were written; what has no time belongs to the line before.
    """
    is_dated = False
    for found in _TIME.finditer(text):
        at = _unix(*found.groups())
        if at is None:
            continue
        is_dated = True
        if at >= int(moment):
            return text[found.start() :]
    return "" if is_dated else text


def _unix(day: str, clock: str, zone: str | None) -> float | None:
    try:
        at = datetime.fromisoformat(f"{day}T{clock}{zone if zone and zone[0] in '+-' else ''}")
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
