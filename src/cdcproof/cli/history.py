"""`cdcproof history`: what earlier runs say of each check and of what was measured."""

from __future__ import annotations

import argparse
import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import Any

from cdcproof.cli.tables import as_json, print_hanging, table
from cdcproof.core.durations import exact, rough
from cdcproof.core.errors import CouldNotLookError
from cdcproof.history import database, statistics
from cdcproof.history.entries import Entry
from cdcproof.history.statistics import CheckHistory
from cdcproof.pipeline.choice import VARIABLE, resolve
from cdcproof.pipeline.model import load
from cdcproof.reporting.formats.chart import Chart
from cdcproof.reporting.formats.summary import local_time

EXAMPLE = """cdcproof history                                  # every check, and every trend
  cdcproof history --since 7d                       # of the last week; also 12h, or 2026-11-01
  cdcproof history --check morning.7-sink-lag       # each of its runs
  cdcproof history --json | jq '.checks[] | select(.flaky)'"""

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MOST_RUNS = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = (
        "Print what the history of runs says of each check: since when it is as it is, how\n"
        "often it was not green, within what time it was mended, whether it is flaky.\n"
        "Trends of lag, differences and durations follow. It is kept in\n"
        "reports/history.sqlite3."
    )
    parser.add_argument("--check", metavar="STEP", help="the runs of one check, by its step id")
    parser.add_argument("--since", metavar="TIME", type=_since, default=0.0, help="7d, 12h, 30m, or a day: 2026-11-01")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("--reports-dir", type=Path, default=Path("reports"), help="where the history is (reports)")
    parser.add_argument(
        "--pipeline",
        metavar="NAME_OR_PATH",
        help=f"whose runs, where several pipelines are kept (default: ${VARIABLE}, else the one that ran last)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    path = arguments.reports_dir / database.FILE
    pipeline = _pipeline(arguments, path)
    entries = database.read(path, pipeline, arguments.since)
    if not entries:
        raise CouldNotLookError(f"The history {path} has no run of {pipeline} of that time.", "Widen --since.")
    checks = statistics.checks(entries)
    if arguments.check:
        checks = [check for check in checks if check.step == arguments.check]
        if not checks:
            known = ", ".join(sorted({result.step for entry in entries for result in entry.results}))
            raise CouldNotLookError(
                f"No run of that time looked at {arguments.check}.", f"These were looked at: {known or 'none'}"
            )
    trends = [] if arguments.check else statistics.trends(entries)
    if arguments.json:
        print(as_json(_document(pipeline, entries, checks, trends, with_runs=bool(arguments.check))))
    elif arguments.check:
        _print_check(checks[0])
    else:
        _print_all(pipeline, entries, checks, trends)
    return 0


def _pipeline(arguments: argparse.Namespace, path: Path) -> str:
    named = arguments.pipeline or os.environ.get(VARIABLE)
    if named:
        return load(resolve(named)).name
    known = database.pipelines(path)
    if not known:
        raise CouldNotLookError(f"The history {path} has no run yet.", "Run the checks or a reconciliation first.")
    return known[0]


def _since(text: str) -> float:
    """Unix time. Raises `ArgumentTypeError`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if match:
        return time.time() - float(match[1]) * _UNIT_SECONDS[match[2]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write it like 7d, 12h or 2026-11-01") from None


def _print_all(
    pipeline: str, entries: Sequence[Entry], checks: Sequence[CheckHistory], trends: Sequence[Chart]
) -> None:
    kinds = Counter(entry.kind for entry in entries)
    runs = ", ".join(f"{count:,} of {kind}" for kind, count in kinds.items())
    print_hanging(f"{pipeline} since {local_time(entries[0].started_at)}: ", f"runs: {runs}")
    if checks:
        print()
        print(table([_row(check) for check in checks]))
        _print_means(checks)
    if trends:
        print()
    for chart in trends:
        print_hanging(f"{chart.blocks(12):<12}  ", chart.words)


def _print_means(checks: Sequence[CheckHistory]) -> None:
    """Of all checks together; --check and --json have those of each."""
    flaky = [check.step for check in checks if check.is_flaky]
    detected = [seconds for check in checks if (seconds := check.detected_within_seconds) is not None]
    red = [seconds for check in checks if (seconds := check.red_seconds) is not None]
    if flaky:
        print_hanging("flaky: ", ", ".join(flaky))
    if detected:
        print_hanging(
            "mean time to detect: ",
            f"{_long(mean(detected))}, from the last green run to the one that found it failed",
        )
    if red:
        print_hanging("mean time until it was green again: ", str(_long(mean(red))))


def _row(check: CheckHistory) -> dict[str, object]:
    return {
        "check": check.step,
        "runs": len(check.results),
        "red": check.times_red,
        "now": check.now,
        "since": _day(check.since),
        "takes": f"{check.median_seconds:.1f} s",
    }


def _print_check(check: CheckHistory) -> None:
    print_hanging(
        f"{check.step}: ",
        f"{check.now}{', flaky' if check.is_flaky else ''}, since {local_time(check.since)}, first seen {local_time(check.first_seen)}",
    )
    print_hanging(
        "",
        f"{len(check.results):,} runs, {check.times_red} times red; detected within "
        f"{_long(check.detected_within_seconds) or '-'}, red for {_long(check.red_seconds) or '-'} (means)",
    )
    print()
    newest = list(reversed(check.results))
    rows = [
        {
            "time": local_time(at),
            "verdict": result.verdict,
            "differences": result.differences,
            "took": f"{result.duration_seconds:.1f} s",
        }
        for at, result in newest[:_MOST_RUNS]
    ]
    print(table(rows))
    if len(newest) > _MOST_RUNS:
        print(f"… and {len(newest) - _MOST_RUNS:,} older ones: --json has all")


def _document(
    pipeline: str,
    entries: Sequence[Entry],
    checks: Sequence[CheckHistory],
    trends: Sequence[Chart],
    *,
    with_runs: bool,
) -> dict[str, Any]:
    return {
        "pipeline": pipeline,
        "since": _iso(entries[0].started_at),
        "runs": dict(Counter(entry.kind for entry in entries)),
        "checks": [_check(check, with_runs=with_runs) for check in checks],
        "trends": [{"measured": one.name, "of": one.subject, "values": list(one.values)} for one in trends],
    }


def _check(check: CheckHistory, *, with_runs: bool) -> dict[str, Any]:
    runs = [
        {
            "at": _iso(at),
            "verdict": str(result.verdict),
            "differences": result.differences,
            "duration_seconds": result.duration_seconds,
        }
        for at, result in check.results
    ]
    return {
        "check": check.step,
        "looks": len(check.results),
        "first_seen": _iso(check.first_seen),
        "now": str(check.now),
        "since": _iso(check.since),
        "times_red": check.times_red,
        "flaky": check.is_flaky,
        "detected_within_seconds": check.detected_within_seconds,
        "red_seconds": check.red_seconds,
        "median_duration_seconds": check.median_seconds,
        **({"runs": runs} if with_runs else {}),
    }


def _long(seconds: float | None) -> str | None:
    return None if seconds is None else exact(seconds) if seconds < 60 else rough(seconds)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%m-%d %H:%M")


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")
