"""The report file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdcproof.errors import UnexpectedAnswerError
from cdcproof.reconcile.result import Report, TableResult, TableStatus, read, write
from cdcproof.secrets import Secret


def _report(*tables: TableResult) -> Report:
    when = "2026-01-02T03:04:05+00:00"
    return Report("run", when, when, "postgresql://h:1/s", "postgresql://h:2/t", "timer", tables)


def _table(name: str, status: TableStatus, **more: object) -> TableResult:
    return TableResult(name, status, 5, 5, **more)  # type: ignore[arg-type]


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = _report(
        _table("a", TableStatus.MATCH),
        _table("b", TableStatus.MISMATCH, example_keys=("missing 1",), missing_at_target=1),
    )
    assert read(write(report, tmp_path / "new" / "folder")) == report


def test_two_reports_of_one_second_do_not_overwrite_each_other(tmp_path: Path) -> None:
    first, second = (write(_report(_table("a", TableStatus.MATCH)), tmp_path) for _ in range(2))
    assert sorted(tmp_path.iterdir()) == sorted([first, second])
    assert first.name.startswith("reconciliation_report_20260102_") or first.name.startswith(
        "reconciliation_report_2026010"
    )


@pytest.mark.parametrize(
    ("statuses", "exit_status"),
    [
        (["MATCH", "MATCH"], 0),
        (["MATCH", "MISMATCH"], 1),
        (["ERROR", "MISMATCH"], 1),
        (["MATCH", "ERROR"], 3),
        ([], 3),
    ],
)
def test_the_exit_status_is_never_0_unless_all_match(statuses: list[str], exit_status: int) -> None:
    tables = [_table(f"t{i}", TableStatus(status)) for i, status in enumerate(statuses)]
    assert _report(*tables).exit_status == exit_status


def test_a_secret_in_a_drivers_message_is_not_written_and_numbers_stay_numbers(tmp_path: Path) -> None:
    secret = Secret("12345")
    table = TableResult("t", TableStatus.ERROR, 12345, 12345, error=f"login with {secret.reveal()} failed")
    data = json.loads(write(_report(table), tmp_path).read_text())
    assert data["tables"][0]["error"] == "login with [redacted] failed"
    assert data["tables"][0]["source_rows"] == 12345


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"a": "MATCH"', '"a": "MISMATCH"'),
        lambda text: text.replace('"version": 1', '"version": 99'),
        lambda _: "[]",
        lambda _: "",
    ],
)
def test_a_damaged_report_is_refused(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    path = write(_report(_table("a", TableStatus.MATCH)), tmp_path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(UnexpectedAnswerError, match=path.name):
        read(path)
