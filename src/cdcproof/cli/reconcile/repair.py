"""`cdcproof reconcile repair`: SQL that makes the target equal again, row by row, to be read before it is run."""

# ruff: noqa: PLC0415  what only a pipeline file needs: see tests/test_layers.py
from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cdcproof.cli.options import add_pipeline, open_pipeline, seconds_or_none
from cdcproof.cli.reconcile.inputs import STATEMENT_TIMEOUT_SECONDS, comparing, names_of
from cdcproof.core.acts import write_down, written_down
from cdcproof.core.errors import CouldNotLookError, UnreachableError, UsageError
from cdcproof.databases.accounts import roles
from cdcproof.databases.connections import connect_for_deployment, password_of
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.sessions.repair import PostgreSQLRepairer, Repair, condition_of
from cdcproof.reconcile.comparison import Comparison
from cdcproof.reconcile.contents import look_again
from cdcproof.reconcile.in_flight.settle import Settled
from cdcproof.reconcile.repair import Repairs, find
from cdcproof.reconcile.report.result import TableResult, read

if TYPE_CHECKING:
    from cdcproof.observations.reconciliation.report_files import ReportFile
    from cdcproof.pipeline.model import Database, Pipeline

EXAMPLE = """cdcproof reconcile repair --pipeline warehouse > repair.sql
  cdcproof reconcile repair --pipeline warehouse --tables orders --allow-acts --as-user repairer
  cdcproof reconcile repair --pipeline warehouse --signal"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "report", nargs="?", type=Path, help="whose differences (default: the newest report that names some)"
    )
    parser.add_argument("--tables", metavar="A,B,C", help="only these (default: all that differ in the report)")
    parser.add_argument(
        "--signal",
        action="store_true",
        help="print what makes Debezium send the rows again, to be run at the source, in place of SQL for the target",
    )
    parser.add_argument(
        "--allow-acts", action="store_true", help="run the statements, and prove the rows as reconcile does"
    )
    parser.add_argument(
        "--settle-seconds",
        metavar="TIME",
        type=seconds_or_none,
        help="judge what is in flight by this time, not by position",
    )
    parser.add_argument(
        "--as-user", metavar="NAME", help="the target's account that may write (default: the pipeline's)"
    )
    parser.add_argument(
        "--as-password-env", metavar="VARIABLE", help="the variable with its password (default: the pipeline's)"
    )
    add_pipeline(parser)
    parser.epilog = f"example:\n  {EXAMPLE}"
    parser.set_defaults(
        run=run, keeps_result=False, limit_seconds=43_200.0, statement_timeout=STATEMENT_TIMEOUT_SECONDS
    )


def run(arguments: argparse.Namespace) -> int:
    """Print, and with --allow-acts do. 0: nothing is left to repair, 1: something is, 3: some could not be looked at."""
    if arguments.signal and arguments.allow_acts:
        raise UsageError("--signal is run at the source, by you.", "Leave --allow-acts out.")
    _, pipeline = open_pipeline(arguments)
    if pipeline.target.type != "postgresql" and not arguments.signal:
        raise UsageError("Only a PostgreSQL target can be repaired by SQL.", "Use --signal.")
    report, results = _results(arguments, pipeline)
    print(f"-- differences of {report}, compared again", file=sys.stderr)
    if arguments.allow_acts and arguments.as_user:
        _print_excessive(pipeline, arguments.as_user)
    status = 0
    for result in results:
        with comparing(arguments, result.table) as asked:
            repairs = find(asked, result)
            left = (
                _signalled(pipeline, asked, repairs)
                if arguments.signal
                else _repaired(arguments, pipeline, asked, repairs)
            )
            more = sum(n or 0 for n in (result.missing_at_target, result.extra_at_target, result.changed))
            unnamed = max(0, more - len(result.differences))
            _print_left(result.table, repairs, unnamed)
            if repairs.moving:
                status = 3
            elif (left or repairs.by_hand or unnamed) and not status:
                status = 1
    return status


def _print_excessive(pipeline: Pipeline, user: str) -> None:
    """What the account that repairs may do beyond its role. The reader's session asks: PostgreSQL shows anybody the rights of all."""
    needs = roles.source_writer(TableName.parse(table.target) for table in pipeline.tables)
    with connect_for_deployment(pipeline.target) as session:
        excessive = session.rights(user, needs).excessive
    for what, statement in excessive.items():
        print(f"-- warning: {user} has more than it needs to repair, {what}: {statement}", file=sys.stderr)


def _results(arguments: argparse.Namespace, pipeline: Pipeline) -> tuple[Path, list[TableResult]]:
    from cdcproof.reconcile.report.ownership import foreign

    wanted = names_of(arguments.tables) if arguments.tables else None
    path = arguments.report or _newest(pipeline, wanted)
    whole = read(path)
    if other := foreign(whole, pipeline):
        raise UsageError(
            f"{path} is {other}.", "Name a report of this pipeline, or with --pipeline the file of those databases."
        )
    report = whole.tables
    unknown = [name for name in wanted or () if name not in {result.table for result in report}]
    if unknown:
        has = ", ".join(result.table for result in report)
        raise UsageError(f"--tables: {path} has no table {', '.join(unknown)}.", f"It has: {has}")
    results = [table for table in report if table.differences and (wanted is None or table.table in wanted)]
    if not results:
        raise UsageError(
            f"{path} names no differing keys{' of ' + arguments.tables if wanted else ''}.",
            "Only a comparison of contents names keys: cdcproof reconcile --validate-checksums",
        )
    return path, results


def _newest(pipeline: Pipeline, wanted: Collection[str] | None) -> Path:
    """The newest report of this pipeline that names differing keys, of these tables where some are named; else the newest."""
    from cdcproof.observations.reconciliation import reports

    files = [file for file in reports.look(pipeline, datetime.now().astimezone()).files if file.counts and file.report]
    if not files:
        raise CouldNotLookError(
            f"There is no report in {pipeline.paths.reconciliation_reports} of this pipeline.",
            "cdcproof reconcile --validate-checksums",
        )

    def names_keys(file: ReportFile) -> bool:
        tables = file.report.tables if file.report else ()
        return any(table.differences and (wanted is None or table.table in wanted) for table in tables)

    return next(filter(names_keys, files), files[0]).path


def _repaired(arguments: argparse.Namespace, pipeline: Pipeline, asked: Comparison, repairs: Repairs) -> int:
    """Print each statement, and run it where that is allowed; returns how many rows still differ."""
    target = _writing(pipeline.target, arguments)
    write = partial(write_down, pipeline.paths.reports, "repair")
    done = []
    with PostgreSQLRepairer(target, password_of(target), 30.0) as repairer:
        repairer.source_engine = pipeline.source.type
        for repair in repairs.rows:
            try:
                print(f"{repairer.statement(repairs.scan, repair)}\n")
                if arguments.allow_acts:
                    with suppress(_NotDoneError), written_down(write, _without_values(pipeline, repairs, repair)):
                        _apply(repairer, repairs, repair)
                        done.append(repair.key)
            except UnreachableError:
                raise
            except CouldNotLookError as error:  # the other rows are repaired all the same
                print("-- not repaired: " + str(error).replace("\n", "\n-- ") + "\n")
    if not arguments.allow_acts:
        return len(repairs.rows)
    settled = look_again(asked, repairs.plan, done) if done else Settled((), 0, ())
    proven = len(done) - len(settled.confirmed) - settled.moving
    if settled.confirmed:
        print(
            f"-- {len(settled.confirmed)} of the rows that were written still differ: something at the target writes other values.\n"
            f"-- Look for a trigger or a rule of {repairs.scan.table} and for another writer, before this is run again."
        )
    unread = ", ".join(repairs.plan.unread_at_target)
    columns = f" in {len(repairs.plan.names)} columns, {unread} not compared" if unread else ""
    print(f"-- {asked.table.name}: {proven} rows repaired and proven equal{columns}, {len(repairs.rows) - proven} not")
    return len(repairs.rows) - proven


def _apply(repairer: PostgreSQLRepairer, repairs: Repairs, repair: Repair) -> None:
    if not repairer.apply(repairs.scan, repair):
        print("-- not done: the row has changed since, or a trigger or a rule at the target drops the statement\n")
        raise _NotDoneError("the row is not as it was seen any more")


class _NotDoneError(Exception):
    """A repair that did nothing, for the log of acts."""


def _without_values(pipeline: Pipeline, repairs: Repairs, repair: Repair) -> str:
    """What a repair does, and to which row: the log of acts holds keys, and no other value."""
    verb = "delete" if repair.source is None else "insert" if repair.target is None else "update"
    where = condition_of(pipeline.target.type, repairs.scan, [repair.key])
    return f"{verb} at the target: {repairs.scan.table} where {where}".replace("\n", " ")


def _signalled(pipeline: Pipeline, asked: Comparison, repairs: Repairs) -> int:
    from cdcproof.clients.connect.client import Connect

    states = Connect(pipeline.connect).states()
    sources = [states.get(connector.name) for connector in pipeline.connectors if connector.kind == "source"]
    signal_table = next(
        (c.config["signal.data.collection"] for c in sources if c and "signal.data.collection" in c.config), ""
    )
    if not signal_table:
        raise UsageError(
            "The source connector reads no signals: its configuration has no signal.data.collection.",
            "Add it, as Debezium's documentation on signalling says, or repair the target by SQL (without --signal).",
        )
    resent = [repair for repair in repairs.rows if repair.source is not None]
    if resent:
        table = asked.table.source
        name = f"{pipeline.source.database}.{table}" if pipeline.source.type == "sqlserver" else str(table)
        where = condition_of(pipeline.source.type, repairs.plan.source, [repair.key for repair in resent])
        data = {
            "type": "incremental",
            "data-collections": [name],
            "additional-conditions": [{"data-collection": name, "filter": where}],
        }
        text = json.dumps(data, ensure_ascii=False).replace("'", "''")
        print(
            f"INSERT INTO {signal_table} (id, type, data)\nVALUES ('{uuid.uuid4()}', 'execute-snapshot', '{text}');\n"
        )
    ghosts = len(repairs.rows) - len(resent)
    if ghosts:
        print(f"-- {asked.table.name}: {ghosts} rows are only at the target: no snapshot takes them away, SQL does\n")
    return len(repairs.rows)


def _print_left(table: str, repairs: Repairs, unnamed: int) -> None:
    for reason in sorted(set(repairs.by_hand)):
        print(f"-- {table}: {repairs.by_hand.count(reason)} by hand: {reason}")
    if repairs.moving:
        print(f"-- {table}: {repairs.moving} keys changed every time they were looked at: run again when it is quieter")
    if unnamed:
        print(f"-- {table}: {unnamed:,} more differ that the report does not name: reconcile with a larger --max-keys")


def _writing(target: Database, arguments: argparse.Namespace) -> Database:
    changes = {"user": arguments.as_user, "password_env": arguments.as_password_env}
    return target.model_copy(update={name: value for name, value in changes.items() if value})
