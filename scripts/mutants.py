#!/usr/bin/env python3
"""Change the judging code, one place at a time, by mutmut, and show which changes its tests miss.

By hand or weekly: ``make mutants``, or ``python scripts/mutants.py findings.py …`` for some modules. Each module is mutated alone and
judged by the tests that `tests/mutants/modules.toml` names, in a copy below ``build/mutants``. The numbers go to `tests/mutants/results.json`,
and docs/MUTANTS.md is written from them. The exit status is 1 where less than 90 % of a module's mutants are killed, or a survivor is not argued.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = Path("src/cdcproof")
MODULES = ROOT / "tests/mutants/modules.toml"
ARGUED = ROOT / "tests/mutants/argued.toml"
RESULTS = ROOT / "tests/mutants/results.json"
DOCUMENT = ROOT / "docs/MUTANTS.md"
WORK = ROOT / "build/mutants"
LEAST_PERCENT = 90

SURVIVED, UNTESTED = 0, 33
TIMEOUTS = (24, 36, 152, 255, -24)
QUICK = """

from hypothesis import Phase as _Phase
settings.register_profile("mutants", parent=settings.get_profile("busy machine"), derandomize=True, database=None,
                          phases=[_Phase.explicit, _Phase.generate])
settings.load_profile("mutants")
"""
"""Examples without chance, so that a survivor is one at every run, and not shrunk, which takes most of a failure's time."""


@dataclass(frozen=True)
class Survivor:
    """A change that no test notices: where, the line before, the line after."""

    function: str
    before: str
    after: str

    @property
    def text(self) -> str:
        """As `tests/mutants/argued.toml` names it."""
        return f"{self.function}: {self.before} → {self.after}"


@dataclass(frozen=True)
class Result:
    """What became of a module's mutants. Those that run into a limit of time are killed, and counted beside."""

    mutants: int
    killed: int
    timeouts: int
    survivors: tuple[Survivor, ...]

    @property
    def percent(self) -> float:
        """How many of a hundred mutants were killed."""
        return 100 * self.killed / self.mutants if self.mutants else 0.0


def without_properties(text: str) -> str:
    """The module with each property as a method and a line that makes it one: mutmut leaves out what is decorated."""
    lines = text.splitlines()
    properties = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
        and [ast.unparse(each) for each in node.decorator_list] in (["property"], ["cached_property"])
    ]
    for node in sorted(properties, key=lambda each: each.lineno, reverse=True):
        decorator = node.decorator_list[0]
        indent = " " * (decorator.col_offset - 1)
        kind = ast.unparse(decorator)
        after = [f"{indent}{node.name} = {kind}(read_{node.name})"]
        if kind == "cached_property":
            after.append(f'{indent}{node.name}.__set_name__(None, "{node.name}")')
        lines[node.end_lineno : node.end_lineno] = after
        lines[node.lineno - 1] = lines[node.lineno - 1].replace(f"def {node.name}(", f"def read_{node.name}(", 1)
        del lines[decorator.lineno - 1]
    return "\n".join(lines) + "\n"


def copied(module: str, tests: list[str]) -> Path:
    """A folder in which mutmut mutates this module alone, with those tests."""
    folder = WORK / module.removesuffix(".py").replace("/", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    for name in ("src", *config["also_copy"]):
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(
                place, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "mutants")
            )
        else:
            shutil.copy2(place, folder / name)
    settings = {**config, "only_mutate": [str(SOURCE / module)], "pytest_add_cli_args_test_selection": tests}
    own = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    (folder / "pyproject.toml").write_text(f"[tool.mutmut]\n{own}", encoding="utf-8")
    mutated = folder / SOURCE / module
    mutated.write_text(without_properties(mutated.read_text(encoding="utf-8")), encoding="utf-8")
    with (folder / "tests/conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(QUICK)
    return folder


def mutated(module: str, tests: list[str], processes: int) -> Result:
    """Run mutmut on one module."""
    folder = copied(module, tests)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    mutmut = str(Path(sys.executable).with_name("mutmut"))
    with (folder / "mutmut.log").open("w", encoding="utf-8") as log:
        subprocess.run(
            [mutmut, "run", "--max-children", str(processes)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    record = folder / "mutants" / SOURCE / f"{module}.meta"
    if not record.is_file():
        sys.exit(f"{module}: mutmut did not run; see {folder / 'mutmut.log'}")
    codes: dict[str, int | None] = json.loads(record.read_text(encoding="utf-8"))["exit_code_by_key"]
    if None in codes.values():
        sys.exit(f"{module}: mutmut did not come to its end; see {folder / 'mutmut.log'}")
    alive = [name for name, code in codes.items() if code in (SURVIVED, UNTESTED)]
    timeouts = sum(code in TIMEOUTS for code in codes.values())
    survivors = tuple(sorted((changed(folder, mutmut, name) for name in alive), key=lambda one: one.text))
    return Result(len(codes), len(codes) - len(alive), timeouts, survivors)


def changed(folder: Path, mutmut: str, name: str) -> Survivor:
    """A mutant by its change; mutmut's own numbers move with every change of the code."""
    shown = subprocess.run([mutmut, "show", name], cwd=folder, capture_output=True, text=True, check=True).stdout
    before, after = (
        " ".join(line[1:].strip() for line in shown.splitlines() if re.match(rf"\{sign}(?!\{sign})", line))
        for sign in "-+"
    )
    function = name.rpartition(".")[2].rpartition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ")
    return Survivor(function.replace("ǁ", ".").replace("read_", ""), before, after)


def kept() -> dict[str, Result]:
    """What the last runs found, by module."""
    if not RESULTS.is_file():
        return {}
    read = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {
        module: Result(**{**result, "survivors": tuple(Survivor(**each) for each in result["survivors"])})
        for module, result in read.items()
    }


def argued() -> dict[str, dict[str, str]]:
    """By module, each survivor's text to why no test can or need notice it."""
    return tomllib.loads(ARGUED.read_text(encoding="utf-8")) if ARGUED.is_file() else {}


def argument(module: str, survivor: Survivor, arguments: dict[str, dict[str, str]]) -> str:
    """Why it survives; empty where nobody has argued it. An argument's key is part of the survivor's text."""
    return next((why for part, why in arguments.get(module, {}).items() if part in survivor.text), "")


def document(results: dict[str, Result], arguments: dict[str, dict[str, str]], modules: dict[str, list[str]]) -> str:
    """The text of docs/MUTANTS.md."""
    lines = [
        "# Mutants of the judging code",
        "",
        "[mutmut](https://mutmut.readthedocs.io) changes the code that judges, one place at a time: a comparison, a number, a word, an argument.",
        "A change that the module's own tests do not notice survives. A survivor is a gap in the tests, or it is argued below why no test can notice it.",
        "",
        "`make mutants` runs all modules, for hours, weekly and not in CI; `make mutants MODULES=findings.py` runs one, in minutes. It writes this page.",
        "Its exit status is 1 where fewer than 90 % of a module's mutants are killed, or where a survivor is not argued.",
        "`tests/mutants/modules.toml` names the modules and their tests, `tests/mutants/argued.toml` argues survivors.",
        "Properties are mutated too: mutmut leaves out what is decorated, so the copy that it mutates has them as methods.",
        "Not mutated: constants of modules, class bodies, and functions with other decorators.",
        "",
        "| module of `src/cdcproof` | mutants | killed | % | survivors | argued |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for module in modules:
        if module in results:
            result = results[module]
            reasons = sum(bool(argument(module, each, arguments)) for each in result.survivors)
            lines.append(
                f"| `{module}` | {result.mutants} | {result.killed} | {result.percent:.1f} | {len(result.survivors)} | {reasons} |"
            )
        else:
            lines.append(f"| `{module}` | not run | | | | |")
    run = [results[module] for module in modules if module in results]
    if run:
        all_mutants, all_killed = sum(each.mutants for each in run), sum(each.killed for each in run)
        alive = sum(len(each.survivors) for each in run)
        lines.append(
            f"| all that ran | {all_mutants} | {all_killed} | {100 * all_killed / all_mutants:.1f} | {alive} | |"
        )
    lines += ["", "## Survivors", ""]
    for module in modules:
        survivors = results[module].survivors if module in results else ()
        if not survivors:
            continue
        lines += [f"### `{module}`", ""]
        for text, times in Counter(each.text for each in survivors).items():
            survivor = next(each for each in survivors if each.text == text)
            why = argument(module, survivor, arguments) or "not argued: a gap in the tests"
            code = survivor.after.replace("`", "'") or "(the line is gone)"
            before = survivor.before.replace("`", "'")
            lines.append(
                f"- `{survivor.function}`: `{before}` becomes `{code}`{f' ({times} times)' * (times > 1)}. {why}"
            )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main(wanted: list[str]) -> int:
    """Mutate the wanted modules, all when none is named; print and keep the numbers."""
    modules: dict[str, list[str]] = tomllib.loads(MODULES.read_text(encoding="utf-8"))
    if unknown := [module for module in wanted if module not in modules]:
        sys.exit(f"{MODULES.relative_to(ROOT)} does not name {', '.join(unknown)}; it names {', '.join(modules)}")
    processes = int(os.environ.get("MUTANTS_PROCESSES", "2"))
    bad = False
    arguments = argued()
    for module in wanted or modules:
        result = mutated(module, modules[module], processes)
        results = kept() | {module: result}
        RESULTS.write_text(
            json.dumps({name: asdict(each) for name, each in sorted(results.items())}, indent=1, ensure_ascii=False)
            + "\n",
            encoding="utf-8",
        )
        DOCUMENT.write_text(document(results, arguments, modules), encoding="utf-8")
        open_ones = [each for each in result.survivors if not argument(module, each, arguments)]
        print(f"{module}: {result.mutants} mutants, {result.killed} killed ({result.percent:.1f} %)", flush=True)
        for each in open_ones:
            print(f"  {each.text}", flush=True)
        bad = bad or bool(open_ones) or result.percent < LEAST_PERCENT
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
