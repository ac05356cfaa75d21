"""`cdcproof diagnose`: one redacted archive of what the pipeline does now."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from cdcproof.cli import schedule
from cdcproof.cli.options import add_pipeline, open_even_if_down, seconds
from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.progress import Progress
from cdcproof.diagnostics.collect import collect
from cdcproof.diagnostics.parts import unlocated

EXAMPLE = "cdcproof diagnose --pipeline warehouse --since 4h --output-dir /var/tmp/incident"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_pipeline(parser)
    parser.set_defaults(keeps_result=True, limit_seconds=86_400.0)  # --deadline says when it ends
    parser.add_argument(
        "--output-dir", type=Path, metavar="DIR", help="where the archive is written (default: /tmp, or $TMPDIR)"
    )
    parser.add_argument(
        "--since", type=seconds, default="2h", metavar="TIME", help="how far back logs are read: 30m, 2h (default: 2h)"
    )
    parser.add_argument(
        "--deadline",
        type=seconds,
        default="60s",
        metavar="TIME",
        help="what has not come by then is left out, and named (default: 60s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Collect, write, and say what is missing. Status 3 when anything is."""
    environment, pipeline, problem = open_even_if_down(arguments)
    schedule.note(arguments, "diagnose", pipeline.name, pipeline.paths.reports, pipeline.pushgateway)
    with Progress() as progress:
        archive = collect(
            pipeline,
            environment,
            output_dir=arguments.output_dir,
            since_seconds=arguments.since,
            deadline_seconds=arguments.deadline,
            missing=unlocated(problem),
            report=lambda name: progress.waiting(f"collected {name}"),
        )
    if archive.remarks:
        print("What stands out:")
        for remark in archive.remarks:
            print(f"  {remark}")
    if archive.missing:
        print("Not collected:")
        for missing in archive.missing:
            print(f"  {missing.what}: {missing.why}")
    print(f"{len(archive.files)} files, {archive.size_bytes / 1024:,.0f} KiB. Read index.html first:")
    where = archive.path.parent
    print(
        f"  tar -xzf {shlex.quote(str(archive.path))} -C {shlex.quote(str(where))}   # then open {archive.folder}/index.html"
    )
    print(archive.path)
    schedule.succeeded(arguments)  # also where a part could not be collected: that is what it reports
    return 0 if archive.is_whole else CouldNotLookError.exit_status
