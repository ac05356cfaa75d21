"""What `make mutants` runs by: each module and each of its tests is there."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES: dict[str, list[str]] = tomllib.loads((ROOT / "tests/mutants/modules.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_and_its_tests_are_there(module: str) -> None:
    named = [f"src/cdcproof/{module}", *MODULES[module]]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_survivors_are_argued_for_modules_that_are_run() -> None:
    argued = tomllib.loads((ROOT / "tests/mutants/argued.toml").read_text(encoding="utf-8"))
    assert argued.keys() <= MODULES.keys()
