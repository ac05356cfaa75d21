"""docs/TYPES.md says what the contract says."""

from __future__ import annotations

from pathlib import Path

from cdcproof.databases.values.reading import How
from cdcproof.databases.values.types import CONTRACT
from cdcproof.databases.values.types_page import _SETTINGS, page

DOCUMENT = (Path(__file__).parents[2] / "docs/TYPES.md").read_text(encoding="utf-8")


def test_the_document_is_made_from_the_contract() -> None:
    assert page() == DOCUMENT, "python -m cdcproof.databases.values.types_page > docs/TYPES.md"


def test_every_type_of_both_engines_is_in_it_with_its_rule() -> None:
    sections = dict(zip(("sqlserver", "postgresql"), DOCUMENT.split("\n## ")[2:4], strict=True))
    for engine, types in CONTRACT.items():
        for name, entry in types.items():
            line = next(line for line in sections[engine].splitlines() if line.startswith(f"| `{name}` |"))
            assert entry.fidelity in line
            assert entry.kind or "**not compared**" in line
    assert "| `sql_variant` |  | **not compared** |" in DOCUMENT
    assert "rounded half up" in DOCUMENT


def test_every_way_in_which_sinks_write_a_type_is_in_it_with_its_setting() -> None:
    pairs = DOCUMENT.partition("## What sinks write")[2].splitlines()
    for source, target, setting in (
        ("SQL Server `datetime2`", "any integer", "`time.precision.mode=adaptive` for 7 digits"),
        ("PostgreSQL `timestamp without time zone`", "any integer", "`time.precision.mode=adaptive` for 4 to 6 digits"),
        ("SQL Server `date`", "any integer", "every `time.precision.mode` but `isostring`"),
        ("SQL Server `decimal`", "`text`", "`decimal.handling.mode=string`"),
        ("SQL Server `decimal`", "`double precision`", "`decimal.handling.mode=double`"),
        ("SQL Server `decimal`", "`bytea`", "`decimal.handling.mode=precise`"),
        ("SQL Server `varbinary`", "`text`", "`binary.handling.mode=base64` or `base64-url-safe`"),
        ("SQL Server `varbinary`", "`text`", "`binary.handling.mode=hex`"),
        ("SQL Server `uniqueidentifier`", "`text`", "every mode"),
        ("SQL Server `datetimeoffset`", "`text`", "every `time.precision.mode`"),
        ("PostgreSQL `jsonb`", "`jsonb`", "io.debezium.data.Json"),
    ):
        assert [line for line in pairs if source in line and f"| {target}" in line and setting in line], (
            source,
            target,
        )
    assert {how for how in How if how not in _SETTINGS} == {how for how in How if how.name.endswith("_WORD")}
