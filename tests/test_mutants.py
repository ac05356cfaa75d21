"""What `make mutants` runs by: each module and each of its tests is there. What it found: docs/MUTANTS.md has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import mutants
from tests.mutants import record
from tests.mutants.record import Result, Survivor

ROOT = Path(__file__).parents[1]
MODULES = record.modules()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_and_its_tests_are_there(module: str) -> None:
    named = [f"src/cdcproof/{module}", *MODULES[module]]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_survivors_are_argued_for_modules_that_are_run() -> None:
    assert record.argued().keys() <= MODULES.keys()


def test_results_are_of_modules_that_are_run() -> None:
    assert {path.relative_to(record.RESULTS) for path in record.RESULTS.rglob("*.json")} <= {
        record.path_of(module).relative_to(record.RESULTS) for module in MODULES
    }


def test_the_document_has_what_was_measured() -> None:
    for path, content in record.document().items():
        assert path.read_text(encoding="utf-8") == content, "make generate"


def test_a_row_and_its_survivors() -> None:
    survivors = (Survivor("judge", "a < b", "a <= b"), Survivor("judge", "a < b", "a <= b"), Survivor("f", "x = 1", ""))
    results = {"findings.py": Result(40, 37, 0, "2026-11-29", "0123", survivors)}
    named = {"findings.py": ["tests/test_findings.py"], "other.py": []}
    page = record.text(named, results, {"findings.py": {"judge: a < b → a <= b": "They are never equal."}}).splitlines()
    assert "| `findings.py` | 40 | 37 | 92.5 | 3 | 2 | 2026-11-29 |" in page
    assert "| `other.py` | not run | | | | | |" in page
    assert "- `judge`: `a < b` becomes `a <= b` (2 times). They are never equal." in page
    assert "- `f`: `x = 1` becomes `(the line is gone)`. not argued: a gap in the tests" in page


def test_a_result_is_older_than_a_change_of_the_module_or_of_its_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "ROOT", tmp_path)
    module, tests = tmp_path / record.SOURCE / "a.py", tmp_path / "tests/a"
    for path in (module, tests / "test_a.py", tests / "test_b.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    states = [record.state_of("a.py", ["tests/a"])]
    assert record.state_of("a.py", ["tests/a"]) == states[0]
    for path in (module, tests / "test_b.py"):
        path.write_text("x = 2\n")
        states.append(record.state_of("a.py", ["tests/a"]))
    assert len(set(states)) == 3


def test_what_has_changed_is_measured_or_what_is_named_or_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    named = {"findings.py": ["tests/test_findings.py"], "reporting/judge.py": ["tests/reporting/test_judge.py"]}
    assert mutants.chosen([], named) == ["findings.py", "reporting/judge.py"]
    record.keep("findings.py", Result(1, 1, 0, "2026-11-29", record.state_of("findings.py", named["findings.py"]), ()))
    record.keep("reporting/judge.py", Result(1, 1, 0, "2026-11-29", "of older code", ()))
    assert mutants.chosen([], named) == ["reporting/judge.py"]
    assert mutants.chosen(["findings.py"], named) == ["findings.py"]
    assert mutants.chosen(["all"], named) == list(named)
    with pytest.raises(SystemExit, match=r"does not name a\.py; it names findings\.py, reporting/judge\.py"):
        mutants.chosen(["findings.py", "a.py"], named)


def test_a_property_is_a_method_in_the_copy_that_is_mutated_and_behaves_as_before() -> None:
    text = """
from functools import cached_property
class A:
    @property
    def one(self):
        return [1]
    @cached_property
    def two(self):
        return [2]
    @staticmethod
    def three():
        return 3
"""
    changed = mutants.without_properties(text)
    assert "@property" not in changed
    assert "@cached_property" not in changed
    names: dict[str, type] = {}
    exec(changed, names)
    a = names["A"]()
    assert (a.one, a.two, a.three()) == ([1], [2], 3)
    assert a.two is a.two
    assert a.one is not a.one


def test_a_mutant_is_named_by_its_function_and_its_change() -> None:
    diff = "--- a.py\n+++ a.py\n@@ -1,2 +1,2 @@\n def read_one(self):\n-    return a < b\n+    return a <= b"
    assert mutants.changed("cdcproof.a.xǁAǁread_one__mutmut_3", diff).text == "A.one: return a < b → return a <= b"
    assert mutants.changed("cdcproof.a.x_f__mutmut_1", diff).function == "f"
    assert mutants.changed("cdcproof.a.x__read_back__mutmut_1", diff).function == "_read_back"
