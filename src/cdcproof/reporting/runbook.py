"""What the runbook says of a check, for a page that is read where there is no checkout."""

from __future__ import annotations

import re
from pathlib import Path

_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_HEADING = re.compile(r"[^\n]*\n(?:<a id=[^\n]*\n|#+ [^\n]*\n)*")
_NEXT = re.compile(r"^(?:##|<a id=)", re.MULTILINE)
_FENCE = "```"
_WRAPPED = re.compile(r"(?<=\S)\n {0,2}(?=[^\s\-|#])")
"""An end of line within a paragraph or an item."""


def section(root: Path, place: str) -> str:
    """The text of a section of a document below `root`, by ``docs/RUNBOOK.md#anchor``; empty where there is none."""
    name, _, anchor = place.partition("#")
    try:
        document = (root / name).read_text(encoding="utf-8")
    except OSError:
        return ""
    _, found, rest = document.partition(f'<a id="{anchor}"></a>')
    text = _LINK.sub(r"\1", _NEXT.split(_HEADING.sub("", rest, count=1), maxsplit=1)[0]).strip() if found else ""
    parts = text.split(_FENCE)
    return _FENCE.join(part if number % 2 else _WRAPPED.sub(" ", part) for number, part in enumerate(parts))
