"""A file of the backup that is no database's."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_PART_BYTES = 256 * 2**20
"""Of a part, when it is saved and when it is read back. A schema history of 100,000 changes of tables has some 200 MiB."""


@dataclass(frozen=True)
class Part:
    """The file's text, what the log says of it, and what the operator has to know."""

    text: str = field(repr=False)
    line: str
    notes: tuple[str, ...] = ()
