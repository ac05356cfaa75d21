"""Results on the screen: what differs first, within 80 columns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdcproof.core.secrets import Secret
from cdcproof.databases.contracts.identity import Identity
from cdcproof.reconcile.report.result import (
    KeyDifference,
    MutantResult,
    Report,
    Scrubbed,
    SelfProof,
    TableResult,
    TableStatus,
)
from cdcproof.reconcile.report.screen import of_report, of_table, totals_of

MATCH = TableResult("customers", TableStatus.MATCH, 1_200, 1_200, True, 0, 0, 0, seconds=1.25)
KEYS = tuple(KeyDifference("missing", {"id": str(i)}, (), 1, 0) for i in range(8))
MISMATCH = TableResult(
    "orders",
    TableStatus.MISMATCH,
    5_000,
    4_991,
    False,
    8,
    0,
    1,
    example_keys=tuple(str(key) for key in KEYS),
    differences=KEYS,
    not_compared=("photo (xml: the same content has many texts, and each side writes its own)",),
    positions=("0/1A", "0/2B"),
    unconfirmed=1,
)
ERROR = TableResult("stock", TableStatus.ERROR, error="It does not answer.\nCheck that it runs.")


def test_a_match_is_one_line() -> None:
    line = of_table(MATCH)
    assert line.split() == ["MATCH", "customers", "1,200", "rows,", "contents", "equal", "1.2", "s"]
    assert len(line) == 80
    counted = replace(MATCH, checksums_match=None, missing_at_target=None, extra_at_target=None, changed=None)
    assert "1,200 rows, counted only" in of_table(counted)
    assert "1,200 rows, 7 at the target" in of_table(replace(counted, status=TableStatus.MISMATCH, target_rows=7))


def test_a_mismatch_names_keys_first_and_where_the_others_are() -> None:
    first, *lines = of_table(MISMATCH).splitlines()
    assert first.startswith("MISMATCH  orders           5,000 rows: 8 missing, 1 changed")
    assert [line.strip() for line in lines[:6]] == [
        *(f"missing {i}" for i in range(5)),
        "… the first 8 keys are in the report",
    ]
    assert " ".join(" ".join(lines[6:]).split()) == (
        "1 of these rows were too many to be looked at twice: they may be in flight "
        "the target had all changes up to the source's log position 0/2B "
        f"left out: {MISMATCH.not_compared[0]}"
    )


def test_what_was_not_compared_is_named_with_the_line_that_accepts_it() -> None:
    left_out = replace(MATCH, status=TableStatus.INCOMPLETE, unseen=("doc", 'a "b"'), columns_compared=5, columns=7)
    first, *lines = of_table(left_out).splitlines()
    assert first.split()[:9] == ["INCOMPLETE", "customers", "1,200", "rows,", "contents", "equal", "in", "5", "of"]
    assert " ".join(" ".join(lines).split()) == (
        '2 columns hold data and were not compared: doc, a "b". To accept that, in the pipeline file: '
        'exclude = ["doc", "a \\"b\\""]'
    )


def test_a_mismatch_without_a_row_names_its_cause() -> None:
    lines = of_table(replace(MISMATCH, causes=("2 columns are not at the target: a, b",))).splitlines()
    assert lines[1].strip() == "2 columns are not at the target: a, b"


def test_all_keys_are_in_the_report_unless_they_are_more_than_it_names() -> None:
    assert "… all 8 keys are in the report" in of_table(replace(MISMATCH, changed=0))
    copies = (*KEYS[:7], KeyDifference("missing", {}, (), 3, 1, row="0" * 32))
    assert "… all 8 keys are in the report" in of_table(replace(MISMATCH, differences=copies))


def test_an_error_is_told_once_when_the_next_table_has_the_same() -> None:
    assert of_table(ERROR).splitlines()[1:] == ["          It does not answer.", "          Check that it runs."]
    assert of_table(ERROR, after=[MATCH, ERROR]).splitlines()[1:] == ["          the same as above"]
    rows = replace(ERROR, source_rows=5, target_rows=5, error="They move.")
    assert (
        of_table(rows).splitlines()[0]
        == "ERROR     stock            5 rows                                          0.0 s"
    )


def test_a_secret_in_an_error_is_not_told() -> None:
    assert "hunter22" not in of_table(replace(ERROR, error=f"login with {Secret('hunter22').reveal()}"))


@pytest.mark.parametrize(
    "result",
    [
        MATCH,
        MISMATCH,
        ERROR,
        replace(MISMATCH, example_keys=("missing " + "x" * 200,)),
        replace(MATCH, source_rows=1_234_567, target_rows=1_234_567, columns_compared=12, columns=12),
    ],
)
def test_no_line_is_wider_than_a_screen(result: TableResult) -> None:
    assert all(len(line) <= 80 for line in of_table(result).splitlines())


def test_a_scrub_says_which_side_it_cannot_tell_from_another_server() -> None:
    when = "2026-01-02T03:04:05+00:00"
    unsure = Identity("db:5432", "dw", "16384", "00000001", "reader may not execute pg_control_system()")
    scrubbed = Scrubbed(0, "the slot", 1, 1, 0, when)
    report = Report("r", when, when, "s", "t", "m", (replace(MATCH, scrubbed=scrubbed),), target_identity=unsure)
    told = "The target is not known for sure: reader may not execute pg_control_system()."
    assert told in " ".join(of_report(report).split())
    assert told not in " ".join(of_report(replace(report, tables=(MATCH,))).split())


def test_the_totals_name_again_what_needs_somebody() -> None:
    when = "2026-01-02T03:04:05+00:00"
    report = Report("r", when, when, "s", "t", "m", (MATCH, MISMATCH, ERROR))
    assert of_report(report).splitlines() == ["MISMATCH  orders", "ERROR     stock", "1 MISMATCH, 1 ERROR, 1 MATCH"]
    assert of_report(replace(report, tables=(MATCH,))) == "0 MISMATCH, 0 ERROR, 1 MATCH"
    assert of_report(replace(report, tables=(replace(MATCH, status=TableStatus.INCOMPLETE), MATCH))).splitlines() == [
        "INCOMPLETE customers",
        "0 MISMATCH, 0 ERROR, 1 INCOMPLETE, 1 MATCH",
    ]
    counted = replace(MATCH, strategy="counts")
    assert of_report(replace(report, tables=(counted, counted))) == "0 MISMATCH, 0 ERROR, 2 MATCH, counted only"
    assert of_report(replace(report, tables=(counted, MATCH))) == "0 MISMATCH, 0 ERROR, 2 MATCH; 1 counted only"
    assert of_report(replace(report, complete=False)).startswith("This run was interrupted: the report is partial.")


def test_only_mutants_that_survived_are_in_the_totals() -> None:
    caught = SelfProof(9, "equal", (MutantResult("a row dropped", "caught"), MutantResult("one microsecond", "caught")))
    survived = replace(caught, mutants=(*caught.mutants, MutantResult("letter case", "survived", ("name",))))
    when = "2026-11-23T06:00:00+00:00"
    tables = [replace(MATCH, self_proof=proof) for proof in (caught, survived)]
    assert totals_of(Report("r", when, when, "s", "t", "m", (tables[0],))) == "0 MISMATCH, 0 ERROR, 1 MATCH"
    assert totals_of(Report("r", when, when, "s", "t", "m", (tables[1],))).endswith("; 1 mutant survived")
