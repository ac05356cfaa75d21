"""The weekly checks of backups, on a directory and on moto's S3: both ways, and the action that heals."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from cdcproof.backup import inspection
from cdcproof.findings import Verdict
from cdcproof.pipeline.model import Pipeline
from checks.weekly import test_2_backups as checks
from tests.check_in_process import judged
from tests.pipelines import pipeline_of

NOW = time.time()
LOG = "2026-11-29 02:00:01 ✓ source\n2026-11-29 02:01:00 ✓ verified\n"


def stamp(hours: float) -> str:
    return f"{datetime.fromtimestamp(NOW - hours * 3600, UTC):%Y%m%d_%H%M%S}"


def make(path: Path, hours: float, text: str = "rows") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (NOW - hours * 3600,) * 2)
    return path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two nights, as the operator's own job leaves them."""
    for hours in (28.0, 4.0):
        make(tmp_path / f"postgresql/w_{stamp(hours)}.sql.gz", hours)
        make(tmp_path / f"backup_{stamp(hours)}.log", hours, LOG)
    return tmp_path


def pipeline(directory: Path, **paths: str) -> Pipeline:
    return pipeline_of("orders", paths={"backups": str(directory), **paths}, backup={"s3_bucket": "cdc-backups"})


def log_check(directory: Path, **paths: str) -> tuple[Verdict, str]:
    ours = pipeline(directory, **paths)
    record = judged(
        checks.test_the_last_backup_run_was_complete,
        ours,
        backup_runs=partial(inspection.backup_runs, ours, NOW),
        good_backups=partial(inspection.good_backups, ours, NOW),
    )
    return record.verdict, record.reason or "".join(d.found for d in record.differences)


def age_check(directory: Path) -> Verdict:
    ours = pipeline(directory)
    check = checks.test_the_newest_good_backup_is_of_last_night
    return judged(check, ours, good_backups=partial(inspection.good_backups, ours, NOW)).verdict


def test_two_good_nights_are_green(directory: Path) -> None:
    assert log_check(directory) == (Verdict.PASSED, "")
    assert age_check(directory) is Verdict.PASSED


def test_a_failed_last_run_is_red_in_both_until_one_succeeds(directory: Path) -> None:
    make(directory / f"postgresql/w_{stamp(2)}.sql.gz", 2)
    make(directory / f"backup_{stamp(2)}.log", 2, LOG + "2026-11-29 05:00:00 ✗ upload: refused\n")
    assert log_check(directory) == (Verdict.FAILED, "1 failed")

    make(directory / f"postgresql/w_{stamp(1.5)}.sql.gz", 1.5)
    make(directory / f"backup_{stamp(1.5)}.log", 1.5, LOG)
    assert log_check(directory)[0] is Verdict.WARNED  # of the failed run of this week


def test_a_night_without_a_backup_is_red_although_the_log_looks_well(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            os.utime(path, (NOW - 50 * 3600,) * 2)

    assert log_check(directory)[0] is Verdict.FAILED
    assert age_check(directory) is Verdict.FAILED


def test_only_the_newest_being_empty_is_red_for_its_age(directory: Path) -> None:
    make(directory / f"postgresql/w_{stamp(4)}.sql.gz", 4, "")

    assert age_check(directory) is Verdict.FAILED


def test_a_manifest_whose_files_are_gone_is_no_backup(directory: Path) -> None:
    ours = directory / f"warehouse_{stamp(4)}"
    make(ours / "SHA256SUMS", 4)
    make(ours / "manifest.json", 4, "{}")

    assert age_check(directory) is Verdict.FAILED


def test_the_one_log_of_cron_counts_where_runs_leave_none(directory: Path) -> None:
    for path in directory.glob("*.log"):
        path.unlink()
    assert log_check(directory)[0] is Verdict.NOT_CHECKED

    log = make(directory.parent / "cdc-backup.log", 4, "2026-11-28 02:00:00 ✗ source\n" + LOG)
    assert log_check(directory, backup_log=str(log)) == (Verdict.PASSED, "")
    make(log, 4, LOG + "2026-11-29 02:02:00 ✗ target\n")
    assert log_check(directory, backup_log=str(log))[0] is Verdict.FAILED


def test_a_directory_that_is_not_there_is_not_checked(tmp_path: Path) -> None:
    assert log_check(tmp_path / "nowhere")[0] is Verdict.NOT_CHECKED
    assert age_check(tmp_path / "nowhere") is Verdict.NOT_CHECKED


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A backup of each of the last two weeks, and of today."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "checks")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-really-a-secret-key")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("moto.s3.models.utcnow", lambda: datetime.fromtimestamp(NOW, UTC).replace(tzinfo=None))
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="cdc-backups")
        for ago in range(15):
            for part in ("t.dat", "manifest.json"):
                client.put_object(
                    Bucket="cdc-backups", Key=f"{prefix(ago)}test_{stamp(24 * ago)}/{part}", Body=b"x" * 100
                )
        yield client


def prefix(ago: int) -> str:
    return f"{datetime.fromtimestamp(NOW, UTC) - timedelta(days=ago):%Y/%m/%d}/"


def test_each_day_with_its_upload_is_green_and_one_without_is_red(bucket: object, directory: Path) -> None:
    ours = pipeline(directory)
    make(directory / f"test_{stamp(48)}" / "manifest.json", 48)

    def check() -> object:
        return judged(
            checks.test_each_day_has_its_backup_in_the_object_store,
            ours,
            uploads=partial(inspection.uploaded, ours, NOW),
        )

    assert check().verdict is Verdict.PASSED  # type: ignore[attr-defined]

    for part in ("t.dat", "manifest.json"):
        bucket.delete_object(Bucket="cdc-backups", Key=f"{prefix(2)}test_{stamp(48)}/{part}")  # type: ignore[attr-defined]
    red = check()
    assert red.verdict is Verdict.FAILED  # type: ignore[attr-defined]
    assert [(d.subject, d.found) for d in red.differences] == [(prefix(2).strip("/").replace("/", "-"), "nothing")]  # type: ignore[attr-defined]
    assert red.action == (  # type: ignore[attr-defined]
        f"aws s3 ls s3://cdc-backups/{prefix(2)} --recursive",
        f"aws s3 cp --recursive {directory}/test_{stamp(48)} s3://cdc-backups/{prefix(2)}test_{stamp(48)}/",
        "cdcproof backup --s3-bucket cdc-backups --pipeline warehouse",
    )


def test_a_bucket_that_is_not_there_is_not_checked(directory: Path, bucket: object) -> None:
    ours = pipeline_of("orders", paths={"backups": str(directory)}, backup={"s3_bucket": "another"})
    record = judged(
        checks.test_each_day_has_its_backup_in_the_object_store, ours, uploads=partial(inspection.uploaded, ours, NOW)
    )

    assert record.verdict is Verdict.NOT_CHECKED
    assert "no such bucket" in record.reason
