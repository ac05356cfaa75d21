"""Links between documents lead somewhere, in a checkout and in a wheel."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_WHEEL = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"][
    "wheel"
]
SHIPPED = [ROOT / path for path in _WHEEL["force-include"]]
_CODE = re.compile(r"```.*?```", re.DOTALL)


def _links(document: Path) -> Iterator[tuple[Path, str]]:
    """The file and the anchor of each link that does not leave the project."""
    for link in re.findall(r"\]\(([^)\s]+)\)", _CODE.sub("", document.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        if not link.startswith("http"):
            yield (document.parent / path).resolve() if path else document, anchor


def _anchors(document: Path) -> set[str]:
    text = _CODE.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    by_heading = {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}
    return by_heading | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    dead = [
        f"{target.relative_to(ROOT)}#{anchor}"
        for target, anchor in _links(document)
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target))
    ]
    assert dead == []


def test_documents_of_a_wheel_link_to_what_is_in_the_wheel() -> None:
    """Pictures excepted: a wheel is to stay small."""
    left_out = {
        f"{document.relative_to(ROOT)}: {target.relative_to(ROOT)}"
        for document in DOCUMENTS
        if _is_shipped(document)
        for target, _ in _links(document)
        if not _is_shipped(target) and target.parent.name != "pictures"
    }
    assert left_out == set()


def test_the_build_of_an_image_gets_all_that_a_wheel_is_made_of() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"]
    shipped = [path.relative_to(ROOT) for path in SHIPPED]
    left_out = [
        path
        for path in shipped
        if not any(one.match(kept_one) for one in (path, *path.parents[:-1]) for kept_one in kept)
    ]
    assert left_out == []


def test_there_are_links_to_look_at() -> None:
    assert len([link for document in DOCUMENTS for link in _links(document)]) > 100


def _is_shipped(path: Path) -> bool:
    return any(path == shipped or shipped in path.parents for shipped in SHIPPED)
