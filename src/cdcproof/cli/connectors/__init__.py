"""`cdcproof connectors VERB`: look at connectors, act on them and wait, deploy them and take it back."""

from __future__ import annotations

import argparse
import importlib

EXAMPLE = """cdcproof connectors status
  cdcproof connectors validate new-connector.json
  cdcproof connectors plan connectors/ && echo nothing to do
  cdcproof connectors apply connectors/ || cdcproof connectors undo
  cdcproof connectors pause sqlserver-source-connector
  cdcproof connectors snapshot sqlserver-source-connector"""

_SHOW, _DEPLOY, _COMMANDS = "show", "deploy", "commands"

VERBS = {
    "validate": (_SHOW, "check a connector's file, then let Connect check it"),
    "plan": (_SHOW, "show what differs between the files and what runs"),
    "apply": (_DEPLOY, "make what runs equal to the files, and wait until all run"),
    "undo": (_DEPLOY, "take the last deployment back"),
    "get": (_SHOW, "print the configuration that runs, without its secrets"),
    "update": (_DEPLOY, "give one connector the configuration of a file, or settings"),
    "list": (_SHOW, "list the connectors"),
    "status": (_SHOW, "list the states of connectors and tasks"),
    "pause": (_COMMANDS, "pause a connector, and wait until it is paused"),
    "resume": (_COMMANDS, "resume a connector, unless that would leave a gap"),
    "stop": (_COMMANDS, "stop a connector, and wait until its tasks are gone"),
    "restart": (_COMMANDS, "restart a connector and its tasks, or what has failed of it"),
    "delete": (_COMMANDS, "delete a connector, and list what stays"),
    "dlq": ("dlq", "show what a sink put aside, and forget it once it is handled"),
    "snapshot": ("snapshot", "follow an initial snapshot, then compare the numbers of rows"),
}
"""Verb to the module here that has it as `add_VERB(parser)` and `run_VERB(arguments) -> int`, and one line about it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every verb with its options."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, (module_name, summary) in VERBS.items():
        module = importlib.import_module(f"cdcproof.cli.connectors.{module_name}")
        one = verbs.add_parser(
            verb,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        getattr(module, f"add_{verb}")(one)
        one.set_defaults(verb_run=getattr(module, f"run_{verb}"))


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    status: int = arguments.verb_run(arguments)
    return status
