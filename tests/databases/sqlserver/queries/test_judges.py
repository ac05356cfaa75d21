"""All T-SQL that the code can emit, judged by Microsoft's ScriptDom and by Microsoft's binder. Each looks at all of it in one process."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.databases.sqlserver.queries import emitted as shapes
from tests.databases.sqlserver.queries.emitted import SELECT, Emitted
from tests.databases.sqlserver.queries.judges import (
    GRAMMARS,
    HAS_BINDER,
    MAXDOP,
    NO_UTF8,
    UTF8,
    Judgement,
    by_binder,
    by_grammar,
    with_parameters,
)

pytestmark = pytest.mark.judges

needs_grammar = pytest.mark.skipif(not MAXDOP, reason="maxdop, Microsoft's ScriptDom, has no wheel for this machine")
needs_binder = pytest.mark.skipif(
    not HAS_BINDER,
    reason="mssqltoolsservice-linux-64, Microsoft's T-SQL binder, and dotnetcore2 have no wheels for this machine",
)

# Statements as they are not to be: what was changed, into what, and who has to see it.
PUSH_DOWN = next(iter(shapes.each_limit())).text
MOMENTS = next(one.text for one in shapes.each_type() if "DATEDIFF_BIG" in one.text and "datetime2(7)" in one.text)
NOT_SQL = {"key_text", "without_makers", "to_the_primary", "connection_string", "driverless_connection_string", "text"}
MUTANTS = {
    "a bracket is missing": (PUSH_DOWN, ")) AS f", ") AS f", "grammar"),
    "a comma is missing": (PUSH_DOWN, "COUNT_BIG(*),", "COUNT_BIG(*)", "grammar"),
    "a name is not closed": (PUSH_DOWN, "[odd]] bigint]", "[odd] bigint]", "grammar"),
    "a constant is doubled": (PUSH_DOWN, "'MD5'", "'MD5' 'MD5'", "grammar"),
    "a keyword is misspelt": (PUSH_DOWN, "CROSS APPLY", "CROSS APLY", "grammar"),
    "an apply lacks its values": (PUSH_DOWN, "APPLY (VALUES", "APPLY (", "grammar"),
    "a column is not there": (PUSH_DOWN, "SELECT [odd]] bigint]", "SELECT [bigint]", "binder"),
    "a table is not there": (PUSH_DOWN, "[odd]]name]", "[oddname]", "binder"),
    "a form is not there": (PUSH_DOWN, "f.c3", "f.c9", "binder"),
    "an alias is doubled": (PUSH_DOWN, "(c0, c1", "(c0, c0", "binder"),
    "an alias is missing": (PUSH_DOWN, "AS f (c0, ", "AS f (", "binder"),
    "a function is misspelt": (PUSH_DOWN, "DATALENGTH", "DATALENGHT", "binder"),
    "a function has too many arguments": (PUSH_DOWN, "'MD5'", "'MD5', 1", "binder"),
    "a collation is misspelt": (PUSH_DOWN, UTF8, f"{UTF8}8", "binder"),
    "a type is unknown": (PUSH_DOWN, "AS bigint", "AS bignt", "binder"),
    "a type is too long": (PUSH_DOWN, "AS binary(8)", "AS binary(8001)", "binder"),
    "a scale is too large": (MOMENTS, "datetime2(7)", "datetime2(8)", "binder"),
    "a part of a date is unknown": (MOMENTS, "microsecond", "microsecund", "binder"),
}


@pytest.fixture(scope="module")
def emitted() -> list[Emitted]:
    return shapes.everything()


@pytest.fixture(scope="module")
def judges(emitted: list[Emitted], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Any]]]:
    """What each judge says of all statements, the scripts and the mutants, in this order; two are at work at a time."""
    mutants = [text.replace(part, other) for text, part, other, _ in MUTANTS.values()]
    texts = [*(one.text for one in emitted), *shapes.fixtures().values(), *mutants]
    known_texts = [text.replace(shapes.NO_GRAMMAR, "") for text in texts]
    with ThreadPoolExecutor(2) as pool:
        said: dict[str, Future[Any]] = {}
        if HAS_BINDER:
            said["binder"] = pool.submit(by_binder, texts, shapes.known())
        for grammar in GRAMMARS if MAXDOP else ():
            said[grammar] = pool.submit(by_grammar, known_texts, grammar, tmp_path_factory.mktemp(grammar))
        yield said


@needs_grammar
@pytest.mark.parametrize("grammar", GRAMMARS)
def test_every_statement_is_t_sql_of_each_version(
    emitted: list[Emitted], judges: dict[str, Future[Any]], grammar: str
) -> None:
    refused = judges[grammar].result()
    count = len(emitted) + len(shapes.fixtures())
    texts = [*(one.text for one in emitted), *shapes.fixtures()]
    assert {texts[place]: why for place, why in refused.items() if place < count} == {}


@needs_binder
def test_every_name_in_every_statement_is_known_to_sql_server(
    emitted: list[Emitted], judges: dict[str, Future[Any]]
) -> None:
    """But the collation in UTF-8, which is newer than the binder, and which no statement for an older server names."""
    found: list[Judgement] = judges["binder"].result()[: len(emitted)]
    wrong = {
        one.text: (said.kinds, said.complaints)
        for one, said in zip(emitted, found, strict=True)
        if said.kinds != one.kinds or set(said.complaints) - (set() if one.before_2019 else {NO_UTF8})
    }
    assert wrong == {}
    assert any(NO_UTF8 in said.complaints for said in found)


@needs_binder
def test_every_name_in_the_scripts_is_known_to_sql_server(
    emitted: list[Emitted], judges: dict[str, Future[Any]]
) -> None:
    scripts = shapes.fixtures()
    found = judges["binder"].result()[len(emitted) : len(emitted) + len(scripts)]
    told = {name: said.complaints for name, said in zip(scripts, found, strict=True) if said.complaints}
    assert told == {}


@needs_grammar
@needs_binder
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_statement_is_rejected(emitted: list[Emitted], judges: dict[str, Future[Any]], name: str) -> None:
    text, part, _, judge = MUTANTS[name]
    assert part in text
    first = len(emitted) + len(shapes.fixtures())
    place = first + list(MUTANTS).index(name)
    if judge == "grammar":
        assert all(place in judges[grammar].result() for grammar in GRAMMARS)
    else:
        assert set(judges["binder"].result()[place].complaints) - {NO_UTF8}


def test_only_what_writes_a_row_writes(emitted: list[Emitted]) -> None:
    """A SELECT … INTO makes a table, and is a SELECT to a parser."""
    bare = re.compile(r"'(?:[^']|'')*'|\[(?:[^\]]|\]\])*\]|--[^\n]*")
    words = [one.text for one in emitted if one.kinds == SELECT and re.search(r"\bINTO\b", bare.sub("", one.text))]
    assert words == []


def test_no_statement_has_more_parameters_than_a_request_takes(emitted: list[Emitted]) -> None:
    """2,100, of which the drivers use three for themselves."""
    assert max(with_parameters(one.text)[1] for one in emitted) <= 2_097


def test_no_function_that_makes_a_statement_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made, called = set(), set()

    def watched(name: str, function: Any) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            called.add(name)
            return function(*args, **named)

        return call

    for module in shapes.modules():
        for name, function in inspect.getmembers(module, inspect.isfunction):
            told = function.__annotations__.get("return")
            if (
                function.__module__ == module.__name__
                and name not in NOT_SQL
                and not name.startswith("_")
                and told in ("str", "Stream")
            ):
                made.add(f"{module.__name__}.{name}")
                monkeypatch.setattr(module, name, watched(f"{module.__name__}.{name}", function))
    shapes.everything()
    assert made - called == set()


def test_a_question_mark_in_a_text_a_name_or_a_comment_is_no_parameter(tmp_path: Path) -> None:
    assert with_parameters("SELECT '?''?', [?]]?], ? -- ?\n+ ?") == ("SELECT '?''?', [?]]?], @P1 -- ?\n+ @P2", 2)
