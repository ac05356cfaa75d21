"""`cdcproof restore`."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from pathlib import Path

from cdcproof.backup.folders import Directory
from cdcproof.backup.parts.databases import maintenance
from cdcproof.backup.restore import run as restore
from cdcproof.backup.restore.run import Outcome
from cdcproof.backup.run import directory_of, remote_of
from cdcproof.cli.backup import BUCKET, DIRECTORY, bucket_of
from cdcproof.cli.connectors.options import add_acting
from cdcproof.cli.options import add_pipeline, open_pipeline
from cdcproof.core.errors import CouldNotLookError, UsageError
from cdcproof.core.progress import Progress
from cdcproof.environments.base import Environment
from cdcproof.observations.disks import size
from cdcproof.pipeline.choice import chosen
from cdcproof.pipeline.model import Pipeline
from cdcproof.remedies.commands import CommandLine

EXAMPLE = """cdcproof restore                                  # lists the backups
  cdcproof restore --timestamp 20261129_020000 --stop-connectors"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Restore the databases of a backup, each beside the one that is there. Prove that\n"
        "every table has the rows and the checksum of the manifest. Only then give it the\n"
        "name, and keep the old one under another. The connectors' positions are set as\n"
        "that demands, lost connectors are made again, and the pipeline is started.\n"
        "Without --timestamp the backups are listed.\n"
        "\n"
        f"Environment: {DIRECTORY} (else paths.backups), {BUCKET} (else backup.s3_bucket).\n"
        "Exit status: 0 restored and proven, 1 not, as the lines with ✗ say, 2 usage."
    )
    add_pipeline(parser)
    parser.add_argument("--timestamp", metavar="T", help="which backup: YYYYMMDD_HHMMSS, in UTC as in its name")
    parser.add_argument("--database", metavar="NAME", default="", help="only this database of it")
    parser.add_argument("--type", choices=("sqlserver", "postgresql"), default="", help="only databases of this kind")
    parser.add_argument("--s3-bucket", metavar="BUCKET", help="take it from this bucket where it is not here")
    parser.add_argument(
        "--stop-connectors", action="store_true", help="stop a running pipeline first, else it is refused"
    )
    parser.add_argument("--databases-only", action="store_true", help="start no connector, and set no position")
    parser.add_argument("--connectors-only", action="store_true", help="restore no database: connectors that are lost")
    add_acting(parser, settles=False)  # --deadline is Connect's, for each order


def run(arguments: argparse.Namespace) -> int:
    """List, or restore."""
    environment, pipeline = open_pipeline(arguments)
    directory = directory_of(pipeline, os.environ.get(DIRECTORY, ""))
    bucket = bucket_of(arguments.s3_bucket, pipeline.backup.s3_bucket)
    if not arguments.timestamp:
        return _list(pipeline, str(directory), bucket)
    if not re.fullmatch(r"\d{8}_\d{6}", arguments.timestamp):
        raise UsageError(
            f"{arguments.timestamp!r} is no timestamp of a backup.", "Write it as in its name: 20261129_020000"
        )
    request = restore.Request(
        pipeline,
        directory,
        arguments.timestamp,
        arguments.database,
        arguments.type,
        bucket,
        stop_connectors=arguments.stop_connectors,
        databases_only=arguments.databases_only,
        connectors_only=arguments.connectors_only,
        may_act=environment.name != "live" or arguments.allow_acts,
        deadline_seconds=arguments.deadline,
    )
    with Progress() as progress:
        outcome = restore.run(request, progress)
    if not outcome.failures:
        _say_what_follows(arguments, environment, pipeline, outcome)
    return outcome.exit_status


def _list(pipeline: Pipeline, path: str, bucket: str) -> int:
    """Every backup there is, here and in the bucket."""
    rows = []
    for one in Directory(Path(path), pipeline.name).backups():
        found = one.manifest
        what = (
            f"{size(found.size_bytes):>10}  "
            + ", ".join(f"{d.state.database} ({d.rows:,} rows)" for d in found.databases)
            if found
            else f"not whole: {one.why}"
        )
        rows.append((one.timestamp, str(one.folder), what))
    unseen: CouldNotLookError | None = None
    if bucket:
        try:
            found_there = remote_of(pipeline, bucket).backups()
        except CouldNotLookError as error:  # what is here can be restored all the same
            unseen, found_there = error, ()
        rows += [
            (f"{one.taken_at:%Y%m%d_%H%M%S}", f"s3://{bucket}/{one.prefix}", "" if one.complete else "not whole")
            for one in found_there
        ]
    for timestamp, place, what in sorted(rows):
        print("  ".join(filter(None, (timestamp, place, what))))
    if unseen:
        raise unseen
    if not rows:
        print(f"There is no backup of {pipeline.name} in {path}{f' or s3://{bucket}' if bucket else ''}.")
        return 1
    return 0


def _say_what_follows(
    arguments: argparse.Namespace, environment: Environment, pipeline: Pipeline, outcome: Outcome
) -> None:
    """What proves that the pipeline replicates again, and what may go once it does."""
    plan = outcome.plan
    if plan is None:
        return
    name = chosen(arguments.pipeline)
    commands = CommandLine(environment, pipeline, name)
    if plan.decision and not plan.decision.start:
        print("The connectors are stopped: decide as it says above, then start them with")
        for one in pipeline.connectors:
            print(f"  {commands.act('connectors', 'resume', one.name)}")
    if plan.decision is None:
        print("The connectors were left alone. Before they run: see what their positions must be with")
        print(f"  {commands.act('restore', '--timestamp', arguments.timestamp, '--connectors-only')}")
    print("Then prove it:")
    if plan.decision and plan.decision.takes_snapshot:
        for one in pipeline.connectors:
            if one.kind == "source":
                print(f"  {commands.cdcproof('connectors', 'snapshot', one.name)}")
    print(f"  {commands.cdcproof('reconcile', '--validate-checksums')}")
    acts = " --allow-acts" if environment.name == "live" else ""
    print(f"  pytest -m validate --pipeline={shlex.quote(name)}{acts}")
    for side, old in outcome.aside.items():
        database = maintenance(pipeline, side)
        statement = f'DROP DATABASE "{old}"' if database.type == "postgresql" else f"DROP DATABASE [{old}]"
        print(f"and once it is proven, the old {side} may go:")
        print(f"  {commands.administer(database, statement)}")
