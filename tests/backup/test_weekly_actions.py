"""The weekly checks of backups, and their Actions run as they are printed: red after a bad night, green after the commands."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.backup import inspection
from cdcproof.findings import Verdict
from cdcproof.pipeline.model import Pipeline
from cdcproof.reporting.record import StepRecord
from checks.weekly import test_2_backups as checks
from tests.backup.made import committed
from tests.check_in_process import judged
from tests.pipelines import pipeline_of
from tests.s3mock import S3Mock

pytest_plugins = ["tests.s3mock"]

ROOT = Path(__file__).parents[2]
CDCPROOF = """#!{python}
import sys
sys.path.insert(0, "{root}")
from datetime import UTC, datetime
from pathlib import Path
from tests.backup.made import committed
assert sys.argv[1] == "backup", sys.argv
now, directory = datetime.now(UTC), Path("{directory}")
while (directory / f"warehouse_{{now:%Y%m%d_%H%M%S}}").exists():
    now = datetime.now(UTC)
made = committed(directory, "warehouse", now)
(directory / f"backup_{{now:%Y%m%d_%H%M%S}}.log").write_text(f"{{now:%Y-%m-%d %H:%M:%S}} ✓ {{made.folder}}\\n")
"""
"""Leaves what `cdcproof backup` leaves; that itself is run in tests/integration."""

AWS = """#!{python}
import sys, pathlib, boto3
_, endpoint, s3, verb, *words = sys.argv[1:]
assert s3 == "s3"
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
if verb == "ls":
    bucket, _, prefix = words[0].removeprefix("s3://").partition("/")
    found = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
    print(*(one["Key"] for one in found), sep="\\n")
    sys.exit(not found)
folder, to = map(str, words[1:])
bucket, _, prefix = to.removeprefix("s3://").partition("/")
for path in pathlib.Path(folder).rglob("*"):
    if path.is_file():
        client.upload_file(str(path), bucket, prefix + str(path.relative_to(folder)))
"""
"""What the offered commands use of Amazon's own client."""


def verdicts(pipeline: Pipeline) -> dict[str, StepRecord]:
    now = time.time()
    runs, good = inspection.backup_runs(pipeline, now), inspection.good_backups(pipeline, now)
    return {
        "log": judged(checks.test_the_last_backup_run_was_complete, pipeline, backup_runs=runs, good_backups=good),
        "age": judged(checks.test_the_newest_good_backup_is_of_last_night, pipeline, good_backups=good),
        "uploads": judged(
            checks.test_each_day_has_its_backup_in_the_object_store,
            pipeline,
            uploads=inspection.uploaded(pipeline, now),
        ),
    }


def stored(s3mock: S3Mock, bucket: str, now: datetime, missing: Collection[int] = ()) -> None:
    """Two weeks of uploads, but for those of so many days ago."""
    store = s3mock.store(bucket)
    for days in {*range(15)} - {*missing}:
        at = now - timedelta(days=days)
        for name in ("toc.dat", "SHA256SUMS", "manifest.json"):
            key = f"{at:%Y/%m/%d}/warehouse_{at:%Y%m%d}_020000/{name}"
            store.ask(lambda client, key=key: client.put_object(Bucket=bucket, Key=key, Body=b"x" * 800))


def pipeline_of_backups(directory: Path, s3mock: S3Mock, bucket: str) -> Pipeline:
    backup = {"s3_bucket": bucket, "s3_endpoint": s3mock.endpoint}
    return pipeline_of("orders", name="warehouse", paths={"backups": str(directory)}, backup=backup)


GOOD, BAD = "✓ ended", "✗ target: no space left on device"


@pytest.fixture(scope="module")
def backed_up(s3mock: S3Mock) -> Callable[[Path, bool], Pipeline]:
    """A pipeline with such a backup directory, and whether one of its uploads is missing."""
    now = datetime.now(UTC)
    stored(s3mock, "weekly-whole", now)
    stored(s3mock, "weekly-missing", now, {3})
    return lambda directory, missing: pipeline_of_backups(
        directory, s3mock, "weekly-missing" if missing else "weekly-whole"
    )


@pytest.mark.parametrize(
    ("fault", "red"),
    [
        ((0, GOOD, False), set()),
        ((0, BAD, False), {"log"}),
        ((3, GOOD, False), {"log", "age"}),  # a run that left no backup
        ((3, BAD, False), {"log", "age"}),
        ((0, GOOD, True), {"uploads"}),
    ],
)
def test_each_fault_is_red_where_it_is_and_nowhere_else(
    backed_up: Callable[[Path, bool], Pipeline], tmp_path: Path, fault: tuple[int, str, bool], red: set[str]
) -> None:
    (days_old, log, missing), now = fault, datetime.now(UTC)
    committed(tmp_path, "warehouse", now - timedelta(days=days_old, hours=5))
    written = tmp_path / f"backup_{now - timedelta(hours=5):%Y%m%d_%H%M%S}.log"
    written.write_text(f"{now:%Y-%m-%d %H:%M:%S} {log}\n")
    ended = (now - timedelta(hours=5)).timestamp()
    os.utime(written, (ended, ended))

    found = verdicts(backed_up(tmp_path, missing))

    assert {one: record.verdict for one, record in found.items()} == {
        **dict.fromkeys(("log", "age", "uploads"), Verdict.PASSED),
        **dict.fromkeys(red, Verdict.FAILED),
    }


def test_a_night_without_a_backup_is_made_up_for_by_the_commands(s3mock: S3Mock, tmp_path: Path) -> None:
    """The job failed, the newest backup is three days old, and its upload is missing."""
    now = datetime.now(UTC)
    directory = tmp_path / "backups"
    stored(s3mock, "weekly-drill", now, {3})
    pipeline = pipeline_of_backups(directory, s3mock, "weekly-drill")
    kept = committed(directory, "warehouse", now - timedelta(days=3))
    log = directory / f"backup_{now - timedelta(hours=5):%Y%m%d_%H%M%S}.log"
    log.write_text(f"{now:%Y-%m-%d %H:%M:%S} {BAD}\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "aws": AWS.format(python=sys.executable),
        "cdcproof": CDCPROOF.format(python=sys.executable, root=ROOT, directory=directory),
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)

    red = verdicts(pipeline)
    pasted = [bash(c, programs) for one in ("uploads", "age") for c in red[one].action if not c.startswith("#")]
    green = verdicts(pipeline)

    assert {one: record.verdict for one, record in red.items()} == dict.fromkeys(red, Verdict.FAILED)
    assert red["log"].action == red["age"].action
    assert [(d.subject, d.found) for d in red["uploads"].differences] == [
        (f"{now - timedelta(days=3):%Y-%m-%d}", "nothing")
    ]
    assert str(kept.folder) in red["uploads"].action[1]
    assert [pasted[n].returncode for n in (1, 2, -1)] == [0, 0, 0], pasted
    assert {one: record.verdict for one, record in green.items()} == {
        "log": Verdict.WARNED,  # an earlier run of the week had a ✗
        "age": Verdict.PASSED,
        "uploads": Verdict.PASSED,
    }, green


def bash(command: str, programs: Path) -> subprocess.CompletedProcess[str]:
    path = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    return subprocess.run(["bash", "-c", command], env=path, check=False, capture_output=True, text=True, timeout=60)
