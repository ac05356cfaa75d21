"""`cdcproof backup`."""

from __future__ import annotations

import argparse
import os

from cdcproof.backup import run as backup
from cdcproof.cli import schedule
from cdcproof.cli.options import add_pipeline, open_pipeline
from cdcproof.core.errors import UsageError
from cdcproof.core.progress import Progress
from cdcproof.pipeline.choice import chosen, resolve

EXAMPLE = "cdcproof backup --s3-bucket cdc-backups"
DIRECTORY, DAYS, BUCKET = "BACKUP_DIR", "RETENTION_DAYS", "S3_BUCKET"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Back up the source's and the target's database, the connectors with their\n"
        "offsets, the registry's subjects, the schema history and the pipeline file,\n"
        "without stopping the pipeline. A backup is a folder NAME_YYYYMMDD_HHMMSS (UTC)\n"
        "of the backup directory, whole and verified, or it is not there at all.\n"
        "\n"
        f"Environment: {DIRECTORY} (else paths.backups), {DAYS} (else\n"
        f"thresholds.backup_keep_days), {BUCKET} (else backup.s3_bucket).\n"
        "Exit status: 0 made, and uploaded where that was wanted; 1 something failed,\n"
        "as the lines with ✗ say; 2 usage."
    )
    add_pipeline(parser)
    parser.add_argument("--s3-bucket", metavar="BUCKET", help="upload it to this bucket, under YYYY/MM/DD/")
    parser.set_defaults(keeps_result=True, limit_seconds=86_400.0)


def run(arguments: argparse.Namespace) -> int:
    """Make the backup."""
    _, pipeline = open_pipeline(arguments)
    schedule.note(arguments, "backup", pipeline.name, pipeline.paths.reports, pipeline.pushgateway)
    request = backup.Request(
        pipeline,
        resolve(chosen(arguments.pipeline)),
        backup.directory_of(pipeline, os.environ.get(DIRECTORY, "")),
        days(os.environ.get(DAYS, ""), pipeline.thresholds.backup_keep_days),
        bucket_of(arguments.s3_bucket, pipeline.backup.s3_bucket),
    )
    with Progress() as progress:
        return backup.run(request, progress).exit_status


def bucket_of(flag: str | None, of_file: str | None) -> str:
    """The bucket meant, ``s3://`` before it or not; empty for none."""
    bucket = flag or os.environ.get(BUCKET) or of_file or ""
    bucket = bucket.removeprefix("s3://").rstrip("/")
    if "/" in bucket:
        raise UsageError(f"{bucket!r} is no bucket: the folders in it are ours.", "Name the bucket alone.")
    return bucket


def days(text: str, default: float) -> float:
    """What RETENTION_DAYS says. Raises `UsageError` for no number of days."""
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < 100_000:
        raise UsageError(f"{DAYS} is {text!r}, and must be a number of days.", f"export {DAYS}=7")
    return number
