"""What is made of the answers of databases: who is blocked, and statements without the data in them."""

from __future__ import annotations

import pytest

from cdcproof.diagnostics.databases import blocked, without_values


def test_sessions_that_nobody_blocks_are_left_out() -> None:
    postgresql = [{"pid": 1, "blocked_by": None}, {"pid": 2, "blocked_by": "{1}"}, {"pid": 3, "blocked_by": "{}"}]
    sqlserver = [
        {"session_id": 51, "blocked_by": 0},
        {"session_id": 52, "blocked_by": 51},
        {"session_id": 53, "blocked_by": None},
    ]

    assert blocked(postgresql) == {"2": "{1}"}
    assert blocked(sqlserver) == {"52": "51"}


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("UPDATE t1 SET name = 'O''Brien' WHERE id = 42", "UPDATE t1 SET name = ? WHERE id = ?"),
        ("SELECT 'cut off in the middl", "SELECT ?"),
        ("INSERT INTO orders2 VALUES (1.50, -3)", "INSERT INTO orders2 VALUES (?, -?)"),
        ("SELECT $1, a.b2 FROM c3", "SELECT $1, a.b2 FROM c3"),
        ("SELECT N'text'", "SELECT N?"),
    ],
)
def test_a_statement_is_shown_without_the_values_in_it(statement: str, shown: str) -> None:
    assert without_values(statement) == shown
