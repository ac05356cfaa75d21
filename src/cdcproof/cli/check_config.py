"""`cdcproof check-config`: explain a pipeline file, and try every address and permission in it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import datetime
from textwrap import wrap

from cdcproof.cli.options import add_pipeline, open_pipeline
from cdcproof.core.secrets import scrub
from cdcproof.onboarding.access import Item, exit_status, look
from cdcproof.onboarding.explanation import explain

EXAMPLE = "cdcproof check-config --pipeline fixtures/pipelines/warehouse.toml"
_WIDTH = 80
_SUBJECT_WIDTH = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Explain what a pipeline file expects, then try each address, permission and\n"
        "name in it. Nothing is changed. Exit status: 0 all fine, 2 the file is wrong,\n"
        "3 something could not be looked at."
    )
    add_pipeline(parser)
    parser.add_argument("--json", action="store_true", help="print what was tried as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Explain and try; the exit status says what is missing."""
    environment, pipeline = open_pipeline(arguments)
    if not arguments.json:
        print(f"Pipeline {pipeline.name}, environment {environment.name}. The file means:\n")
        for subject, sentence in explain(pipeline):
            _print_hanging(subject, sentence)
        print("\nTrying each address and permission:\n", flush=True)
    items = look(environment, pipeline, datetime.now().astimezone().date())
    status = exit_status(items)
    if arguments.json:
        answer = {
            "pipeline": pipeline.name,
            "environment": environment.name,
            "exit_status": status,
            "items": [asdict(item) for item in items],
        }
        print(scrub(json.dumps(answer, indent=2, ensure_ascii=False)))
        return status
    for item in items:
        _print_item(item)
    bad = [item for item in items if item.outcome in ("wrong", "could not look")]
    print(
        f"\n{len(bad)} of {len(items)} need attention." if bad else f"\nAll {len(items)} tried, all as the file says."
    )
    return status


def _print_item(item: Item) -> None:
    mark = {"ok": "ok", "risk": "RISK", "wrong": "WRONG", "could not look": "NO LOOK"}[item.outcome]
    _print_hanging(mark, f"{item.subject}: {item.text}")
    for line in item.remedy.splitlines():
        print(f"  {'':<{_SUBJECT_WIDTH}}→ {scrub(line)}")  # not wrapped: it may be a statement to paste


def _print_hanging(subject: str, text: str) -> None:
    indent = " " * (_SUBJECT_WIDTH + 2)
    lines = wrap(scrub(text), _WIDTH - len(indent), break_on_hyphens=False) or [""]
    print(f"  {subject:<{_SUBJECT_WIDTH}}{lines[0]}")
    for line in lines[1:]:
        print(indent + line)
