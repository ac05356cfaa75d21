"""`cdcproof reconcile` and `python -m src.cli.reconcile`: compare source and target, table by table."""

# ruff: noqa: PLC0415  what only a pipeline file needs: see tests/test_layers.py
from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TextIO

from cdcproof.cli import schedule
from cdcproof.cli.main import run_safely
from cdcproof.cli.options import add_pipeline, seconds, seconds_or_none
from cdcproof.cli.reconcile import explain, repair, shares
from cdcproof.cli.reconcile.inputs import STATEMENT_TIMEOUT_SECONDS, Inputs, demand_writable, read
from cdcproof.cli.reconcile.screen import Screen
from cdcproof.cli.reconcile.workers import distributed, workers
from cdcproof.core.errors import CouldNotLookError, DeadlineError, UsageError
from cdcproof.core.time_limit import time_limit
from cdcproof.databases.duckdb.engine import Loading
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.reconcile import engine
from cdcproof.reconcile.checksums.checkpoint import Kept, Unfinished
from cdcproof.reconcile.checksums.strategy import Sliced, Strategy
from cdcproof.reconcile.engine import Options, Run
from cdcproof.reconcile.plan.columns import TablePair, compared
from cdcproof.reconcile.report import screen as lines
from cdcproof.reconcile.report.result import Report, TableResult, TableStatus, write, write_partial
from cdcproof.reconcile.scrub import scrub
from cdcproof.reconcile.scrub.scrub import Budget
from cdcproof.reconcile.slices.folder import SliceFolder
from cdcproof.reconcile.slices.merging import Merged

EXAMPLE = """cdcproof reconcile --pipeline warehouse --validate-checksums

  python -m src.cli.reconcile \\
      --source-type sqlserver --source-host sqlserver --source-port 1433 \\
      --source-database warehouse_source --source-user sa \\
      --target-type postgresql --target-host postgres --target-port 5432 \\
      --target-database warehouse_target --target-user postgres \\
      --tables customers,products,orders,inventory,shipments \\
      --validate-checksums

passwords:
  SQLSERVER_PASSWORD and POSTGRES_PASSWORD in the environment, or the variables
  named by --source-password-env and --target-password-env. --source-password
  and --target-password work too, but the process list shows them.

what the words mean:
  MATCH       without --validate-checksums: both sides have the same number of
              rows, nothing more ("counted only"). With it: every row is the
              same in every column that the pipeline file does not exclude.
  MISMATCH    rows are missing, extra or changed at the target, or it lacks a
              column. That is not replication delay: all changes had arrived
              when the rows were read last. With --pipeline the positions show
              that; without it, cdcproof waits --settle-seconds.
  INCOMPLETE  what was compared is the same, but a column that holds data could
              not be compared. It is named, with the line that accepts that.
  ERROR       the table could not be read, so nothing is known about it.

exit status: 0 all match, 1 a mismatch, 2 usage, 3 a table or some of its
             columns could not be compared
report: reconciliation_reports/reconciliation_report_<YYYYMMDD_HHMMSS>.json"""

_PREPARING_SECONDS = 300.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runbook's flags and ours."""
    _add_more(parser)
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
        help="accept a database server's certificate that no known authority signed",
    )
    parser.add_argument("--tables", metavar="A,B,C", help="tables to compare (default with a pipeline: all of it)")
    parser.add_argument(
        "--exclude",
        metavar="TABLE.COLUMN,…",
        action="append",
        help="columns that are not compared; the report names them (with a pipeline: exclude in its file)",
    )
    for flag, which in (("--where", "both sides"), ("--source-where", "the source"), ("--target-where", "the target")):
        parser.add_argument(
            flag,
            metavar="TABLE:SQL",
            action="append",
            help=f"compare only rows of {which} for which this condition holds; once for each table",
        )
    parser.add_argument("--validate-checksums", action="store_true", help="compare contents, not only row counts")
    parser.add_argument(
        "--settle-seconds",
        metavar="TIME",
        type=seconds_or_none,
        help="wait this long before a difference counts (default: 10; with --pipeline: until the target has reached the log position)",
    )
    parser.add_argument(
        "--max-parallel",
        metavar="N",
        type=int,
        default=2,
        help="sessions to each side: every table has one, and large tables use the others (default: 2)",
    )
    parser.add_argument(
        "--strategy",
        choices=("stream", "push-down"),
        help="where rows are hashed: here, or by the servers (default: by a rule, which the report names)",
    )
    parser.add_argument(
        "--executor",
        metavar="MODULE:FACTORY",
        help="FACTORY makes a concurrent.futures.Executor, whose workers read the tables, slice by slice. "
        "--max-parallel is then how many slices are read at once by all of them. "
        "cdcproof.reconcile.slices.processes:processes are processes of this machine",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="the same by the workers of a Dask cluster, tls://HOST:PORT or tcp://127.0.0.1:PORT (pip install 'cdcproof[cluster]')",
    )
    parser.add_argument(
        "--slice",
        metavar="I/N",
        help="read the I-th of N shares of the tables into the folder of --output-dir, which all N processes share. "
        "No report is written (for an indexed Kubernetes Job)",
    )
    parser.add_argument(
        "--merge", metavar="DIR", type=Path, help="write the report of what N processes have read into DIR by --slice"
    )
    parser.add_argument("--fresh", action="store_true", help="begin anew, and ignore the results of an interrupted run")
    parser.add_argument(
        "--max-keys",
        metavar="N",
        type=int,
        default=1000,
        help="how many differing keys of a table the report names; it counts all of them (default: 1000)",
    )
    parser.add_argument(
        "--output-dir",
        metavar="DIR",
        type=Path,
        help="where the report goes (default: reconciliation_reports, or the pipeline's)",
    )
    parser.add_argument(
        "--budget",
        metavar="TIME",
        type=seconds,
        help="prove the rows written since the last run, then spend this time on the slices with the oldest proof "
        "(90s, 5m, 2h). For tables too large for every hour",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the report as JSON, and the lines for people to stderr"
    )
    parser.add_argument(
        "--time-limit",
        metavar="TIME",
        type=seconds,
        default=43_200.0,
        help="stop after this time, and report the remaining tables as not compared (default: 12h)",
    )
    parser.add_argument(
        "--statement-timeout",
        metavar="TIME",
        type=seconds,
        default=STATEMENT_TIMEOUT_SECONDS,
        help="the server ends a statement after this time, whatever the account's own statement_timeout is (default: 1h)",
    )
    parser.set_defaults(keeps_result=True, limit_seconds=None)


def _add_more(parser: argparse.ArgumentParser) -> None:
    more = parser.add_subparsers(title="more", metavar="{explain,repair}")
    for name, module, summary in (
        ("explain", explain, "what would be compared, and the SQL of each side"),
        ("repair", repair, "SQL that makes the target equal again, guarded by what it expects"),
    ):
        module.add_arguments(
            more.add_parser(
                name, help=summary, description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
            )
        )


def main(argv: Sequence[str]) -> int:
    """Run as a program of its own."""
    parser = argparse.ArgumentParser(
        prog="python -m src.cli.reconcile",
        description="Compare source and target, table by table.",
        epilog=f"example:\n  {EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    add_arguments(parser)
    return run_safely(parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> int:
    """Compare, write the report, return the exit status."""
    gc.set_threshold(100_000)  # rows make no cycles, and looking for some among so many takes a twentieth of a run
    loading = _loading(arguments)  # before all that takes time
    pinned = Strategy(arguments.strategy) if arguments.strategy else None
    options = Options(arguments.validate_checksums, arguments.max_parallel, arguments.max_keys, pinned)
    _demand_sane(arguments)
    slices_by, executor = workers(arguments)
    share = shares.wanted(arguments)
    inputs = read(arguments)
    directory = arguments.output_dir or inputs.directory
    demand_writable(directory)
    screen = sys.stderr if arguments.json else sys.stdout
    if share:
        return shares.run(inputs, options, share, directory, loading, limit_seconds=arguments.time_limit)
    asked = _Work(inputs, options, _budget(arguments, inputs, directory), slices_by=slices_by, merge=arguments.merge)
    if not arguments.output_dir and (arguments.tables is None or not inputs.pipeline):
        # a run of some tables, or with a report that no check reads, is none of the schedule
        schedule.note(arguments, "reconcile", inputs.pipeline, directory.parent / "reports", inputs.pushgateway)
    with ExitStack() as stack:
        with time_limit(_PREPARING_SECONDS, f"The databases were not ready to be read after {_PREPARING_SECONDS:g} s."):
            slices = stack.enter_context(distributed(inputs, executor, arguments.max_parallel)) if executor else None
            work = stack.enter_context(_prepared(replace(asked, slices=slices), loading, directory, arguments.fresh))
        report, interrupted = _reconciled(work, directory, screen, arguments.time_limit)
        path, page = _written(report, directory)
        if report.complete and work.unfinished:
            # what workers have read of a table that was not finished is there for the next run, when they are back
            work.unfinished.complete([one.table for one in report.tables if slices and one.status == "ERROR"])
    if inputs.pipeline and not arguments.output_dir:
        _remember(report, directory, inputs)
    if arguments.json:
        print(path.read_text(encoding="utf-8"), end="")
    aside = inputs.put_aside() if report.exit_status else ()
    contents = () if arguments.validate_checksums else inputs.contents_compared(directory)
    print(lines.of_report(report), *contents, *aside, f"page: {page}", path, sep="\n", file=screen)
    if interrupted:
        raise KeyboardInterrupt
    schedule.succeeded(arguments, report.looked_at_everything)
    return report.exit_status


def _loading(arguments: argparse.Namespace) -> Loading | None:
    """Begin to load what a stream needs, where it is clear that there will be one."""
    likely = "stream" if "sqlserver" in (arguments.source_type, arguments.target_type) else ""
    if arguments.budget or not arguments.validate_checksums or (arguments.strategy or likely) != "stream":
        return None
    return Loading()


def _demand_sane(arguments: argparse.Namespace) -> None:
    if arguments.settle_seconds is not None and not arguments.settle_seconds >= 0:
        raise UsageError("--settle-seconds must not be below 0.")
    if arguments.max_parallel < 1:
        raise UsageError("--max-parallel must be 1 or more.")
    if arguments.max_keys < 0:
        raise UsageError("--max-keys must not be below 0.")
    if arguments.budget and not arguments.validate_checksums:
        raise UsageError("--budget proves contents.", "Give --validate-checksums too.")


def _budget(arguments: argparse.Namespace, inputs: Inputs, directory: Path) -> Budget | None:
    if not arguments.budget:
        return None
    from cdcproof.pipeline.model import Thresholds

    age_hours = inputs.proof_age_hours or Thresholds().proof_age_hours
    return Budget(
        arguments.budget,
        directory / "proofs",
        age_hours,
        inputs.feed,
        lambda: datetime.now().astimezone(),
        inputs.pipeline,
    )


@dataclass(frozen=True)
class _Work:
    """What is to be done. Contents are streamed, and gone on with; a scrub has its proofs instead."""

    inputs: Inputs
    options: Options
    budget: Budget | None
    columnar: Columnar | None = None
    unfinished: Unfinished | None = None
    slices: Sliced | None = None
    slices_by: str = ""
    kept: Callable[[str], Kept] | None = None
    merge: Path | None = None


@contextmanager
def _prepared(work: _Work, loading: Loading | None, directory: Path, fresh: bool) -> Iterator[_Work]:
    if work.budget or not work.options.validate_checksums:
        yield work
        return
    ends = {"the source": work.inputs.source, "the target": work.inputs.target}
    name = {"pipeline": work.inputs.pipeline} | {side: end.place for side, end in ends.items()}
    engine.recognise(work.inputs.source, work.inputs.target)
    about = {f"{side}'s database": repr(end.recognised.identity) for side, end in ends.items()}
    if work.merge:
        merged = Merged(SliceFolder(work.merge, about))
        with Columnar(loading) as columnar:
            yield replace(work, columnar=columnar, slices=merged, kept=merged.of)
        return
    with Columnar(loading) as columnar, Unfinished(directory, name, about, fresh=fresh) as unfinished:
        yield replace(work, columnar=columnar, unfinished=unfinished)


def _reconciled(work: _Work, directory: Path, screen: TextIO, limit_seconds: float) -> tuple[Report, bool]:
    """Compare, and print each table as soon as it is known; what is known so far is kept in a partial report.

    Also whether somebody interrupted it.
    """
    inputs, options = work.inputs, work.options
    method, begin = _way(work)
    run_id, started_at = os.urandom(16).hex(), _now()
    results: dict[str, TableResult] = {}
    over = f"The time limit of {limit_seconds:g} s was over before it was compared: see --time-limit."

    def report(complete: bool, unfinished: str = "Interrupted before it was compared.") -> Report:
        unseen = TableStatus.ERROR
        return Report(
            run_id=run_id,
            started_at=started_at,
            finished_at=_now(),
            source=inputs.source.place,
            target=inputs.target.place,
            method="; ".join([method, *_isolations(inputs)]),
            tables=tuple(
                results.get(table.name) or TableResult(table.name, unseen, error=unfinished) for table in inputs.tables
            ),
            complete=complete,
            key_limit=options.key_limit,
            resumed=work.unfinished.resumed if work.unfinished else "",
            calibration=tuple(
                f"{side}: {line}"
                for side, endpoint in (("source", inputs.source), ("target", inputs.target))
                for line in endpoint.calibration.lines()
            ),
            pipeline=inputs.pipeline,
            source_identity=inputs.source.recognised.identity,
            target_identity=inputs.target.recognised.identity,
        )

    with Screen(sys.stderr) as watch:
        run = engine.Run(
            *(inputs.source, inputs.target, inputs.fence, options, watch, work.columnar, work.unfinished),
            *(work.slices, work.kept),
        )
        found = begin(run, inputs.tables)
        try:
            with time_limit(limit_seconds, over):
                _keep(report(complete=False), directory)
                pairs = {table.name: table for table in inputs.tables}
                for outcome in found:
                    result = replace(outcome, compared=compared(pairs[outcome.table]))
                    text = lines.of_table(result, after=list(results.values()))
                    results[result.table] = (
                        result  # before it is printed: what was on the screen when Ctrl-C came is in the report
                    )
                    _keep(report(complete=False), directory)
                    watch.clear()
                    print(text, file=screen, flush=True)
        except (KeyboardInterrupt, DeadlineError) as stopped:
            found.close()
            if isinstance(stopped, DeadlineError):
                return report(complete=False, unfinished=stopped.message), False
            return report(complete=False), True

    return report(complete=True), False


def _way(work: _Work) -> tuple[str, Callable[[Run, Sequence[TablePair]], Generator[TableResult]]]:
    """What is done, in the words of the report, and what does it."""
    budget, fence = work.budget, work.inputs.fence_method
    if budget:
        return scrub.method(budget, fence), lambda run, tables: scrub.scrub(run, tables, budget)
    return engine.method(work.options, fence, work.slices_by), engine.reconcile


def _isolations(inputs: Inputs) -> list[str]:
    """How each side is read, and what that costs it; of a side that could not be opened nothing."""
    sides = (("source", inputs.source), ("target", inputs.target))
    return [
        f"the {name} is read under {side.recognised.isolation}" for name, side in sides if side.recognised.isolation
    ]


def _keep(report: Report, directory: Path) -> None:
    """Write what is known so far; a full disk is reported at the end."""
    with suppress(OSError):
        write_partial(report, directory)


def _written(report: Report, directory: Path) -> tuple[Path, Path]:
    from cdcproof.reconcile.report import html

    try:
        path = write(report, directory)
        return path, html.write(report, path)
    except OSError as error:
        raise CouldNotLookError(
            f"The report could not be written to {directory}: {error.strerror}. The lines above are all there is.",
            "Make room there, or name another directory with --output-dir.",
        ) from None


def _remember(report: Report, directory: Path, inputs: Inputs) -> None:
    """Keep it in the history; what is wrong with that is printed, and changes nothing."""
    from cdcproof.history import database, entries
    from cdcproof.history.keep import keep

    started = datetime.fromisoformat(report.started_at)
    seconds = (datetime.fromisoformat(report.finished_at) - started).total_seconds()
    entry = entries.of_reconciliation(report, started.timestamp(), seconds)
    problem = keep(directory.parent / "reports" / database.FILE, entry, inputs.history_keep_days)
    if problem:
        print(problem, file=sys.stderr)


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
