"""`cdcproof reconcile explain TABLE`: what would be compared, how, and the SQL that each side would be asked."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from cdcproof.cli.options import add_pipeline
from cdcproof.cli.reconcile.inputs import STATEMENT_TIMEOUT_SECONDS, comparing
from cdcproof.databases.duckdb.stream import Columnar
from cdcproof.databases.values.types import entry_of
from cdcproof.reconcile.checksums.strategy import chosen
from cdcproof.reconcile.plan.planning import planned

EXAMPLE = "cdcproof reconcile explain orders --pipeline warehouse"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("table", help="a table of the pipeline, by the name its file gives it")
    add_pipeline(parser)
    parser.epilog = f"example:\n  {EXAMPLE}"
    parser.set_defaults(run=run, settle_seconds=None, keeps_result=False, limit_seconds=600.0)
    parser.set_defaults(statement_timeout=STATEMENT_TIMEOUT_SECONDS)


def run(arguments: argparse.Namespace) -> int:
    """Print the plan, the way it would be read and why, and the SQL of both sides."""
    with Columnar() as columnar, comparing(arguments, arguments.table) as opened, ExitStack() as stack:
        source, target, stop = opened.source, opened.target, opened.stop
        whole, rows = planned(opened.table, source, target, stop)
        way = chosen(whole, source, target, columnar, stop, rows=rows, pinned=None, stack=stack)
        plan, choice = way.plan, way.choice
        print(f"{opened.table.name}: {opened.table.source} against {opened.table.target}, about {rows:,} rows")
        key = ", ".join(plan.names[: plan.source.key_width])
        print(f"key: {'none; whole rows are compared and counted' if plan.multiset else key}")
        chunking = plan.source.chunking
        per = (
            f"{chunking.width:,} values of {plan.names[0]}" if chunking.width else f"{chunking.buckets:,} hash buckets"
        )
        print(f"chunks: {per}")
        print(f"strategy: {choice.strategy}, {choice.reason}\n")
        print(f"{'column':<24} {'source':<22} {'target':<22} compared as")
        for name, ours, theirs in zip(plan.names, plan.source.columns, plan.target.columns, strict=True):
            fidelity = entry_of(source.engine, ours.column).fidelity
            form = f"{ours.form.kind}{', long values by SHA-256' if ours.form.long else ''}, {fidelity}"
            print(f"{name:<24} {ours.column.type:<22} {theirs.column.type:<22} {form}")
        for what, names in (("not compared", plan.not_compared), ("lossy", plan.lossy)):
            for name in names:
                print(f"{what}: {name}")
        for side, database, scan in (
            ("source", source.database, plan.source),
            ("target", target.database, plan.target),
        ):
            for what, sql in database.checksums.statements(scan).items():
                print(f"\n-- {side}, {what}\n{sql};")
    return 0
