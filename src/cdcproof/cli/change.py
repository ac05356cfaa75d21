"""`cdcproof change classify`: how risky a change is, by what really differs, and whether it was declared so."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from cdcproof.cli.options import add_pipeline, minutes, open_pipeline
from cdcproof.cli.tables import as_json
from cdcproof.core.errors import UsageError
from cdcproof.validation.change import change_file, wanted
from cdcproof.validation.change.risk import Classified, Risk
from cdcproof.validation.change.wanted import Found

EXAMPLE = """cdcproof change classify --pipeline warehouse --change change.toml
  cdcproof change classify --connectors connectors/ --compose docker-compose.yml
  cdcproof change classify --compose docker-compose.yml --compose production.yml
  cdcproof change classify --schema baselines/staging.json --declared low"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb with its options."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    one = verbs.add_parser(
        "classify",
        help="derive the risk class from what differs",
        description=(
            "Derive the runbook's risk class (low, medium, high) from what differs between\n"
            "the files of a change and what runs. It is compared with what was declared.\n"
            "Nothing is changed. Exit status: 0 the declaration holds, or there is none;\n"
            "1 declared too low, 2 usage, 3 could not look, or not at everything. Compose\n"
            "files are read by docker compose (or docker-compose), which must be installed."
        ),
        epilog=f"example:\n  {EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_pipeline(one)
    one.add_argument("--change", type=Path, metavar="FILE", help="the change as it was requested, a TOML file")
    one.add_argument("--declared", choices=("low", "medium", "high"), help="its risk, in place of --change")
    one.add_argument(
        "--downtime",
        type=minutes,
        metavar="TIME",
        help="its downtime, in place of --change: 90s, 5m, a bare number is of minutes (0)",
    )
    one.add_argument("--connectors", type=Path, metavar="DIR", help="the connectors' files (paths.connectors)")
    one.add_argument(
        "--compose",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a compose file; several, each over those before it, by several --compose",
    )
    one.add_argument(
        "--schema", type=Path, metavar="FILE", help="a baseline recorded where the new schema is, as staging"
    )
    one.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Classify and compare."""
    if arguments.change and (arguments.declared or arguments.downtime is not None):
        raise UsageError("--change says risk and downtime itself.", "Leave out --declared and --downtime.")
    declared = change_file.load(arguments.change) if arguments.change else None
    risk = declared.risk if declared else Risk(arguments.declared) if arguments.declared else None
    minutes = declared.downtime_minutes if declared else arguments.downtime or 0.0
    environment, pipeline = open_pipeline(arguments)
    files = wanted.Files(arguments.connectors or pipeline.paths.connectors, tuple(arguments.compose), arguments.schema)
    found = wanted.classified(environment, pipeline, files, minutes)
    too_low = risk is not None and risk.level < found.classified.risk.level
    if arguments.json:
        rest = {"declared": risk, "notes": list(found.notes), "not_compared": list(found.not_compared)}
        print(as_json({**_as_dict(found.classified), **rest}))
        return _exit_status(found, too_low=too_low)
    for one in found.classified.judged:
        print(f"{one.risk:<6}  {one.category}: {one.change.subject}\n        {one.change.before} → {one.change.after}")
    if not found.classified.judged:
        print(
            "Nothing differs between the files and what runs"
            + (", as far as it was compared." * bool(found.not_compared) or ".")
        )
    for note in found.notes:
        print(f"note: {note}")
    for place in found.not_compared:
        print(f"NOT COMPARED: {place}")
    least = "" if found.is_certain else "at least "
    print(f"derived: {least}{found.classified.risk} risk, with {minutes:g} min of downtime")
    if risk is not None:
        holds = "that holds" if found.is_certain else "not known, for not everything was compared"
        print(f"declared: {risk} risk: " + ("TOO LOW" if too_low else holds))
    return _exit_status(found, too_low=too_low)


def _exit_status(found: Found, *, too_low: bool) -> int:
    return 1 if too_low else 0 if found.is_certain else 3


def _as_dict(classified: Classified) -> dict[str, object]:
    return {
        "risk": classified.risk,
        "downtime_minutes": classified.downtime_minutes,
        "changes": [{"risk": j.risk, "category": j.category, **asdict(j.change)} for j in classified.judged],
    }
