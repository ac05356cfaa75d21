"""The HTML page of a report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cdcproof.core.secrets import Secret
from cdcproof.reconcile.report import html
from cdcproof.reconcile.report.result import (
    KeyDifference,
    MutantResult,
    Report,
    Scrubbed,
    SelfProof,
    TableResult,
    TableStatus,
)

HOSTILE = "<script>alert(1)</script>"


def _report(*tables: TableResult, **more: object) -> Report:
    return Report(
        run_id="run",
        started_at="2026-11-23T06:00:00+00:00",
        finished_at="2026-11-23T06:00:05+00:00",
        source="postgresql://source:5432/shop",
        target="postgresql://target:5432/shop",
        method="contents",
        tables=tables,
        **more,  # type: ignore[arg-type]
    )


def _mismatch(keys: int = 1, **key: str | None) -> TableResult:
    differences = tuple(KeyDifference("changed", key or {"id": str(i)}, ("name",), 1, 1) for i in range(keys))
    return TableResult(
        "orders", TableStatus.MISMATCH, 10, 10, False, 0, 0, keys, differences=differences, positions=("0/1", "0/2A")
    )


def test_what_differs_comes_first_by_key_and_column() -> None:
    match = TableResult("customers", TableStatus.MATCH, 1_200, 1_200, True, 0, 0, 0)
    text = html.page(_report(match, _mismatch(id="17", part=None)))

    assert text.index("orders") < text.index("customers")
    assert "id = 17, part = NULL" in text
    assert "1 MISMATCH, 0 ERROR, 1 MATCH" in text
    assert "0/2A" in text
    assert "1,200" in text


def test_a_long_list_says_what_it_leaves_out() -> None:
    text = html.page(_report(_mismatch(html.MOST_KEYS + 5)))

    assert text.count("<td>changed</td>") == html.MOST_KEYS
    assert "5 more are in the JSON report" in text


def test_what_is_not_compared_and_why_not_is_on_the_page() -> None:
    left_out = TableResult(
        *("t", TableStatus.INCOMPLETE, 1, 1, True, 0, 0, 0),
        not_compared=("photo (xml: many texts)",),
        unseen=("photo",),
        columns_compared=1,
        columns=2,
    )
    error = TableResult("u", TableStatus.ERROR, error="could not be looked at")
    text = html.page(_report(left_out, error, complete=False))

    assert "photo (xml: many texts)" in text
    assert "exclude = [&#34;photo&#34;]" in text
    assert "equal in 1 of 2 columns" in text
    assert "1 ERROR, 1 INCOMPLETE, 0 MATCH" in text
    assert "could not be looked at" in text
    assert "partial" in text
    assert 'class="total green"' not in text


def test_a_scrub_says_how_old_the_oldest_proof_is() -> None:
    scrubbed = Scrubbed(7, "the update column", 1, 40, 0, "2026-11-20T06:00:00+00:00")
    text = html.page(_report(TableResult("t", TableStatus.MATCH, 1, 1, True, 0, 0, 0, scrubbed=scrubbed)))

    assert re.search(r"7 rows that changed .* 1 of 40 slices; oldest proof 2026-11-20", text)


@pytest.mark.parametrize("where", ["key", "error"])
def test_nothing_is_taken_for_markup_and_no_secret_is_told(where: str, tmp_path: Path) -> None:
    Secret("correct horse")
    table = (
        _mismatch(name=HOSTILE)
        if where == "key"
        else TableResult("t", TableStatus.ERROR, error=f"{HOSTILE} correct horse")
    )
    path = html.write(_report(table), tmp_path / "reconciliation_report_1.json")
    text = path.read_text()

    assert path.name == "reconciliation_report_1.html"
    assert HOSTILE not in text
    assert "correct horse" not in text


def test_the_kill_matrix_is_on_the_page() -> None:
    mutants = (
        MutantResult("a row dropped", "caught"),
        MutantResult("one microsecond", "not applicable"),
        MutantResult("letter case", "survived", ("name", HOSTILE)),
    )
    proven = TableResult(*("t", TableStatus.ERROR), error="Not checked", self_proof=SelfProof(9, "different", mutants))
    counted = TableResult("other", TableStatus.MATCH, 1, 1)
    text = html.page(_report(proven, counted))

    assert "<td>a row dropped</td><td>caught</td>" in text
    assert "<td>one microsecond</td><td>not applicable</td>" in text
    assert "<td>letter case</td><td>SURVIVED name, &lt;script&gt;" in text
    assert "<td>rows that are equal</td><td>different</td>" in text
    assert "Self-proof" not in html.page(_report(counted))
