"""When a task of the schedule last ran, and last did its work: in a file, at a real Pushgateway, from commands and from suites."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from cdcproof.cli import schedule
from cdcproof.cli.main import run_safely
from cdcproof.clients.prometheus import parse
from cdcproof.core.errors import CouldNotLookError, OperationError
from cdcproof.findings import Verdict
from cdcproof.pipeline.model import HttpService
from cdcproof.reporting import scheduled
from cdcproof.reporting.publish import publish
from tests.reporting.formats.test_metrics import pushgateway
from tests.reporting.runs import record_of, run_of

__all__ = ["pushgateway"]

RUN = "cdcproof_scheduled_last_run_timestamp_seconds"
SUCCESS = "cdcproof_scheduled_last_success_timestamp_seconds"


def times(reports: Path, command: str) -> tuple[float | None, float | None]:
    """Last run and last success, as the node exporter reads them."""
    path = reports / f"cdcproof-scheduled-{command}.prom"
    if not path.exists():
        return None, None
    metrics = parse(path.read_text(), str(path))
    return metrics.labelled(RUN, "command").get(command), metrics.labelled(SUCCESS, "command").get(command)


def keep(reports: Path, at: float, succeeded: bool, gateway: HttpService | None = None) -> None:
    scheduled.keep("backup", "warehouse", at=at, succeeded=succeeded, reports=reports, gateway=gateway)


def test_a_failure_does_not_erase_the_last_success(tmp_path: Path) -> None:
    keep(tmp_path, 100, True)
    keep(tmp_path, 200, False)

    assert times(tmp_path, "backup") == (200, 100)


def test_what_never_succeeded_has_no_time_of_success(tmp_path: Path) -> None:
    keep(tmp_path, 100, False)

    assert times(tmp_path, "backup") == (100, None)


def test_a_state_file_that_is_broken_forgets_and_does_not_fail(tmp_path: Path) -> None:
    keep(tmp_path, 100, True)
    (tmp_path / "scheduled" / "backup.json").write_text("{")

    keep(tmp_path, 200, False)

    assert times(tmp_path, "backup") == (200, None)


def test_the_pushgateway_keeps_a_success_that_this_machine_forgot(pushgateway: str, tmp_path: Path) -> None:
    gateway = HttpService(url=pushgateway)
    keep(tmp_path / "one", 100, True, gateway)
    keep(tmp_path / "another", 200, False, gateway)

    found = parse(requests.get(f"{pushgateway}/metrics", timeout=5).text, pushgateway)

    assert (found.labelled(RUN, "command")["backup"], found.labelled(SUCCESS, "command")["backup"]) == (200, 100)


def ended(run: Callable[[argparse.Namespace], int], reports: Path, gateway: HttpService | None = None) -> int:
    def noted(arguments: argparse.Namespace) -> int:
        schedule.note(arguments, "cleanup", "warehouse", reports, gateway)
        return run(arguments)

    return run_safely(argparse.Namespace(run=noted))


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(_: argparse.Namespace) -> int:
        raise error

    return run


def found(answer: bool) -> Callable[[argparse.Namespace], int]:
    """A command that ends with 1, and says whether it did its work."""

    def run(arguments: argparse.Namespace) -> int:
        schedule.succeeded(arguments, answer)
        return 1

    return run


@pytest.mark.parametrize(
    ("run", "is_success"),
    [
        (lambda _: 0, True),
        (lambda _: 1, False),
        (found(True), True),
        (found(False), False),
        (raising(OperationError("no")), False),
        (raising(CouldNotLookError("no")), False),
        (raising(KeyboardInterrupt()), False),
        (raising(ZeroDivisionError()), False),
    ],
)
def test_a_command_leaves_its_times_however_it_ends(
    run: Callable[[argparse.Namespace], int], is_success: bool, tmp_path: Path
) -> None:
    ended(run, tmp_path)

    last_run, last_success = times(tmp_path, "cleanup")
    assert last_run is not None
    assert last_success == (last_run if is_success else None)


def test_a_command_that_is_none_of_the_schedule_leaves_nothing(tmp_path: Path) -> None:
    assert run_safely(argparse.Namespace(run=lambda _: 0)) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_pushgateway_that_is_away_is_a_sentence_and_changes_no_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(lambda _: 0, tmp_path, HttpService(url="http://127.0.0.1:9")) == 0

    told = capsys.readouterr().err
    assert told.startswith("cdcproof: the time of this run could not be kept: the Pushgateway at http://127.0.0.1:9")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("verdict", "is_success"),
    [(Verdict.PASSED, True), (Verdict.FAILED, True), (Verdict.NOT_CHECKED, False), (Verdict.BLOCKED, False)],
)
def test_a_suite_did_its_work_if_it_looked_at_everything(verdict: Verdict, is_success: bool, tmp_path: Path) -> None:
    run = run_of(record_of("weekly.a"), record_of("weekly.b", verdict, "x"))

    publish(run, tmp_path, tmp_path, lambda: None)

    at = run.started_at + run.duration_seconds
    assert times(tmp_path, "weekly") == (at, at if is_success else None)


def test_a_part_of_a_suite_and_a_suite_without_a_schedule_leave_nothing(tmp_path: Path) -> None:
    part = run_of(record_of("weekly.a"))
    publish(
        type(part)(**{**vars(part), "missing": ("weekly.b",), "parts": ("weekly",)}), tmp_path, tmp_path, lambda: None
    )
    publish(run_of(record_of("validate.a")), tmp_path, tmp_path, lambda: None)

    assert not (tmp_path / "scheduled").exists()
