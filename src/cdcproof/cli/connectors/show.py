"""`cdcproof connectors validate | plan | get | list | status`: they only look."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cdcproof.cli.connectors.options import add_common, named, opened
from cdcproof.cli.tables import as_json, print_hanging, table
from cdcproof.connectors.deployment import definition, difference
from cdcproof.connectors.deployment.difference import without_name
from cdcproof.connectors.deployment.plan import Step, plan
from cdcproof.core.secrets import redact, scrub


def add_validate(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `validate`."""
    parser.description = (
        "Check a connector's file, then let Connect's plug-in check the configuration;\n"
        "most plug-ins connect to the database to do so. Nothing is changed.\n"
        "${NAME} in capitals is filled from the environment.\n"
        "Exit status: 0 valid, 1 Connect says it is not, 2 the file cannot be used,\n"
        "3 Connect could not be asked."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the connector's JSON file")
    add_common(parser, "cdcproof connectors validate new-connector.json")


def run_validate(arguments: argparse.Namespace) -> int:
    """Print what is wrong, by field."""
    asked = definition.read(arguments.file)
    connect = opened(arguments).connect
    running = connect.states([asked.name]).get(asked.name)
    asked = asked.with_kept_secrets(running.config if running else None)
    errors, unread = connect.validated({"name": asked.name, **asked.config})
    warnings = (*asked.warnings, *(f"{key.field}: {key.text}" for key in unread))
    if arguments.json:
        print(
            as_json(
                {
                    "name": asked.name,
                    "valid": not errors,
                    "errors": [{"field": error.field, "error": error.text} for error in errors],
                    "warnings": list(warnings),
                }
            )
        )
        return 1 if errors else 0
    warn(warnings)
    for error in errors:
        print_hanging(f"{error.field}: ", error.text)
    keys, wrong = f"{len(asked.config)} keys", f"{len(errors)} error{'s' if len(errors) != 1 else ''}"
    print(f"{asked.name}: {f'{wrong} in {keys}' if errors else f'valid, {keys}'}")
    return 1 if errors else 0


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `plan`."""
    parser.description = (
        "Show what differs between the connectors' files and what runs, without secrets.\n"
        "Exit status: 0 no difference, 1 there are some, 2 a file cannot be used,\n"
        "3 Connect could not be asked."
    )
    parser.add_argument(
        "path", type=Path, nargs="?", metavar="DIR", help="directory of the files, or one file (paths.connectors)"
    )
    add_common(parser, "cdcproof connectors plan connectors/")


def run_plan(arguments: argparse.Namespace) -> int:
    """Print the differences."""
    here = opened(arguments)
    path = definition.place(arguments.path, here.pipeline.paths.connectors)
    definitions = definition.read_all(path)
    states = here.connect.states([one.name for one in definitions])
    steps = plan(definitions, states)
    without_file = sorted({c.name for c in states.connectors} - {d.name for d in definitions}) if path.is_dir() else []
    if arguments.json:
        print(as_json({"connectors": [step.as_dict() for step in steps], "without_file": without_file}))
    else:
        warn([warning for one in definitions for warning in one.warnings])
        print_plan(steps)
        for name in without_file:
            print(f"{name}: runs, but has no file; `apply` leaves it alone")
    return 1 if any(step.changes for step in steps) else 0


def print_plan(steps: Sequence[Step]) -> None:
    """The differences of each connector, as people read them."""
    for step in steps:
        print(f"{step.name}: {step.summary}")
        for line in difference.lines(step.changes):
            print(f"  {line}")


def add_get(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `get`."""
    parser.description = (
        "Print the configuration that runs, its secrets as [redacted]. With --json it is\n"
        "a file for `update`, which takes [redacted] as “the value that runs”."
    )
    parser.add_argument("name", metavar="NAME", help="the connector")
    add_common(parser, "cdcproof connectors get postgres-sink-connector --json > sink.json")


def run_get(arguments: argparse.Namespace) -> int:
    """Print it."""
    config = redact(without_name(named(opened(arguments).connect.states([arguments.name]), arguments.name).config))
    if arguments.json:
        print(as_json({"name": arguments.name, "config": config}))
    else:
        for key in sorted(config):
            print(scrub(f"{key} = {config[key]}"))
    return 0


def add_list(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `list`."""
    add_common(parser, "cdcproof connectors list --json | jq -r '.[].name'")


def run_list(arguments: argparse.Namespace) -> int:
    """Print one line for each."""
    found = opened(arguments).connect.states().connectors
    if arguments.json:
        rows: Sequence[dict[str, object]] = [
            {
                "name": c.name,
                "kind": c.kind,
                "state": c.state,
                "tasks": len(c.tasks),
                "running_tasks": sum(task.state == "RUNNING" for task in c.tasks),
                "class": c.config.get("connector.class", ""),
            }
            for c in found
        ]
        print(as_json(rows))
        return 0
    rows = [
        {
            "connector": c.name,
            "kind": c.kind,
            "state": c.state,
            "tasks running": f"{sum(task.state == 'RUNNING' for task in c.tasks)} of {len(c.tasks)}",
            "class": c.config.get("connector.class", "").rpartition(".")[2],
        }
        for c in found
    ]
    print(table(rows) or "Kafka Connect has no connector.")
    return 0


def add_status(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `status`."""
    parser.description = (
        "List the states of connectors and tasks. Exit status: 0 every connector and\n"
        "every expected task is RUNNING, 1 something else, 3 Connect could not be asked."
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="one connector only")
    add_common(parser, "cdcproof connectors status --json | jq '.[] | select(.state != \"RUNNING\")'")


def run_status(arguments: argparse.Namespace) -> int:
    """Print the states, and the cause of what failed."""
    here = opened(arguments)
    states = here.connect.states([arguments.name] if arguments.name else ())
    if arguments.name and arguments.name not in {c.name for c in here.pipeline.connectors}:
        named(states, arguments.name)
    # what is expected and is not there is reported as well; of others, whatever there is must run
    wanted = {**dict.fromkeys(states.states, "RUNNING"), **here.pipeline.expected_states}
    name = arguments.name
    subjects = [s for s in sorted(wanted) if name is None or s == name or s.startswith(f"{name}/")]
    found = {s: states.states.get(s, "absent") for s in subjects}
    details = states.details
    if arguments.json:
        print(
            as_json(
                [
                    {
                        "subject": s,
                        "state": found[s],
                        "expected": s in here.pipeline.expected_states,
                        "detail": details.get(s, ""),
                        "trace": states.traces.get(s, ""),
                    }
                    for s in subjects
                ]
            )
        )
    else:
        workers = {row["connector or task"]: row["worker"] for row in states.rows()}
        rows = [{"connector or task": s, "state": found[s], "worker": workers.get(s)} for s in subjects]
        print(table(rows) or "Kafka Connect has no connector.")
        for subject in subjects:
            if subject in states.traces:
                print_hanging(f"{subject}: ", details[subject].partition("; ")[2])
    return 0 if found and set(found.values()) == {"RUNNING"} else 1


def warn(warnings: Sequence[str]) -> None:
    """Print what works, but should not be."""
    for warning in warnings:
        print_hanging("warning: ", warning, to=sys.stderr)
