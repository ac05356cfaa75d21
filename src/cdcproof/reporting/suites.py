"""Which checks belong to a suite, and whether a run was of the whole suite or of a part of it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from cdcproof.reporting.steps import suite_of

Suites = Mapping[str, frozenset[str]]
"""Suite to the ids of its steps."""


@dataclass(frozen=True)
class Coverage:
    """What a run left out: `missing` steps, and the suites of which only a `parts` ran."""

    missing: tuple[str, ...]
    parts: tuple[str, ...]


def coverage(selected: Set[str], ran: Set[str], suites: Suites) -> Coverage:
    """Compare the steps that ran with the suites that were asked for.

    A suite was asked for as a whole when all of its steps were selected. A selected step that belongs to no such
    suite stands for its own suite, of which the others are then missing.
    """
    whole = [steps for steps in suites.values() if steps and steps <= selected]
    alone = selected - frozenset().union(*whole)
    asked = frozenset(selected).union(*(suites.get(suite_of(step), frozenset()) for step in alone))
    own = {suite_of(step) for step in ran}
    return Coverage(
        tuple(sorted(asked - ran)), tuple(sorted(suite for suite in own if not suites.get(suite, frozenset()) <= ran))
    )


def of_steps(marks: Mapping[str, Set[str]]) -> Suites:
    """The suites, from each step's id and its further marks: a mark with the name of a suite makes it a member."""
    names = {suite_of(step) for step in marks}
    return {
        suite: frozenset(step for step, others in marks.items() if suite == suite_of(step) or suite in others)
        for suite in names
    }


def marks_in_sources(directory: Path, listed: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
    """Step id to the names of the marks beside it, for all check files below `directory`, collected or not.

    `listed` are the further suites of steps whose mark holds the step id alone. A file that cannot be parsed is left
    out: pytest reports it.
    """
    return {step: marks for path in sorted(directory.rglob("test_*.py")) for step, marks in _marks_in(path, listed)}


def _marks_in(path: Path, listed: Mapping[str, Collection[str]]) -> Iterator[tuple[str, frozenset[str]]]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        calls = {_name(mark): mark for mark in node.decorator_list}
        runbook = calls.pop("runbook", None)
        if isinstance(runbook, ast.Call) and runbook.args and isinstance(runbook.args[0], ast.Constant):
            step = str(runbook.args[0].value)
            yield step, frozenset(calls) | frozenset(() if runbook.keywords else listed.get(step, ()))


def _name(mark: ast.expr) -> str:
    called = mark.func if isinstance(mark, ast.Call) else mark
    return called.attr if isinstance(called, ast.Attribute) else ""
