"""How rows are hashed in DuckDB, as its SQL. The expressions are the same for both sides of a table. Nothing is asked here.

What DuckDB's `hash` is worth was looked up in its source (src/common/types/hash.cpp of 1.5) and is shown by the tests:

- Text is taken by words of 8 bytes, h = (h xor word) * M. What changes in the upper bits of a word changes only upper bits
  of h, and the next word can undo it: two texts that differ in their 8th and 16th byte have one hash in 1 of 256 cases.
  So text is hashed at three places relative to the words: wherever it differs, at least 80 bits have to agree by chance.
  All the text of a row is joined for that, which takes half the time of one text after the other.
- 128-bit numbers (decimals above 18 digits) and uuids have the xor of their halves' hashes: -1 has that of 0. They are
  hashed in a second form too.
- NULL has the hash of a certain number: which columns are NULL is hashed, too.
- Columns are joined as f(hash so far) xor hash, so that in a sum of rows' hashes values may change places unseen: a row's
  hash is hashed once more.
"""

from __future__ import annotations

from collections.abc import Sequence

from cdcproof.databases.table_read import ColumnRead, TableRead
from cdcproof.databases.values.types import Form, Kind

_DIGITS_OF_64_BITS = 18
_COLUMNS_A_FLAG = 60
_MASK = 2**64 - 1
_TEXT = "VARCHAR"


def sums(scan: TableRead, relation: str) -> str:
    """Chunk, rows and the sum of their hashes modulo 2^64, of a relation with the columns of `table_read.Stream`."""
    chunk = f"c0 // {scan.chunking.width}" if scan.chunking.width else "chunk"
    hashes = f"(sum({row_hash(scan.columns)}) & {_MASK})::UBIGINT"  # Python gets a HUGEINT five times more slowly
    rows = _typed(scan.columns, relation, "" if scan.chunking.width else "chunk, ")
    return f"SELECT ({chunk})::BIGINT, count(*), {hashes} FROM ({rows}) GROUP BY ALL"  # noqa: S608  only names of ours


def each(columns: Sequence[ColumnRead], relation: str) -> str:
    """For calibration: of every row, in the order of ``chunk``, the hash of each column by itself."""
    hashes = ", ".join(
        _twice([*_values([(f"c{place}", field.form)]), f"(c{place} IS NULL)::BIGINT"])
        for place, field in enumerate(columns)
    )
    return f"SELECT {hashes} FROM ({_typed(columns, relation, 'chunk, ')}) ORDER BY chunk"  # noqa: S608  only names of ours


def row_hash(columns: Sequence[ColumnRead]) -> str:
    """The hash of a row with the columns ``c0``, ``c1`` …"""
    return _twice([*_values([(f"c{place}", field.form) for place, field in enumerate(columns)]), *_flags(columns)])


def _typed(columns: Sequence[ColumnRead], relation: str, chunk: str) -> str:
    typed = ", ".join(f"c{place}::{field.form.columnar} AS c{place}" for place, field in enumerate(columns))
    return f"SELECT {chunk}{typed} FROM {relation}"  # noqa: S608  only names of ours


def _twice(parts: Sequence[str]) -> str:
    return f"hash(hash({', '.join(parts)}))"


def _flags(columns: Sequence[ColumnRead]) -> list[str]:
    """Which columns are NULL: as many numbers on both sides, whatever each declares as nullable."""
    flags = []
    for start in range(0, len(columns), _COLUMNS_A_FLAG):
        bits = [
            f"((c{start + bit} IS NULL)::BIGINT << {bit})"
            for bit, field in enumerate(columns[start : start + _COLUMNS_A_FLAG])
            if field.column.nullable
        ]
        flags.append(" | ".join(bits) or "0::BIGINT")
    return flags


def _values(named: Sequence[tuple[str, Form]]) -> list[str]:
    texts = [name for name, form in named if form.columnar == _TEXT]
    others = [part for name, form in named if form.columnar != _TEXT for part in _column(name, form)]
    return [*others, *_texts(texts)]


def _texts(names: Sequence[str]) -> list[str]:
    """All of them as one text; their lengths say where each begins, and the flags which are NULL."""
    if not names:
        return []
    joined = ", ".join(names)
    lengths = [f"strlen({name})" for name in names[:-1]]
    return [*lengths, *(f"concat({shift}, {joined})" for shift in ("''", "'...'", "'......'"))]


def _column(name: str, form: Form) -> list[str]:
    kind = form.columnar
    if kind == "BLOB" and form.kind not in (Kind.FLOAT, Kind.SINGLE):  # those are a single word
        return [name, f"'...'::BLOB || {name}", f"'......'::BLOB || {name}"]
    if kind == "UUID":
        return [name, f"{name}::VARCHAR"]
    if form.kind is Kind.NUMBER and form.precision >= _DIGITS_OF_64_BITS:
        return [name, f"{name}::DOUBLE"]
    return [name]
