"""JSON that a transform parsed and wrote anew: other text, and the same document only where the pipeline file says so."""

from __future__ import annotations

import pytest

from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.report.result import TableStatus
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]
pytestmark = pytest.mark.parametrize("strategy", Strategy, scope="module")

OURS = """'{"name": "n' || g || '",  "tags":[1.50,null], "at": {"y": 1, "x": ' || g || '}}'"""
ANEW = """'{"at":{"x":' || g || ',"y":1},"name":"n' || g || '","tags":[1.50,null]}'"""
PAIRS = [
    ("text", "text"),
    ("varchar(200)", "text"),
    ("text", "json"),
    ("text", "jsonb"),
    ("json", "text"),
    ("jsonb", "varchar(200)"),
    ("json", "jsonb"),
    ("jsonb", "jsonb"),
]


def _fill(sides: Sides, ours: str, theirs: str) -> None:
    for server, kind, value in ((sides.source, ours, OURS), (sides.target, theirs, ANEW)):
        server.execute(
            f"DROP TABLE IF EXISTS {sides.name('doc')}",
            f"CREATE TABLE {sides.name('doc')} (id int PRIMARY KEY, d {kind})",
            f"INSERT INTO {sides.name('doc')} SELECT g, ({value})::{kind} FROM generate_series(1, 20) g",
        )


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_a_document_written_anew_is_equal_where_it_is_said_so_and_only_there(
    sides: Sides, ours: str, theirs: str
) -> None:
    _fill(sides, ours, theirs)
    by_word = sides.result("doc")
    if ours.startswith("json") and theirs == "jsonb":
        assert by_word.status is TableStatus.MATCH, "such a pair is always compared as documents"
    elif theirs == "jsonb":
        assert by_word.status is TableStatus.INCOMPLETE
        assert 'd = "json" in written_as would compare it' in str(by_word.not_compared)
    else:
        assert (by_word.status, by_word.changed) == (TableStatus.MISMATCH, 20)
    as_document = sides.result("doc", written_as={"d": "json"})
    assert as_document.status is TableStatus.MATCH
    assert ("compared as jsonb writes it" in str(as_document.lossy)) is ((ours, theirs) != ("jsonb", "jsonb"))
    change = f"""UPDATE {sides.name("doc")} SET d = replace(d::text, 'n7"', 'n8"')::{theirs} WHERE id = 7"""
    sides.target.execute(change, f"DELETE FROM {sides.name('doc')} WHERE id = 9")
    found = sides.result("doc", written_as={"d": "json"})
    assert found.example_keys == ("changed 7 (d)", "missing 9")


def test_a_text_that_is_no_document_is_compared_word_for_word(sides: Sides) -> None:
    """A cut off document, a NUL that jsonb refuses, an empty text, a NULL: each equals only itself."""
    odd = ['{"a": 1', '{"a": "\\u0000"}', "", "no json", "{'a': 1}"]
    for server in (sides.source, sides.target):
        values = ", ".join(f"({number}, $q${text}$q$)" for number, text in enumerate(odd))
        server.execute(
            f"DROP TABLE IF EXISTS {sides.name('odd')}",
            f"CREATE TABLE {sides.name('odd')} (id int PRIMARY KEY, d text)",
            f"INSERT INTO {sides.name('odd')} VALUES {values}, (9, NULL), (10, 'null')",
        )
    assert sides.result("odd", written_as={"d": "json"}).status is TableStatus.MATCH
    sides.target.execute(
        f"UPDATE {sides.name('odd')} SET d = CASE id WHEN 10 THEN NULL WHEN 9 THEN 'null' ELSE d || ' ' END"
    )
    assert sides.result("odd", written_as={"d": "json"}).changed == 7
