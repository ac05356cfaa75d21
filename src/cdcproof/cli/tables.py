"""Tables for the terminal: aligned, and never wider than 80 columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TextIO

from cdcproof.core.secrets import scrub

WIDTH = 80
_GAP = 2
_NARROWEST = 8


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as aligned text under the first row's keys; the widest column is cut until all fits. None is ``-``."""
    if not rows:
        return ""
    columns = list(rows[0])
    lines = [columns, *[["-" if row[c] is None else scrub(str(row[c])) for c in columns] for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    over = sum(widths) + _GAP * (len(widths) - 1) - WIDTH
    while over > 0 and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
        over -= 1
    return "\n".join(
        (" " * _GAP).join(_cut(cell, width).ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def as_json(value: object) -> str:
    """JSON for those who pipe, without secrets."""
    return scrub(json.dumps(value, indent=2, ensure_ascii=False))


def print_hanging(head: str, text: str, *, to: TextIO | None = None) -> None:
    """Print prose within the width, its further lines indented."""
    for line in wrap(scrub(head + text), WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False):
        print(line, file=to)


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: width - 1] + "…"
