#!/usr/bin/env python3
"""Change the judging code, one place at a time, by mutmut, and show which changes its tests miss.

Weekly: ``make mutants`` for the modules that have changed, or whose tests have, since they were measured. ``make mutants MODULES="findings.py …"``
measures some, ``MODULES=all`` all of them. Each module is mutated alone and judged by the tests that `tests/mutants/modules.toml` names, in a copy below
``build/mutants``. The numbers go to `tests/mutants/results`, and docs/MUTANTS.md is written from them. The exit status is 1 where less than
90 % of a module's mutants are killed, where a survivor is not argued, or where a module could not be measured.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.mutants import record  # noqa: E402  found in the checkout only
from tests.mutants.record import SOURCE, Result, Survivor  # noqa: E402

WORK = ROOT / "build/mutants"
LEAST_PERCENT = 90

SURVIVED, UNTESTED = 0, 33
TIMEOUTS = (24, 36, 152, 255, -24)
QUICK = """

from hypothesis import Phase as _Phase
settings.register_profile("mutants", parent=settings.get_profile("busy machine"), derandomize=True, database=None,
                          phases=[_Phase.explicit, _Phase.generate])
settings.load_profile("mutants")
_as_usual = pytest_collection_modifyitems


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    _as_usual(items)
    items.sort(key=lambda item: hasattr(item.obj, "hypothesis"))
"""
"""Examples without chance, so that a survivor is one at every run, and not shrunk, which takes most of a failure's time.
Tests by examples come last: most mutants are killed before."""
SHOW = "import sys; from mutmut.mutation.diff_apply import get_diff_for_mutant as d; print(*map(d, sys.argv[1:]), sep='\\0')"
"""What `mutmut show` does, for many mutants by one process."""


class NotMeasuredError(Exception):
    """mutmut did not come to its end."""


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


def folder_of(module: str) -> Path:
    """Where it is mutated."""
    return WORK / module.removesuffix(".py").replace("/", "-")


def copy(module: str, tests: list[str]) -> None:
    """Make the folder in which mutmut mutates this module alone, with those tests."""
    folder = folder_of(module)
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


def measured(module: str, tests: list[str], processes: int) -> Result:
    """Run mutmut on one module. What runs into a limit of time runs again, alone: on a busy machine everything is slow."""
    state = record.state_of(module, tests)
    copy(module, tests)
    run_mutmut(module, processes)
    if late := [name for name, code in codes_of(module).items() if code in TIMEOUTS]:
        run_mutmut(module, 1, late)
    return result_of(module, state)


def run_mutmut(module: str, processes: int, names: Sequence[str] = ()) -> None:
    """Run its mutants, or those that are named."""
    folder = folder_of(module)
    mutmut = str(Path(sys.executable).with_name("mutmut"))
    with (folder / "mutmut.log").open("a", encoding="utf-8") as output:
        subprocess.run(
            [mutmut, "run", "--max-children", str(processes), *names],
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )


def codes_of(module: str) -> dict[str, int | None]:
    """Mutant to how its tests ended."""
    numbers = folder_of(module) / "mutants" / SOURCE / f"{module}.meta"
    codes: dict[str, int | None] = (
        json.loads(numbers.read_text(encoding="utf-8"))["exit_code_by_key"] if numbers.is_file() else {}
    )
    if not codes or None in codes.values():
        log = (folder_of(module) / "mutmut.log").relative_to(ROOT)
        raise NotMeasuredError(f"mutmut did not come to its end; see {log}. Do the module's tests pass?")
    return codes


def result_of(module: str, state: str) -> Result:
    """What mutmut has found."""
    codes = codes_of(module)
    alive = [name for name, code in codes.items() if code in (SURVIVED, UNTESTED)]
    return Result(
        mutants=len(codes),
        killed=len(codes) - len(alive),
        timeouts=sum(code in TIMEOUTS for code in codes.values()),
        measured=f"{datetime.now(UTC):%Y-%m-%d}",
        state=state,
        survivors=tuple(sorted(changes(folder_of(module), alive), key=lambda one: one.text)),
    )


def changes(folder: Path, names: list[str]) -> list[Survivor]:
    """Mutants by their changes; mutmut's own numbers move with every change of the code."""
    if not names:
        return []
    show = [sys.executable, "-c", SHOW, *names]
    shown = subprocess.run(show, cwd=folder, capture_output=True, text=True, check=True).stdout.split("\0")
    return [changed(name, diff) for name, diff in zip(names, shown, strict=True)]


def changed(name: str, diff: str) -> Survivor:
    """A mutant by the lines of its diff."""
    before, after = (
        " ".join(line[1:].strip() for line in diff.splitlines() if re.match(rf"\{sign}(?!\{sign})", line))
        for sign in "-+"
    )
    function = name.rpartition(".")[2].rpartition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ")
    return Survivor(function.replace("ǁread_", "ǁ").replace("ǁ", "."), before, after)


def chosen(wanted: list[str], modules: dict[str, list[str]]) -> list[str]:
    """The modules that are named; without a name those that were not measured as they are, or with their tests as they are."""
    if wanted == ["all"]:
        return list(modules)
    if unknown := [module for module in wanted if module not in modules]:
        sys.exit(
            f"{record.MODULES.relative_to(ROOT)} does not name {', '.join(unknown)}; it names {', '.join(modules)}"
        )
    results = record.kept(modules)
    states = {module: results[module].state if module in results else "" for module in modules}
    return wanted or [module for module, tests in modules.items() if states[module] != record.state_of(module, tests)]


def run(module: str, tests: list[str], processes: int) -> bool:
    """Measure one module, keep and print what was found; false where something is left to do."""
    begin = time.monotonic()
    try:
        result = measured(module, tests, processes)
    except NotMeasuredError as error:
        print(f"  NOT MEASURED: {error}", flush=True)
        return False
    record.keep(module, result)
    for path, text in record.document().items():
        path.write_text(text, encoding="utf-8")
    arguments = record.argued()
    by_time = f", {result.timeouts} of them by a limit of time" if result.timeouts else ""
    gaps = [each for each in result.survivors if not record.argument(module, each, arguments)]
    print(
        f"  {result.mutants} mutants, {result.killed} killed ({result.percent:.1f} %){by_time}; survivors: {len(result.survivors)}, "
        f"not argued: {len(gaps)}; {time.monotonic() - begin:.0f} s",
        flush=True,
    )
    for each in gaps:
        print(f"  NOT ARGUED {each.text}", flush=True)
    return not gaps and result.percent >= LEAST_PERCENT


def main(wanted: list[str]) -> int:
    """Mutate the wanted modules; print and keep the numbers."""
    modules = record.modules()
    processes = int(os.environ.get("MUTANTS_PROCESSES", "2"))
    names = chosen(wanted, modules)
    if not names:
        print(
            "No module has changed since it was measured, nor have its tests. For all of them: make mutants MODULES=all"
        )
        return 0
    good = True
    for number, module in enumerate(names, 1):
        log = (folder_of(module) / "mutmut.log").relative_to(ROOT)
        print(
            f"{module} ({number} of {len(names)}), judged by {' '.join(modules[module])}; as it goes: {log}", flush=True
        )
        good = run(module, modules[module], processes) and good
    print("Every number is in docs/MUTANTS.md now. Commit it with tests/mutants/results.")
    if not good:
        print(
            f"Each module needs {LEAST_PERCENT} % killed. For a change that is NOT ARGUED, write a test that notices it; "
            f"where none can, say why in {record.ARGUED.relative_to(ROOT)}."
        )
    return int(not good)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("Stopped; the modules that were measured are kept")
