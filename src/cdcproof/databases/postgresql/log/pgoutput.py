"""Reading PostgreSQL's logical replication messages (pgoutput, protocol version 1) for the keys of changed rows. Pure.

Layout: PostgreSQL's documentation, "Logical Replication Message Formats". Only the parts that give a key are kept.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.names import TableName

Values = tuple[str | None, ...]
BEGINNING_BYTES = 5
"""Of a message about rows: its kind, and the number of the table."""


@dataclass(frozen=True)
class _Relation:
    table: TableName
    columns: tuple[str, ...]
    identity: frozenset[str]
    """The columns that identify an old row."""


@dataclass
class KeyCollector:
    """Gathers, message by message, the keys of rows that were written: old and new ones.

    `keys` are the columns to gather of each table, in order; other tables are passed over. A table whose keys are
    unknown (truncated, or its replica identity lacks a key column) goes to `unknown`.
    """

    keys: Mapping[TableName, tuple[str, ...]]
    found: dict[TableName, set[Values]] = field(default_factory=dict)
    unknown: dict[TableName, str] = field(default_factory=dict)
    _relations: dict[int, _Relation] = field(default_factory=dict)

    def read(self, message: bytes) -> None:
        """Take in one message. Raises `UnexpectedAnswerError` for bytes that are not one."""
        reader = _Reader(message)
        try:
            match reader.letter():
                case "R":
                    number, relation = reader.relation()
                    self._relations[number] = relation
                case "I":
                    self._row(reader, reader.integer("I"))
                case "U" | "D":
                    self._rows(reader, reader.integer("I"))
                case "T":
                    count, _options = reader.integer("I"), reader.integer("B")
                    for table in [self._relations[reader.integer("I")].table for _ in range(count)]:
                        self.forget(table, "it was truncated")
        except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
            raise UnexpectedAnswerError(
                f"A logical replication message cannot be read: {type(error).__name__} {error}."
            ) from None

    def pass_over(self, beginning: bytes, why: str) -> None:
        """Take in the beginning of a message whose rest is not read: all rows of its table may have changed. Raises as `read`."""
        try:
            kind, (number,) = chr(beginning[0]), struct.unpack_from(">I", beginning, 1)
            if kind not in "IUD":
                raise UnexpectedAnswerError(f"A logical replication message of kind {kind} cannot be read: {why}.")
            self.forget(self._relations[number].table, why)
        except (IndexError, KeyError, struct.error) as error:
            raise UnexpectedAnswerError(
                f"A logical replication message cannot be read: {type(error).__name__} {error}."
            ) from None

    def forget(self, table: TableName, why: str) -> None:
        """Its keys are not known: it counts as changed in all its rows, and no more are gathered."""
        if table in self.keys:
            self.found.pop(table, None)
            self.unknown.setdefault(table, why)

    def _rows(self, reader: _Reader, number: int) -> None:
        relation, kinds = self._relations[number], ""
        while reader.has_more:
            kinds += self._row(reader, number)
        wanted = self.keys.get(relation.table, ())
        if kinds == "N" and not relation.identity.issuperset(wanted):  # an update that may have changed the key
            self.forget(relation.table, _NO_OLD_KEY)

    def _row(self, reader: _Reader, number: int) -> str:
        kind = reader.letter()  # N: new, K: the old row's identity, O: all of the old row
        relation = self._relations[number]
        values = dict(zip(relation.columns, reader.row(), strict=True))
        wanted = self.keys.get(relation.table)
        if wanted is None or relation.table in self.unknown:
            return kind
        if any(name not in values for name in wanted) or (kind == "K" and not relation.identity.issuperset(wanted)):
            self.forget(relation.table, _NO_OLD_KEY)
            return kind
        self.found.setdefault(relation.table, set()).add(tuple(values[name] for name in wanted))
        return kind


_NO_OLD_KEY = "the log does not have the key of its rows as it was before (REPLICA IDENTITY)"


@dataclass
class _Reader:
    message: bytes
    at: int = 0

    @property
    def has_more(self) -> bool:
        return self.at < len(self.message)

    def letter(self) -> str:
        self.at += 1
        return chr(self.message[self.at - 1])

    def integer(self, kind: str) -> int:
        layout = struct.Struct(f">{kind}")
        (value,) = layout.unpack_from(self.message, self.at)
        self.at += layout.size
        return int(value)

    def string(self) -> str:
        end = self.message.index(b"\0", self.at)
        text = self.message[self.at : end].decode()
        self.at = end + 1
        return text

    def relation(self) -> tuple[int, _Relation]:
        number = self.integer("I")
        table = TableName(self.string(), self.string())
        identity = self.letter()
        columns, key = [], set()
        for _ in range(self.integer("H")):
            flags, name = self.integer("B"), self.string()
            self.integer("I")  # the type
            self.integer("i")  # its modifier
            columns.append(name)
            if flags & 1 or identity == "f":
                key.add(name)
        return number, _Relation(table, tuple(columns), frozenset(key))

    def row(self) -> list[str | None]:
        return [self._value() for _ in range(self.integer("H"))]

    def _value(self) -> str | None:
        match self.letter():
            case "t":
                length = self.integer("I")
                self.at += length
                return self.message[self.at - length : self.at].decode()
            case "n" | "u":  # NULL, or a long value that did not change and is not sent: never a key's
                return None
            case other:
                raise KeyError(other)
