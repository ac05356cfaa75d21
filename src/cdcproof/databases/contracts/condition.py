"""What in a condition of a pipeline file may answer otherwise at the next look, although the row stays as it is. Data only."""

from __future__ import annotations

from typing import NamedTuple


class Unsteady(NamedTuple):
    """A part of a condition: what it is, why its answer may change, and what to write in its place."""

    part: str
    why: str
    instead: str

    def __str__(self) -> str:
        return f"{self.part} {self.why}"


LITERAL_DATE = "Write the day itself, as DATE '2026-11-01', and move it on when the window has moved."
OWN_ROW = "Let the condition read nothing but columns of the row itself."
LITERAL_VALUE = "Write the value itself."
THE_TABLE = "Compare the table that the view reads, or exclude the view from the tables."
