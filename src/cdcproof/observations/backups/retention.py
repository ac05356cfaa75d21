"""How long Prometheus keeps its data, against the runbook's 30 days. Pure."""

from __future__ import annotations

import re

from cdcproof.core.errors import UnexpectedAnswerError

KEEP_DAYS = 30
"""The runbook's daily task deletes what is older; a month's review wants as much."""
_UNIT_SECONDS = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
_DURATION = re.compile(r"(?:\d+(?:ms|[ywdhms]))+")


def judge(retention: str) -> str:
    """What is wrong with a retention as Prometheus words it (``30d``, ``30d or 5GiB``); empty where it is right.

    Raises `UnexpectedAnswerError` for other words.
    """
    times = [part for part in retention.split(" or ") if _DURATION.fullmatch(part)]
    if not retention or len(times) != len(
        [p for p in retention.split(" or ") if not re.fullmatch(r"[\d.]+\s?[KMGTPE]?i?B", p)]
    ):
        raise UnexpectedAnswerError(f"Prometheus words its retention in a way that is not understood: {retention!r}.")
    set_it = f"Start it with --storage.tsdb.retention.time={KEEP_DAYS}d."
    if not times:
        return f"It has no limit by time. {set_it}"
    days = sum(int(n) * _UNIT_SECONDS[unit] for n, unit in re.findall(r"(\d+)(ms|[ywdhms])", times[0])) / 86_400
    if days == KEEP_DAYS:
        return ""
    return f"The runbook keeps {KEEP_DAYS} days, and this is {'less' if days < KEEP_DAYS else 'more'}. {set_it}"
