"""The names of tables and columns, as a catalogue has them. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from cdcproof.databases.values.reading import Reading


@dataclass(frozen=True, order=True)
class TableName:
    """A schema-qualified name, unquoted."""

    schema: str
    table: str

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read ``schema.table``."""
        schema, _, table = text.partition(".")
        return cls(schema, table)

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True)
class Column:
    """A column as the catalogue has it.

    `type` is the database's own name in lower case; PostgreSQL's types of types are ``array``, ``enum``, ``composite``,
    ``range`` and ``multirange``. Scale and precision are None where it has none, `length` (in characters, or in bytes
    of a binary type) where it has no limit. `withheld` says why what this account reads of it is not what is stored; empty
    where it is. `reading` is no part of the catalogue: what a comparison turns its values into; None where it takes them as they are.
    """

    name: str
    type: str
    nullable: bool
    scale: int | None = None
    precision: int | None = None
    computed: bool = False
    length: int | None = None
    withheld: str = ""
    reading: Reading | None = None
