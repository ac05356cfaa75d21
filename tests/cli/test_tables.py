from __future__ import annotations

import json

from cdcproof.cli.tables import as_json, table
from cdcproof.core.secrets import Secret


def test_columns_are_aligned_and_nothing_is_a_dash() -> None:
    assert table([{"a": "x", "long": None}, {"a": "yyy", "long": 5}]) == "a    long\nx    -\nyyy  5"
    assert table([]) == ""


def test_no_line_is_wider_than_a_terminal_and_the_widest_column_gives_way() -> None:
    printed = table([{"name": "n" * 100, "state": "RUNNING", "worker": "w" * 30}])
    assert max(len(line) for line in printed.splitlines()) == 80
    assert "RUNNING" in printed
    assert "…" in printed


def test_secrets_are_taken_out() -> None:
    Secret("table-secret-1")
    assert "table-secret-1" not in table([{"a": "has table-secret-1"}])
    assert json.loads(as_json({"a": "has table-secret-1", "ä": "ö"})) == {"a": "has [redacted]", "ä": "ö"}
