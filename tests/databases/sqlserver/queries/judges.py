"""Two judges of T-SQL, both Microsoft's and both offline: ScriptDom for the grammar of each version, and the binder for names.

Neither looks at types that clash or at collations that conflict, and neither runs anything.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

GRAMMARS = ("2016", "2017", "2019", "2022")
UTF8 = "Latin1_General_100_BIN2_UTF8"
NO_UTF8 = f"Invalid collation '{UTF8}'."
"""The binder is of 2017, and only a newer server is asked in this collation."""
MAXDOP = shutil.which("maxdop", path=sysconfig.get_path("scripts"))
HAS_BINDER = all(find_spec(name) for name in ("clr_loader", "pythonnet", "dotnetcore2", "mssqltoolsservice"))

_DECLARED = "SqlVariableDeclareStatement"
_SPARED = r"'(?:[^']|'')*'|\[(?:[^\]]|\]\])*\]|--[^\n]*"
_MARKS = re.compile(rf"({_SPARED})|(\?)")
_REFUSED = re.compile(r"^maxdop: (.*)/(\d+)\.sql: (.*)$")
_SEEN = re.compile(r"^maxdop: (.*)/(\d+)\.sql would be reformatted$")


@dataclass(frozen=True)
class Known:
    """What the server holds: names of columns by table or view, numbers of arguments by function, parameters by procedure.

    Offline a function has no columns: `table_functions` are asked as tables, without their arguments.
    """

    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    functions: Mapping[str, int] = field(default_factory=dict)
    table_functions: Sequence[str] = ()
    procedures: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """Classes of the binder's syntax tree, one for each statement of a text, and what is wrong with it."""

    kinds: tuple[str, ...]
    complaints: tuple[str, ...]


def with_parameters(statement: str) -> tuple[str, int]:
    """The statement as ODBC's driver sends it, with @P1, @P2 … for question marks, and their number."""
    count = 0

    def numbered(found: re.Match[str]) -> str:
        nonlocal count
        if found[1]:
            return found[1]
        count += 1
        return f"@P{count}"

    return _MARKS.sub(numbered, statement), count


def by_grammar(statements: Sequence[str], grammar: str, folder: Path) -> dict[int, str]:
    """What ScriptDom says of the statements that it rejects, by their place. One process; `folder` is empty."""
    assert MAXDOP
    for place, statement in enumerate(statements):
        # blank lines at the end: then none is as maxdop would write it, and it names every file that it has read
        (folder / f"{place}.sql").write_text(f"{with_parameters(statement)[0]}\n\n\n\n", encoding="utf-8")
    command = [MAXDOP, "--check", "--parser-version", grammar, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    told = (done.stderr + done.stdout).splitlines()
    seen = {int(found[2]) for line in told if (found := _SEEN.match(line))}
    refused = {int(found[2]): found[3] for line in told if (found := _REFUSED.match(line))}
    unseen = set(range(len(statements))) - seen - refused.keys()
    assert not unseen, f"maxdop {grammar} said nothing of {len(unseen)} statements: {done.stderr[-500:]}"
    return refused


def by_binder(statements: Sequence[str], known: Known) -> list[Judgement]:
    """What the binder makes of each statement, in order. One process."""
    questions = {
        "columns": {name: list(columns) for name, columns in known.columns.items()},
        "functions": dict(known.functions),
        "procedures": {name: list(parameters) for name, parameters in known.procedures.items()},
        "statements": [_declared(statement, known.table_functions) for statement in statements],
    }
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("binder.py"))],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [
        Judgement(tuple(kind for kind in one["kinds"] if kind != _DECLARED), tuple(one["complaints"]))
        for one in json.loads(done.stdout)
    ]


def _declared(statement: str, table_functions: Sequence[str]) -> str:
    text, count = with_parameters(statement)
    for name in table_functions:
        text = re.sub(rf"{re.escape(name)}\((\w+\(\)|[^()]*)\)", name, text)
    names = ", ".join(f"@P{number} nvarchar(4000)" for number in range(1, count + 1))
    return f"DECLARE {names};\n{text}" if names else text
