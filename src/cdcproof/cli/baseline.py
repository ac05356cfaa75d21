"""`cdcproof baseline save | show | compare`: what the pipeline is made of, while it is right, and since."""

from __future__ import annotations

import argparse
from pathlib import Path

from cdcproof.cli.options import add_pipeline, open_pipeline
from cdcproof.cli.tables import as_json
from cdcproof.validation.baseline import recording as baseline
from cdcproof.validation.baseline.comparison import Comparison
from cdcproof.validation.baseline.recording import Baseline
from cdcproof.validation.change.change_file import expectations

EXAMPLE = """cdcproof baseline save --pipeline warehouse
  cdcproof baseline compare --pipeline warehouse
  cdcproof baseline compare --expect 'connectors/*/batch.size = 5000'
  cdcproof baseline compare --change change.toml"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every verb with its options."""
    parser.description = (
        "Record what the pipeline is made of while it is right: versions, containers,\n"
        "connector configurations, schemas of both sides, row counts. No secret is kept,\n"
        "only whether it changed. `pytest -m validate` compares with it."
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, summary in {
        "save": "look at everything and record it",
        "show": "print what is recorded",
        "compare": "say what has changed since; exit status 1 for what was not declared",
    }.items():
        one = verbs.add_parser(verb, help=summary, description=summary[0].upper() + summary[1:] + ".")
        one.set_defaults(limit_seconds=7200.0)  # it counts the rows of every table
        add_pipeline(one)
        one.add_argument(
            "--file", type=Path, metavar="PATH", help="the baseline (default: NAME.json in paths.baselines)"
        )
        if verb != "save":
            one.add_argument("--json", action="store_true", help="print JSON")
        if verb == "compare":
            add_intentions(one)


def add_intentions(parser: argparse.ArgumentParser) -> None:
    """Add `--change` and `--expect`."""
    parser.add_argument("--change", type=Path, metavar="FILE", help="the change that was made, as a TOML file")
    parser.add_argument(
        "--expect",
        action="append",
        default=[],
        metavar="FACT",
        help="a fact that the change intends, like 'connectors/sink/batch.size = 5000'; without a value: may change",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    status: int = {"save": _save, "show": _show, "compare": _compare}[arguments.verb](arguments)
    return status


def _save(arguments: argparse.Namespace) -> int:
    environment, pipeline = open_pipeline(arguments)
    path = arguments.file or baseline.place(pipeline)
    recorded = baseline.record(environment, pipeline)
    baseline.save(recorded, path)
    for group, why in recorded.facts.unknown.items():
        print(f"{group}: not recorded. {why}")
    print(f"{len(recorded.facts.values)} facts of {pipeline.name} are recorded in {path}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    recorded = _recorded(arguments)
    if arguments.json:
        print(as_json(dict(recorded.facts.values)))
        return 0
    print(f"Baseline of {recorded.pipeline}, {recorded.taken_at}")
    for subject, value in recorded.facts.values.items():
        print(f"{subject} = {value}")
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    intended = expectations(arguments.change, arguments.expect)
    environment, pipeline = open_pipeline(arguments)
    recorded = baseline.load(arguments.file or baseline.place(pipeline))
    comparison = Comparison(recorded.facts, baseline.facts_since(recorded, environment, pipeline), intended)
    wrong = _wrong(comparison)
    if arguments.json:
        print(
            as_json(
                {
                    "baseline": recorded.taken_at,
                    "intended": [vars(change) for change in comparison.intended()],
                    "not_intended": [{"subject": s, "expected": e, "found": f} for s, (e, f) in wrong.items()],
                    "not_looked_at": comparison.unknown(),
                }
            )
        )
        return 1 if wrong else 0
    for change in comparison.intended():
        print(f"intended  {change.subject}: {change.before} → {change.after}")
    for subject, (expected, found) in wrong.items():
        print(f"CHANGED   {subject}: expected {expected}, found {found}")
    for group, why in comparison.unknown().items():
        print(f"not looked at: {group}. {why}")
    print(f"{len(wrong)} not intended, since the baseline of {recorded.taken_at}" if wrong else _nothing(recorded))
    return 1 if wrong else 0


def _wrong(comparison: Comparison) -> dict[str, tuple[str, str]]:
    found, must = comparison.found(), comparison.must_be()
    return {subject: (must[subject], found[subject]) for subject in found if found[subject] != must[subject]}


def _nothing(recorded: Baseline) -> str:
    return f"Nothing but what was intended has changed since the baseline of {recorded.taken_at}"


def _recorded(arguments: argparse.Namespace) -> Baseline:
    if arguments.file:
        return baseline.load(arguments.file)
    _, pipeline = open_pipeline(arguments)
    return baseline.load(baseline.place(pipeline))
