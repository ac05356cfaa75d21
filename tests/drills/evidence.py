"""What a test asserts, read from its source: the steps that it names, and whose judgement it calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Reached:
    """All that a test names, itself or by what it names in its module: texts, patterns of texts, and what it imports (``module.name``)."""

    texts: frozenset[str]
    patterns: frozenset[str]
    imports: frozenset[str]
    calls: frozenset[str]

    def names(self, text: str) -> bool:
        """Whether the test has this text, or one that is filled in to be it."""
        return any(text in one for one in self.texts) or any(re.fullmatch(pattern, text) for pattern in self.patterns)

    def uses(self, module: str) -> bool:
        """Whether it uses anything of a module, or of a module in that room."""
        return any(f"{name}.".startswith(f"{module}.") for name in self.imports)


def reached(file: Path, function: str, *, deep: bool = True) -> Reached:
    """Follow a test through the functions, fixtures and constants of its module, where `deep`. Raises KeyError where there is no such test."""
    tree = _tree(file)
    defined, imported = _defined(tree), _imported(tree)
    left, names, nodes = [function], set[str](), list[ast.AST]()
    if function not in defined:
        raise KeyError(f"{file.relative_to(ROOT)} has no {function}")
    while left:
        name = left.pop()
        if name in names:
            continue
        names.add(name)
        found = list(ast.walk(defined[name])) if name in defined else []
        nodes += found
        names |= {n.id for n in found if isinstance(n, ast.Name) and n.id in imported}
        if not deep:
            continue
        left += [n.id for n in found if isinstance(n, ast.Name)]
        left += [n.attr for n in found if isinstance(n, ast.Attribute) and n.attr in defined]
        left += [n.arg for n in found if isinstance(n, ast.arg)]  # fixtures by their names
    whole = {imported[name] for name in names if name in imported}
    parts = {
        f"{imported[n.value.id]}.{n.attr}"
        for n in nodes
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id in imported
    }
    return Reached(
        frozenset(n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)),
        frozenset(_pattern(n) for n in nodes if isinstance(n, ast.JoinedStr)),
        frozenset(whole | parts),
        frozenset(_called(defined[function])),
    )


def judges_of(step: str) -> tuple[Path, str, set[str]]:
    """A check's file, the check as ``module.name``, and all whose judgement its fixtures give it."""
    fixtures = _fixtures()
    for file in sorted((ROOT / "checks").rglob("test_*.py")):
        for node in _tree(file).body:
            if isinstance(node, ast.FunctionDef) and any(f"{step!r}" in ast.unparse(m) for m in node.decorator_list):
                module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
                given = [fixtures.get(argument.arg, set()) for argument in node.args.args]
                return file.relative_to(ROOT), f"{module}.{node.name}", set[str]().union(*given)
    raise KeyError(step)


_JUDGES = (
    "cdcproof.observations.",
    "cdcproof.connectors.",
    "cdcproof.remedies.",
    "cdcproof.validation.",
    "cdcproof.onboarding.",
    "cdcproof.clients.",
    "cdcproof.databases.",
    "cdcproof.backup.",
    "cdcproof.maintenance.",
)
_ALL_CHECKS_HAVE = {"remedies", "pipeline", "evidence", "environment"}


@cache
def _fixtures() -> dict[str, set[str]]:
    """Fixture to what it makes its judgement by, and to the module of what it gives."""
    found = {}
    for file in sorted((ROOT / "fixtures").rglob("*.py")):
        tree = _tree(file)
        for node in tree.body:
            is_fixture = isinstance(node, ast.FunctionDef) and "fixture" in " ".join(
                map(ast.unparse, node.decorator_list)
            )
            if isinstance(node, ast.FunctionDef) and is_fixture and node.name not in _ALL_CHECKS_HAVE:
                own = {one for one in reached(file, node.name, deep=False).imports if one.startswith(_JUDGES)}
                kinds = [n.id for n in ast.walk(node.returns or node) if isinstance(n, ast.Name)]
                gives = {_imported(tree).get(kind, "").rpartition(".")[0] for kind in kinds}
                found[node.name] = own | {one for one in gives if one.startswith(_JUDGES)}
    return found


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _defined(tree: ast.Module) -> dict[str, ast.AST]:
    found: dict[str, ast.AST] = {}
    for node in [*tree.body, *(part for one in tree.body if isinstance(one, ast.ClassDef) for part in one.body)]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {n.id: node for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def _imported(tree: ast.Module) -> dict[str, str]:
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _pattern(text: ast.JoinedStr) -> str:
    """A filled-in text as an expression; what is filled in must be something, so that nothing but a hole matches nothing."""
    parts = [re.escape(str(p.value)) if isinstance(p, ast.Constant) else r"[\w-]+" for p in text.values]
    return "".join(parts) if any(isinstance(p, ast.Constant) for p in text.values) else r"\b\B"


def _called(function: ast.AST) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
