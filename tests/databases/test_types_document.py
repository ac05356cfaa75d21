"""docs/TYPES.md says what the contract says."""

from __future__ import annotations

from pathlib import Path

from cdcproof.databases.kinds import CONTRACT
from cdcproof.databases.types_document import page

DOCUMENT = (Path(__file__).parents[2] / "docs/TYPES.md").read_text(encoding="utf-8")


def test_the_document_is_made_from_the_contract() -> None:
    assert page() == DOCUMENT, "python -m cdcproof.databases.types_document > docs/TYPES.md"


def test_every_type_of_both_engines_is_in_it_with_its_rule() -> None:
    sections = dict(zip(("sqlserver", "postgresql"), DOCUMENT.split("\n## ")[2:], strict=True))
    for engine, types in CONTRACT.items():
        for name, entry in types.items():
            line = next(line for line in sections[engine].splitlines() if line.startswith(f"| `{name}` |"))
            assert entry.fidelity in line
            assert entry.kind or "**not compared**" in line
    assert "| `xml` |  | **not compared** |" in DOCUMENT
    assert "rounded half up" in DOCUMENT
