"""docs/TYPES.md, made from the type contract: `python -m cdcproof.databases.types_document > docs/TYPES.md`."""

from __future__ import annotations

from collections.abc import Iterator

from cdcproof.databases import kinds
from cdcproof.databases.kinds import CONTRACT, Entry, Fidelity
from cdcproof.engines import Engine

_HEAD = """# What equal means, type by type

Made from `src/cdcproof/databases/kinds.py` by `python -m cdcproof.databases.types_document > docs/TYPES.md`; a test compares the two.

A column is compared when both sides' types are of the same kind (numbers with numbers, whole or not; floats with floats), and then
by its canonical bytes, which each database makes itself. Before a table is compared, both databases make the bytes and the
hashes of known values of every type in use, and they must be those that Python computes; a type that fails this is left out by
its name. What is not compared is named in every report, on the screen and on its page. A table in which a column was left out
that holds data on either side is INCOMPLETE and no MATCH, until the pipeline file excludes the column.

A column of SQL Server that is masked for the account (dynamic data masking, no UNMASK) or Always Encrypted is not compared, whatever
its type. Where a security policy of SQL Server filters a table, the report says that rows may be hidden; PostgreSQL is told to refuse
rather than to hide any.

NULL, an empty text and a blank are three different values; case, trailing blanks and every character count.
"""


def page() -> str:
    """The document."""
    return "".join(_parts())


def _parts() -> Iterator[str]:
    yield _HEAD
    documented = (kinds.__doc__ or "").partition("| kind |")
    yield f"\n## Kinds\n\n{documented[1]}{documented[2].partition(chr(10) * 2)[0]}\n"
    long_values = documented[2].partition("\n\n")[2]
    yield f"\n{long_values.strip()}\n"
    names: dict[Engine, str] = {"sqlserver": "SQL Server", "postgresql": "PostgreSQL"}
    for engine, name in names.items():
        yield f"\n## {name}\n\n| type | kind | worth | rule |\n|---|---|---|---|\n"
        yield from (_line(type_name, entry) for type_name, entry in CONTRACT[engine].items())
    yield "\nA type that is in neither table is not compared either, and named.\n"


def _line(type_name: str, entry: Entry) -> str:
    worth = f"**{entry.fidelity}**" if entry.fidelity is Fidelity.NOT_COMPARED else str(entry.fidelity)
    return f"| `{type_name}` | {entry.kind or ''} | {worth} | {entry.rule} |\n"


if __name__ == "__main__":
    print(page(), end="")
