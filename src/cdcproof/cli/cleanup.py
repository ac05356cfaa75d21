"""`cdcproof cleanup`: what is older than it need be; deleted only with --delete."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from cdcproof.backup.folders import Directory, damage
from cdcproof.cli import schedule
from cdcproof.cli.options import add_pipeline, open_pipeline
from cdcproof.cli.tables import as_json, print_hanging
from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core import bounded
from cdcproof.core.acts import write_down
from cdcproof.core.errors import UnexpectedAnswerError, UsageError
from cdcproof.observations.backups import cleanup
from cdcproof.observations.backups import logs as backup_logs
from cdcproof.observations.backups.cleanup import files_of
from cdcproof.observations.backups.folders import MANIFEST
from cdcproof.observations.backups.old_files import Sorted, old_backups, old_reports
from cdcproof.observations.backups.retention import judge
from cdcproof.observations.disks import size
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.report.result import PREFIX, read

EXAMPLE = """cdcproof cleanup                      # prints what would be deleted, and what it would free
  cdcproof cleanup --delete             # deletes it
  cdcproof cleanup reports --delete     # the runbook's monthly task
  cdcproof cleanup prometheus           # the runbook's daily task: nothing is deleted by hand"""

WHAT = ("reports", "backups", "prometheus")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = (
        "Find what is older than the pipeline file lets it become: reconciliation reports\n"
        "(thresholds.report_keep_days, 90) and backups (thresholds.backup_keep_days, 7).\n"
        "A report that a table still needs stays, and so do the newest good backups.\n"
        "Prometheus deletes its own data: `find … -delete` in its folder damages it while\n"
        "it runs, so only its retention is looked at."
    )
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{', '.join(WHAT)} (default: all of them)")
    parser.add_argument("--delete", action="store_true", help="delete it; each file is written into acts.log before")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    add_pipeline(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what is old, or delete it. 1: Prometheus' retention is another one, or something could not be deleted."""
    unknown = [what for what in arguments.what if what not in WHAT]
    if unknown:
        raise UsageError(f"There is nothing called {unknown[0]} to clean up.", f"Name one of: {', '.join(WHAT)}")
    _, pipeline = open_pipeline(arguments)
    wanted = arguments.what or WHAT
    if (
        arguments.delete and "reports" in wanted
    ):  # the runbook's monthly task, which a daily one for backups must not stand in for
        schedule.note(arguments, "cleanup", pipeline.name, pipeline.paths.reports, pipeline.pushgateway)
    answers = [_of_files(what, pipeline, delete=arguments.delete) for what in WHAT[:2] if what in wanted]
    if "prometheus" in wanted:
        answers.append(_of_prometheus(pipeline))
    if arguments.json:
        print(as_json(answers))
    else:
        for answer in answers:
            _print(answer)
        if not arguments.delete and any(answer["files"] for answer in answers):
            print("Nothing was deleted. To delete it: add --delete.")
    return max(int(answer["status"]) for answer in answers)


def _of_files(what: str, pipeline: Pipeline, *, delete: bool) -> dict[str, Any]:
    directory = pipeline.paths.reconciliation_reports if what == "reports" else pipeline.paths.backups
    if directory is None:
        return _answer(what, "The pipeline file names no backup directory.")
    if not directory.exists():
        return _answer(what, f"There is no directory {directory}.")
    with _alone(what, directory, pipeline) if delete else nullcontext():
        return _cleaned(what, directory, pipeline, delete=delete)


def _alone(what: str, directory: Path, pipeline: Pipeline) -> AbstractContextManager[object]:
    """No backup is made, and none restored, while some are deleted."""
    return Directory(directory, pipeline.name).locked() if what == "backups" else nullcontext()


def _cleaned(what: str, directory: Path, pipeline: Pipeline, *, delete: bool) -> dict[str, Any]:
    found = _JUDGES[what](directory, pipeline)
    days = pipeline.thresholds.report_keep_days if what == "reports" else pipeline.thresholds.backup_keep_days
    answer = _answer(what, f"{directory}, older than {days:g} days") | {
        "files": [file.path for file in found.removable],
        "bytes": found.freed_bytes,
        "kept": found.kept,
    }
    if delete and found.removable:
        done = cleanup.delete(directory, found.removable, partial(write_down, pipeline.paths.reports, "cleanup"))
        answer |= {
            "deleted": len(done.files),
            "bytes": done.freed_bytes,
            "left": done.left,
            "status": int(any("meanwhile" not in why for why in done.left.values())),
        }
    return answer


def _old_reports(directory: Path, pipeline: Pipeline) -> Sorted:
    files = [
        file for file in files_of(directory) if file.path.startswith(PREFIX) and file.path.endswith((".json", ".html"))
    ]
    reports = {}
    for file in files:
        if file.path.endswith(".json"):
            try:
                reports[file.path] = read(directory / file.path)
            except UnexpectedAnswerError:
                continue
    return old_reports(files, reports, time.time(), pipeline.thresholds.report_keep_days)


def _old_backups(directory: Path, pipeline: Pipeline) -> Sorted:
    listed = files_of(directory)
    there = {file.path for file in listed}
    failed = {
        log.stamp
        for file in listed
        if (named := backup_logs.NAME.fullmatch(file.path.rpartition("/")[2]))
        and (log := backup_logs.read(named[1], _text(directory / file.path))).bad
    }

    def is_good(path: str) -> bool:
        """A folder of ours has all that its manifest names; of any other file the log of its time says nothing bad."""
        is_ours = f"{path}/{MANIFEST}" in there
        return not damage(directory / path) if is_ours else backup_logs.stamp_of(path) not in failed

    days, keep = pipeline.thresholds.backup_keep_days, pipeline.backup.keep_count
    return old_backups(listed, is_good, time.time(), days, keep)


def _text(path: Path) -> str:
    try:
        return bounded.read_text(path, errors="replace")
    except OSError:
        return "✗ it cannot be read"


_JUDGES: dict[str, Callable[[Path, Pipeline], Sorted]] = {"reports": _old_reports, "backups": _old_backups}


def _of_prometheus(pipeline: Pipeline) -> dict[str, Any]:
    if pipeline.prometheus is None:
        return _answer("prometheus", "The pipeline file names no Prometheus.")
    retention = PrometheusServer(pipeline.prometheus).retention()
    wrong = judge(retention)
    text = f"{pipeline.prometheus.url} keeps {retention}. It deletes by itself what is older: never delete files in its folder while it runs."
    return _answer("prometheus", f"{text} {wrong}".rstrip()) | {"status": int(bool(wrong))}


def _answer(what: str, text: str) -> dict[str, Any]:
    return {"what": what, "text": text, "files": [], "bytes": 0, "kept": {}, "left": {}, "status": 0}


def _print(answer: dict[str, Any]) -> None:
    print_hanging(f"{answer['what']}: ", str(answer["text"]))
    for path, why in answer["kept"].items():
        print_hanging(f"  stays: {path}: ", why)
    if answer["what"] == "prometheus":
        return
    verb = "deleted" if "deleted" in answer else "to delete"
    for path in answer["files"]:
        if path not in answer["left"]:
            print(f"  {verb}: {path}")
    for path, why in answer["left"].items():
        print(f"  not deleted: {path}: {why}")
    count = answer.get("deleted", len(answer["files"]))
    print(f"  {count:,} files, {size(answer['bytes'])}")
