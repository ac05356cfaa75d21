"""Rows by canonical bytes, for tests that need no database."""

from __future__ import annotations

from cdcproof.databases.table_read import Row

Cell = int | str | None


def form(cell: Cell) -> bytes | None:
    """The canonical bytes of an integer or a text."""
    if isinstance(cell, int):
        return cell.to_bytes(8, "big", signed=True)
    return cell.encode() if cell is not None else None


def forms(*cells: Cell) -> tuple[bytes | None, ...]:
    """The canonical bytes of some cells."""
    return tuple(form(cell) for cell in cells)


def row(*cells: Cell, version: bytes = b"") -> Row:
    """A row of these cells."""
    return Row(version, forms(*cells))
