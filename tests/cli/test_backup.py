"""`cdcproof backup` and `cdcproof restore`: what their options and the environment mean, and the runbook's two scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cdcproof.backup import run as backup
from cdcproof.backup.restore import run as restore
from cdcproof.backup.run import Outcome, Request
from cdcproof.cli.backup import bucket_of, days
from cdcproof.cli.main import main
from cdcproof.core.errors import UsageError
from tests.backup.made import NOW, committed

ROOT = Path(__file__).parents[2]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Request]:
    """The requests of `cdcproof backup` for the example pipeline; none is carried out."""
    requests: list[Request] = []

    def run(request: Request, _: object) -> Outcome:
        requests.append(request)
        return Outcome(None, None, (), None)

    monkeypatch.setattr(backup, "run", run)
    monkeypatch.chdir(ROOT)
    for name in ("BACKUP_DIR", "RETENTION_DAYS", "S3_BUCKET", "CDCPROOF_PIPELINE"):
        monkeypatch.delenv(name, raising=False)
    return requests


def pipeline_file(tmp_path: Path, bucket: str = "") -> str:
    """The example, which has a section for backups."""
    text = (ROOT / "fixtures/pipelines/warehouse.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("s3_bucket")]
    if bucket:
        lines.insert(lines.index("[backup]") + 1, f's3_bucket = "{bucket}"')
    path = tmp_path / "w.toml"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_the_environment_says_what_the_runbooks_says(
    asked: list[Request], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path / "backups"))
    monkeypatch.setenv("RETENTION_DAYS", "14")
    monkeypatch.setenv("S3_BUCKET", "from-environment")
    file = pipeline_file(tmp_path, bucket="from-file")

    assert main(["backup", "--pipeline", file]) == 0
    assert main(["backup", "--pipeline", file, "--s3-bucket", "from-flag"]) == 0
    monkeypatch.delenv("S3_BUCKET")
    assert main(["backup", "--pipeline", file]) == 0

    assert [one.bucket for one in asked] == ["from-environment", "from-flag", "from-file"]
    assert {one.directory for one in asked} == {tmp_path / "backups"}
    assert {one.keep_days for one in asked} == {14.0}
    assert {one.pipeline_file for one in asked} == {Path(file)}


@pytest.mark.parametrize("text", ["0", "-1", "seven", "nan", "inf", "1e9"])
def test_what_is_no_number_of_days_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="RETENTION_DAYS"):
        days(text, 7)
    assert days("", 7) == 7
    assert days("0.5", 7) == 0.5


def test_a_bucket_is_one_with_and_without_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("S3_BUCKET", raising=False)
    assert bucket_of("s3://cdc-backups/", None) == "cdc-backups"
    assert bucket_of(None, None) == ""
    with pytest.raises(UsageError, match="no bucket"):
        bucket_of("s3://cdc-backups/folder", None)


def test_without_a_directory_it_says_which_key_is_missing(
    asked: list[Request], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = pipeline_file(tmp_path)
    text = Path(file).read_text()
    Path(file).write_text("\n".join(line for line in text.splitlines() if not line.startswith("backups =")))

    assert main(["backup", "--pipeline", file]) == 2
    assert "BACKUP_DIR" in capsys.readouterr().err
    assert asked == []


def test_the_backups_are_listed(
    asked: list[Request], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = pipeline_file(tmp_path)
    name = Path(file).read_text().split('name = "')[1].split('"')[0]
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path))

    assert main(["restore", "--pipeline", file]) == 1
    assert "There is no backup" in capsys.readouterr().out
    whole = committed(tmp_path, name, NOW)
    broken = committed(tmp_path, name, NOW.replace(day=30))
    next(broken.folder.rglob("*.gz")).unlink()
    assert main(["restore", "--pipeline", file]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"20261129_020000  {whole.folder}")
    assert "warehouse (20 rows)" in first
    assert "not whole: " in second


def test_what_is_here_is_listed_where_the_bucket_does_not_answer(
    asked: list[Request], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = pipeline_file(tmp_path, bucket="b")
    Path(file).write_text(Path(file).read_text().replace("[backup]", '[backup]\ns3_endpoint = "http://127.0.0.1:1"'))
    name = Path(file).read_text().split('name = "')[1].split('"')[0]
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-really-a-key")
    committed(tmp_path, name, NOW)

    assert main(["restore", "--pipeline", file]) == 3
    shown = capsys.readouterr()
    assert shown.out.startswith("20261129_020000  ")
    assert "does not answer" in shown.err


@pytest.mark.parametrize("timestamp", ["latest", "2026-11-29", "20261129_0200", "../x"])
def test_a_timestamp_has_one_form(
    asked: list[Request], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, timestamp: str
) -> None:
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path))
    assert main(["restore", "--pipeline", pipeline_file(tmp_path), "--timestamp", timestamp]) == 2


def test_a_live_pipeline_is_changed_with_permission_only(
    asked: list[Request], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    requests: list[restore.Request] = []

    def run(request: restore.Request, _: object) -> restore.Outcome:
        requests.append(request)
        return restore.Outcome(None, (), None)

    monkeypatch.setattr(restore, "run", run)
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path))
    file = pipeline_file(tmp_path)
    command = [
        "restore",
        "--pipeline",
        file,
        "--timestamp",
        "20261129_020000",
        "--database",
        "w",
        "--type",
        "sqlserver",
    ]
    assert (main(command), main([*command, "--allow-acts", "--stop-connectors"])) == (0, 0)
    assert [(one.may_act, one.stop_connectors) for one in requests] == [(False, False), (True, True)]
    assert {(one.database, one.engine, one.timestamp) for one in requests} == {("w", "sqlserver", "20261129_020000")}


@pytest.mark.parametrize("script", ["backup-databases.sh", "restore-databases.sh"])
def test_the_runbooks_scripts_hand_their_options_on(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "scripts/bash" / script, "--pipeline", "not-there"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "There is no such pipeline file" in done.stderr
