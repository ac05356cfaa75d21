"""A drill destroys only what is embedded, measures what it lost, and is proven only when its last command says so."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from cdcproof.cli.main import main
from cdcproof.emergency import drill
from cdcproof.emergency.drill import RECONCILE, REPAIR, SCENARIOS, UP, Drill, Scenario
from cdcproof.environments.embedded.state import Instance
from tests.pipelines import pipeline_of

WRITTEN = {880_000 + n for n in range(3)}


class Played(Drill):
    """A drill whose commands end as `statuses` says, and whose source has what `kept` says."""

    commands: list[tuple[str, ...]]
    statuses: dict[tuple[str, ...], list[int]]
    kept: set[int]

    def _prepare(self) -> str:
        return "20261206_014500"

    def _write(self) -> dict[int, datetime]:
        now = datetime.now(UTC)
        return {number: now - timedelta(seconds=30 - number % 10) for number in WRITTEN}

    def _ours(self, side: Callable[[Instance, str], str]) -> set[int]:
        return self.kept

    def _call(self, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        left = self.statuses.get(command, [])
        return subprocess.CompletedProcess(command, left.pop(0) if left else 0, "", "it failed")


def played(
    name: str, *, kept: set[int] | None = None, statuses: dict[tuple[str, ...], list[int]] | None = None
) -> tuple[Played, list[str]]:
    destroyed: list[str] = []
    real = SCENARIOS[name]
    scenario = Scenario(
        real.name, real.what, lambda _: destroyed.append(name), real.recover, real.restores, real.may_differ
    )
    made = Played(scenario, pipeline_of("orders"), cast(Instance, None), Path(), lambda _: None)
    made.commands, made.statuses, made.kept = [], statuses or {}, set(WRITTEN) if kept is None else kept
    return made, destroyed


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_destroys_and_recovers_by_its_commands(name: str) -> None:
    made, destroyed = played(name)
    report = made.run()
    assert destroyed == [name]
    assert report.proven
    assert report.within_targets
    assert made.commands[-1] == RECONCILE
    assert any("--timestamp=20261206_014500" in command for command in made.commands)
    assert (report.rpo_seconds, report.lost_rows) == (0.0, {})


def test_what_was_lost_is_as_old_as_its_oldest_change() -> None:
    made, _ = played("source-restored", kept={880_002})
    report = made.run()
    assert report.lost_rows == {"customers": 2}
    assert report.rpo_seconds == pytest.approx(30, abs=2)


def test_differences_that_are_repaired_are_no_failure_and_those_that_stay_are() -> None:
    made, _ = played("source-restored", statuses={RECONCILE: [1]})
    assert made.run().proven
    assert REPAIR in made.commands
    made, _ = played("source-restored", statuses={RECONCILE: [1, 1]})
    assert not made.run().proven


@pytest.mark.parametrize("status", [2, 3])
def test_a_comparison_that_could_not_look_proves_nothing(status: int) -> None:
    made, _ = played("source-restored", statuses={RECONCILE: [status]})
    report = made.run()
    assert not report.proven
    assert not report.within_targets
    assert "it failed" in report.notes[0]


def test_a_command_that_fails_ends_the_drill_unproven_with_all_lost() -> None:
    made, _ = played("target-lost", statuses={UP: [1]})
    report = made.run()
    assert not report.proven
    assert report.lost_rows == {"customers": 3}
    assert made.commands == [UP]


@pytest.mark.parametrize("options", [["--pipeline=warehouse"], ["--env=live"], ["--env=compose"]])
def test_only_the_embedded_pipeline_is_ever_destroyed(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(drill.Drill, "run", ran.append)
    assert main(["drill", "disaster-recovery", "--scenario=target-lost", *options]) == 2
    assert "nothing was done" in capsys.readouterr().err
    assert ran == []


def test_the_document_has_each_scenario_with_the_commands_that_the_drill_runs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "DISASTER-RECOVERY.md").read_text(encoding="utf-8")
    for scenario in SCENARIOS.values():
        section = text.partition(f'<a id="{scenario.name}"></a>')[2].partition("<a id=")[0]
        assert section, scenario.name
        for command in scenario.recover:
            assert drill.printed(command) in section
