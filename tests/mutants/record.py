"""What `make mutants` found: a file for each module in `results/`, and docs/MUTANTS.md from all of them."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = Path("src/cdcproof")
MODULES = ROOT / "tests/mutants/modules.toml"
ARGUED = ROOT / "tests/mutants/argued.toml"
RESULTS = ROOT / "tests/mutants/results"

Arguments = Mapping[str, Mapping[str, str]]


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
    measured: str
    """The day; empty where it was not kept."""
    state: str
    """The `state_of` code and tests that were measured; empty where it was not kept."""
    survivors: tuple[Survivor, ...]

    @property
    def percent(self) -> float:
        """How many of a hundred mutants were killed."""
        return 100 * self.killed / self.mutants if self.mutants else 0.0


def modules() -> dict[str, list[str]]:
    """By module, its tests."""
    read: dict[str, list[str]] = tomllib.loads(MODULES.read_text(encoding="utf-8"))
    return read


def argued() -> dict[str, dict[str, str]]:
    """By module, a part of a survivor's text to why no test can or need notice it."""
    return tomllib.loads(ARGUED.read_text(encoding="utf-8"))


def argument(module: str, survivor: Survivor, arguments: Arguments) -> str:
    """Why it survives; empty where nobody has argued it."""
    return next((why for part, why in arguments.get(module, {}).items() if part in survivor.text), "")


def state_of(module: str, tests: list[str]) -> str:
    """A hash of the module and of its tests, by which a result is older than they are."""
    digest = hashlib.sha256()
    for name in (str(SOURCE / module), *tests):
        place = ROOT / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def path_of(module: str) -> Path:
    """Where its result is kept: in a file of its own, so that two branches can measure two modules."""
    return RESULTS / Path(module).with_suffix(".json")


def kept(named: Mapping[str, list[str]]) -> dict[str, Result]:
    """What the last runs found, by module."""
    found = {}
    for module in named:
        if path_of(module).is_file():
            read = json.loads(path_of(module).read_text(encoding="utf-8"))
            found[module] = Result(**{**read, "survivors": tuple(Survivor(**each) for each in read["survivors"])})
    return found


def keep(module: str, result: Result) -> None:
    """Write what a run found."""
    path_of(module).parent.mkdir(parents=True, exist_ok=True)
    path_of(module).write_text(json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def document() -> dict[Path, str]:
    """docs/MUTANTS.md to its content, as it has to be."""
    named, arguments = modules(), argued()
    return {ROOT / "docs/MUTANTS.md": text(named, kept(named), arguments)}


def text(named: Mapping[str, list[str]], results: Mapping[str, Result], arguments: Arguments) -> str:
    """The text of docs/MUTANTS.md."""
    lines = [
        "# Mutants of the judging code",
        "",
        "[mutmut](https://mutmut.readthedocs.io) changes the code that judges, one place at a time: a comparison, a number, a word, an argument.",
        "A change that the module's own tests do not notice survives. A survivor is a gap in the tests, or it is argued below why no test can notice it.",
        "",
        "`make mutants` measures the modules that have changed, or whose tests have, since they were measured. Run it weekly; CI does not.",
        '`make mutants MODULES="findings.py"` measures the named ones, `MODULES=all` all of them. It writes this page, as `make generate` does.',
        "Its exit status is 1 where fewer than 90 % of a module's mutants are killed, or where a survivor is not argued.",
        "`tests/mutants/modules.toml` names the modules and their tests, `tests/mutants/argued.toml` argues survivors.",
        "Properties are mutated too: mutmut leaves out what is decorated, so the copy that it mutates has them as methods.",
        "Not mutated: constants of modules, class bodies, and functions with other decorators.",
        "",
        "| module of `src/cdcproof` | mutants | killed | % | survivors | argued | measured |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for module in named:
        if module in results:
            result = results[module]
            reasons = sum(bool(argument(module, each, arguments)) for each in result.survivors)
            lines.append(
                f"| `{module}` | {result.mutants} | {result.killed} | {result.percent:.1f} | {len(result.survivors)} | {reasons} "
                f"| {result.measured or 'the day was not kept'} |"
            )
        else:
            lines.append(f"| `{module}` | not run | | | | | |")
    lines += ["", "## Survivors", ""]
    for module in named:
        survivors = results[module].survivors if module in results else ()
        if survivors:
            lines += [f"### `{module}`", "", *_survivors(module, survivors, arguments), ""]
    return "\n".join(lines).rstrip() + "\n"


def _survivors(module: str, survivors: tuple[Survivor, ...], arguments: Arguments) -> list[str]:
    lines = []
    for survivor, times in Counter(survivors).items():
        why = argument(module, survivor, arguments) or "not argued: a gap in the tests"
        after = survivor.after.replace("`", "'") or "(the line is gone)"
        before = survivor.before.replace("`", "'")
        lines.append(f"- `{survivor.function}`: `{before}` becomes `{after}`{f' ({times} times)' * (times > 1)}. {why}")
    return lines
