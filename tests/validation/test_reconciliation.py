from __future__ import annotations

import json
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.secrets import Secret
from cdcproof.reconcile.report.result import Report, TableResult, TableStatus, write
from cdcproof.validation.reconciliation import reconcile_now
from tests.pipelines import pipeline_of


def report(run_id: str, status: TableStatus) -> Report:
    now = datetime.now().astimezone().isoformat()
    database = "postgresql://h:1"
    return Report(
        run_id=run_id,
        started_at=now,
        finished_at=now,
        source="sqlserver://h:1/warehouse_source",
        target=f"{database}/warehouse_target",
        method="test",
        tables=(TableResult("orders", status, 5, 5),),
    )


def ending(monkeypatch: pytest.MonkeyPatch, returncode: int, stdout: str = "", stderr: str = "") -> list[list[str]]:
    """The command ends so; what was asked for."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, returncode, stdout, stderr)

    monkeypatch.setattr("cdcproof.validation.reconciliation.bounded_program.run", run)
    return asked


@pytest.mark.parametrize(
    ("status", "returncode"), [(TableStatus.MATCH, 0), (TableStatus.MISMATCH, 1), (TableStatus.INCOMPLETE, 3)]
)
def test_the_report_that_was_written_is_judged_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: TableStatus, returncode: int
) -> None:
    write(report("ours", status), tmp_path)
    write(report("of somebody else", TableStatus.MATCH), tmp_path)
    asked = ending(monkeypatch, returncode, json.dumps({"run_id": "ours", "summary": {"orders": status}}))

    newest = reconcile_now(pipeline_of("orders", paths={"reconciliation_reports": str(tmp_path)}), "my.toml", "live")

    assert newest.found()["orders"] == str(status)
    assert asked[0][2:] == [
        "cdcproof", "reconcile", "--validate-checksums", "--json", "--pipeline=my.toml", "--env=live",
    ]  # fmt: skip


def test_a_reconciliation_that_could_not_look_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Secret("hunter22-s3cret")
    summary = json.dumps({"run_id": "ours", "summary": {"orders": "ERROR", "customers": "INCOMPLETE"}})
    ending(monkeypatch, 3, summary, stderr="ERROR orders: refused hunter22-s3cret\n0 MISMATCH, 1 ERROR")

    with pytest.raises(CouldNotLookError, match="could not look at every table") as raised:
        reconcile_now(pipeline_of("orders", paths={"reconciliation_reports": str(tmp_path)}), "my.toml", "live")

    assert "ERROR orders: refused [redacted]" in raised.value.message


def test_a_report_that_is_not_found_again_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(report("of somebody else", TableStatus.MATCH), tmp_path)
    ending(monkeypatch, 0, json.dumps({"run_id": "ours"}))

    newest = reconcile_now(pipeline_of("orders", paths={"reconciliation_reports": str(tmp_path)}), "my.toml", "live")

    assert newest.found() != newest.expected()
