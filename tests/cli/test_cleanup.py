"""`cdcproof cleanup` on a pipeline file of its own, and a real Prometheus where there is one."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.cli.main import main
from cdcproof.observations.reconciliation import reports
from cdcproof.pipeline.model import Pipeline, load
from cdcproof.reconcile.report.ownership import place_of
from cdcproof.reconcile.report.result import Report, TableResult, TableStatus, write
from tests.canned import serving

ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runbook's pipeline, with its directories below `tmp_path`."""
    text = (ROOT / "fixtures/pipelines/warehouse.toml").read_text()
    text = text.replace('"/var/backups/cdc"', f'"{tmp_path}/backups"')
    text = text.replace('"reconciliation_reports"', f'"{tmp_path}/reconciliation_reports"')
    path = tmp_path / "warehouse.toml"
    path.write_text(text)
    (tmp_path / "backups").mkdir()
    (tmp_path / "reconciliation_reports").mkdir()
    monkeypatch.chdir(tmp_path)
    return path


def aged(path: Path, days: float) -> Path:
    os.utime(path, (time.time() - days * 86_400,) * 2)
    return path


def reported(pipeline: Pipeline, days: float, *statuses: tuple[str, TableStatus]) -> Path:
    at = (NOW - timedelta(days=days)).isoformat()
    results = tuple(TableResult(table, status, 1, 1, status is TableStatus.MATCH) for table, status in statuses)
    ours = (place_of(pipeline.source), place_of(pipeline.target))
    made = Report("r", at, at, *ours, "test", results, pipeline=pipeline.name)
    return aged(write(made, pipeline.paths.reconciliation_reports), days)


def left(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_by_default_nothing_is_deleted_and_all_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = load(file)
    everything = [(table, TableStatus.MATCH) for table in pipeline.table_names]
    old, new = reported(pipeline, 200, *everything), reported(pipeline, 1, *everything)
    backups = file.parent / "backups"
    for number in range(1, 6):
        aged(_made(backups / f"postgresql/w_2026110{number}_020000.sql.gz"), 30 - number)

    assert main(["cleanup", "reports", "backups", "--pipeline", str(file)]) == 0

    told = capsys.readouterr().out
    assert f"  to delete: {old.name}" in told
    assert "  to delete: postgresql/w_20261102_020000.sql.gz" in told
    assert "w_20261103_020000.sql.gz: one of the newest good ones of its kind" in " ".join(told.split())
    assert "Nothing was deleted. To delete it: add --delete." in told
    assert old.exists()
    assert new.exists()
    assert len(left(backups)) == 5
    assert not (file.parent / "reports").exists()


def test_what_is_deleted_is_in_the_acts_log_and_the_morning_says_the_same(file: Path) -> None:
    pipeline = load(file)
    customers, *others = pipeline.table_names
    reported(pipeline, 300, *[(table, TableStatus.MATCH) for table in pipeline.table_names])
    reported(pipeline, 200, (customers, TableStatus.MISMATCH))
    reported(pipeline, 150, *[(table, TableStatus.MATCH) for table in others[:-1]])
    reported(pipeline, 120, *[(table, TableStatus.MATCH) for table in others[:-1]])

    def morning() -> object:
        newest = reports.look(pipeline, NOW).newest()
        return newest.found(), newest.details(), newest.concerns()

    before, files = morning(), left(pipeline.paths.reconciliation_reports)

    assert main(["cleanup", "reports", "--delete", "--pipeline", str(file)]) == 0

    gone = files - left(pipeline.paths.reconciliation_reports)
    assert len(gone) == 1
    assert morning() == before
    log = (file.parent / "reports" / "acts.log").read_text()
    assert [line.rpartition("/")[2] for line in log.splitlines()] == sorted(gone)
    kept = json.loads((file.parent / "reports" / "scheduled" / "cleanup.json").read_text())
    assert kept["last_success"] == kept["last_run"] > 0


def test_other_files_of_the_directory_are_nobodys_to_delete(file: Path) -> None:
    directory = load(file).paths.reconciliation_reports
    aged(_made(directory / "notes.txt"), 400)
    aged(_made(directory / "proofs" / "reconciliation_report_x.json"), 400)

    assert main(["cleanup", "reports", "--delete", "--pipeline", str(file)]) == 0

    assert left(directory) == {"notes.txt", "proofs/reconciliation_report_x.json"}


def test_a_backup_whose_log_says_that_it_failed_is_not_the_last_good_one(file: Path) -> None:
    backups = file.parent / "backups"
    file.write_text(file.read_text().replace("[backup]", "[backup]\nkeep_count = 1"))
    for day, words in ((1, "✓ warehouse_target"), (2, "✓ warehouse_target"), (3, "✗ warehouse_target: no space left")):
        aged(_made(backups / f"postgresql/w_2026110{day}_020000.sql.gz"), 30 - day)
        aged(_made(backups / f"backup_2026110{day}_020000.log", words), 30 - day)

    assert main(["cleanup", "backups", "--delete", "--pipeline", str(file)]) == 0

    assert left(backups) == {
        "postgresql/w_20261102_020000.sql.gz",
        "postgresql/w_20261103_020000.sql.gz",
        *(f"backup_2026110{day}_020000.log" for day in (1, 2, 3)),
        ".warehouse.lock",
    }


def test_locks_and_what_is_being_made_are_not_touched(file: Path) -> None:
    backups = file.parent / "backups"
    for name in (".warehouse.lock", ".w_20260101_020000.unfinished/t.dat", ".w_20260102_020000.unfinished/t.dat"):
        aged(_made(backups / name), 300)

    assert main(["cleanup", "backups", "--delete", "--pipeline", str(file)]) == 0

    assert len(left(backups)) == 3


def test_json_for_those_who_pipe(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cleanup", "reports", "--json", "--pipeline", str(file)]) == 0

    (answer,) = json.loads(capsys.readouterr().out)
    assert (answer["what"], answer["files"], answer["bytes"]) == ("reports", [], 0)


@pytest.mark.parametrize(("retention", "status", "words"), [("30d", 0, "keeps 30d"), ("15d", 1, "retention.time=30d")])
def test_prometheus_deletes_by_itself_and_its_retention_is_looked_at(
    file: Path, capsys: pytest.CaptureFixture[str], retention: str, status: int, words: str
) -> None:
    answer = {"status": "success", "data": {"storageRetention": retention}}
    with serving({"GET /api/v1/status/runtimeinfo": (200, answer)}) as server:
        file.write_text(file.read_text().replace("http://localhost:9090", server.url))

        assert main(["cleanup", "prometheus", "--pipeline", str(file)]) == status

    told = " ".join(capsys.readouterr().out.split())
    assert words in told
    assert "never delete files in its folder while it runs" in told


def test_a_prometheus_that_is_away_could_not_be_looked_at(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text().replace("http://localhost:9090", "http://127.0.0.1:9"))

    assert main(["cleanup", "prometheus", "--pipeline", str(file)]) == 3
    assert "Prometheus at http://127.0.0.1:9" in capsys.readouterr().err


def test_an_unknown_word_is_usage(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cleanup", "everything", "--pipeline", str(file)]) == 2
    assert "Name one of: reports, backups, prometheus" in capsys.readouterr().err


def _made(path: Path, text: str = "rows") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
