#!/usr/bin/env python3
"""Change every comparison, number, range and `for:` of Prometheus' rules, one at a time, and show which changes promtool's tests miss.

By hand, after a change of rules: ``python scripts/mutate_rules.py [ALERT or rule file …]``. All of them take half an hour, so no
run in CI does it. A change that no test notices is a survivor: a limit that nobody tests. The exit status is 1 where there are any.
"""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "monitoring" / "prometheus"
OPERATORS = {"==": ("!=",), "!=": ("==",), ">": (">=", "<"), ">=": (">", "<"), "<": ("<=", ">"), "<=": ("<", ">")}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_HIDDEN = re.compile(r'"[^"]*"|\{[^}]*\}')
_TOKEN = re.compile(r"==|!=|>=|<=|>|<|\[(\w+)\]|\boffset (\w+)|(?<![\w.:])\d+(?:\.\d+)?(?![\w.])")


@dataclass(frozen=True)
class Mutant:
    """A rule with one change."""

    file: str
    rule: str
    change: str
    content: dict[str, Any]


def durations(text: str) -> tuple[str, ...]:
    """A fifth shorter and a fifth longer."""
    seconds = sum(int(number) * SECONDS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))
    return tuple(f"{round(seconds * factor)}s" for factor in (0.8, 1.2))


def numbers(text: str) -> tuple[str, ...]:
    """A quarter less and a quarter more, one of a small number of things; 0 and 1, which are mostly states, become each other."""
    if text in ("0", "1"):
        return ("1" if text == "0" else "0",)
    if text.isdigit() and int(text) < 10:
        return (str(int(text) - 1), str(int(text) + 1))
    return tuple(f"{float(text) * factor:.6g}" for factor in (0.75, 1.25))


def changed(expression: str) -> Iterator[tuple[str, str]]:
    """What was changed, and the expression with that change. What stands in quotes or braces names a series and stays."""
    masked = _HIDDEN.sub(lambda found: "\0" * len(found[0]), expression)
    for found in _TOKEN.finditer(masked):
        token = found[0]
        if token in OPERATORS:
            news = OPERATORS[token]
        elif found[1]:
            news = tuple(f"[{new}]" for new in durations(found[1]))
        elif found[2]:
            news = tuple(f"offset {new}" for new in durations(found[2]))
        else:
            news = numbers(token)
        for new in news:
            around = " ".join(expression[max(0, found.start() - 40) : found.end()].split())
            yield f"…{around} -> {new}", expression[: found.start()] + new + expression[found.end() :]


def mutants(path: Path) -> Iterator[Mutant]:
    """Every change of every rule of a file."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for group, each in enumerate(content["groups"]):
        for place, rule in enumerate(each["rules"]):
            news = [(change, {"expr": expression}) for change, expression in changed(rule["expr"])]
            if "for" in rule:
                news += [(f"for: {rule['for']} -> {new}", {"for": new}) for new in durations(rule["for"])]
            for change, new in news:
                made = copy.deepcopy(content)
                made["groups"][group]["rules"][place] |= new
                yield Mutant(path.name, rule.get("alert") or rule["record"], change, made)


def tests_of(mutant: Mutant, tests: list[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tests that could notice it: of an alert those that name it, of a recorded series all that load its file."""
    is_alert = ":" not in mutant.rule and mutant.rule[0].isupper()
    for name, content in tests:
        if f"../rules/{mutant.file}" not in content["rule_files"]:
            continue
        groups = [one for one in content["tests"] if not is_alert or mutant.rule in str(one)]
        if groups:
            yield name, {**content, "tests": groups}


def survives(mutant: Mutant, tests: list[tuple[str, dict[str, Any]]]) -> bool:
    """Whether every test that could notice the change passes."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(FOLDER / "rules", Path(folder, "rules"))
        Path(folder, "tests").mkdir()
        Path(folder, "rules", mutant.file).write_text(yaml.safe_dump(mutant.content, width=10_000), encoding="utf-8")
        for name, content in tests_of(mutant, tests):
            test = Path(folder, "tests", name)
            test.write_text(yaml.safe_dump(content, width=10_000), encoding="utf-8")
            if subprocess.run(["promtool", "test", "rules", test], check=False, capture_output=True).returncode:
                return False
    return True


def main(wanted: list[str]) -> int:
    """Print the survivors and how many changes were made."""
    tests = [(path.name, yaml.safe_load(path.read_text(encoding="utf-8"))) for path in FOLDER.glob("tests/*.yml")]
    made = [
        mutant
        for path in sorted(FOLDER.glob("rules/*.yml"))
        for mutant in mutants(path)
        if not wanted or mutant.rule in wanted or mutant.file in wanted
    ]
    survivors = 0
    with ThreadPoolExecutor(2) as pool:
        for mutant, survived in zip(made, pool.map(lambda one: survives(one, tests), made), strict=True):
            if survived:
                survivors += 1
                print(f"{mutant.file}  {mutant.rule}  {mutant.change}", flush=True)
    print(f"{len(made)} changes, {survivors} of them noticed by no test")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
