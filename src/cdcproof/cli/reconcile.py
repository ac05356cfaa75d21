"""`cdcproof reconcile` and `python -m src.cli.reconcile`: compare source and target, table by table."""

from __future__ import annotations

import argparse
import io
import sys
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cdcproof.cli.main import run_safely
from cdcproof.cli.options import add_pipeline

if TYPE_CHECKING:
    from cdcproof.reconcile.result import Report

EXAMPLE = """cdcproof reconcile --pipeline warehouse --validate-checksums

  python -m src.cli.reconcile \\
      --source-type sqlserver --source-host sqlserver --source-port 1433 \\
      --source-database warehouse_source --source-user sa \\
      --target-type postgresql --target-host postgres --target-port 5432 \\
      --target-database warehouse_target --target-user postgres \\
      --tables customers,products,orders,inventory,shipments \\
      --validate-checksums

passwords:
  SQLSERVER_PASSWORD and POSTGRES_PASSWORD in the environment (or the variables
  named by --source-password-env and --target-password-env). --source-password
  and --target-password work too, but show in the process list.

what the words mean:
  MATCH     without --validate-checksums: both sides have the same number of
            rows, nothing more. With it: every row and every compared column is
            the same. Columns that cannot be compared are named.
  MISMATCH  rows are missing, extra or changed at the target, and that is not
            replication delay: they were read again for --settle-seconds.
  ERROR     it could not be looked at, so nothing is known about the table.

exit status: 0 all match, 1 a mismatch, 2 usage, 3 could not look at a table
report: reconciliation_reports/reconciliation_report_<YYYYMMDD_HHMMSS>.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runbook's flags and ours."""
    add_pipeline(parser)
    for side in ("source", "target"):
        group = parser.add_argument_group(side, "(in place of --pipeline)")
        group.add_argument(f"--{side}-type", choices=("sqlserver", "postgresql"))
        group.add_argument(f"--{side}-host", metavar="HOST")
        group.add_argument(f"--{side}-port", metavar="PORT", type=int, help="default: 1433 or 5432, by type")
        group.add_argument(f"--{side}-database", metavar="NAME")
        group.add_argument(f"--{side}-schema", metavar="NAME", help="default: dbo or public, by type")
        group.add_argument(f"--{side}-user", metavar="NAME")
        group.add_argument(f"--{side}-password", metavar="PASSWORD", help="better in the environment, see below")
        group.add_argument(f"--{side}-password-env", metavar="VARIABLE", help="the variable that holds it")
    parser.add_argument(
        "--trust-server-certificate",
        action="store_true",
        help="SQL Server: accept a certificate that no known authority signed",
    )
    parser.add_argument("--tables", metavar="A,B,C", help="tables to compare (default with a pipeline: all of it)")
    parser.add_argument("--validate-checksums", action="store_true", help="compare contents, not only row counts")
    parser.add_argument(
        "--settle-seconds",
        metavar="S",
        type=float,
        default=10.0,
        help="how long a difference may be replication delay (default: 10)",
    )
    parser.add_argument(
        "--output-dir",
        metavar="DIR",
        type=Path,
        help="where the report goes (default: reconciliation_reports, or the pipeline's)",
    )
    parser.add_argument("--json", action="store_true", help="print the report itself; the lines go to stderr")


def main(argv: Sequence[str]) -> int:
    """Run as a program of its own."""
    parser = argparse.ArgumentParser(
        prog="python -m src.cli.reconcile",
        description="Compare source and target, table by table.",
        epilog=f"example:\n  {EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)
    return run_safely(parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> int:
    """Compare, write the report, return the exit status."""
    from cdcproof.cli import reconcile_inputs
    from cdcproof.errors import UsageError
    from cdcproof.progress import Progress
    from cdcproof.reconcile import engine, lines
    from cdcproof.reconcile.result import Report, TableResult, TableStatus

    if not arguments.settle_seconds >= 0:
        raise UsageError("--settle-seconds must not be below 0.")
    inputs = reconcile_inputs.read(arguments)
    directory = arguments.output_dir or inputs.directory
    reconcile_inputs.demand_writable(directory)
    options = engine.Options(arguments.validate_checksums, arguments.settle_seconds)
    screen = sys.stderr if arguments.json else sys.stdout
    started_at = _now()
    results: list[TableResult] = []
    complete = True
    with Progress(sys.stderr if sys.stderr.isatty() else io.StringIO()) as progress:  # the lines are enough for cron
        try:
            for result in engine.reconcile(inputs.source, inputs.target, inputs.tables, options, progress):
                results.append(result)  # before it is told: what was on the screen when Ctrl-C came is in the report
                progress.clear()
                print(lines.of_table(result, after=results[:-1]), file=screen, flush=True)
        except KeyboardInterrupt:
            complete = False
            results += [
                TableResult(table.name, TableStatus.ERROR, error="Interrupted before it was compared.")
                for table in inputs.tables[len(results) :]
            ]
    report = Report(
        run_id=uuid.uuid4().hex,
        started_at=started_at,
        finished_at=_now(),
        source=inputs.source.place,
        target=inputs.target.place,
        method=engine.method(options),
        tables=tuple(results),
        complete=complete,
    )
    path = _written(report, directory)
    if arguments.json:
        print(path.read_text(encoding="utf-8"), end="")
    print(lines.of_report(report), path, sep="\n", file=screen)
    if not complete:
        raise KeyboardInterrupt
    return report.exit_status


def _written(report: Report, directory: Path) -> Path:
    from cdcproof.errors import CouldNotLookError
    from cdcproof.reconcile.result import write

    try:
        return write(report, directory)
    except OSError as error:
        raise CouldNotLookError(
            f"The report could not be written to {directory}: {error.strerror}. The lines above are all there is.",
            "Make room there, or name another directory with --output-dir.",
        ) from None


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
