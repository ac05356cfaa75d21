"""A file of the backup that is no database's."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """The file's text, what the log says of it, and what the operator has to know."""

    text: str = field(repr=False)
    line: str
    notes: tuple[str, ...] = ()
