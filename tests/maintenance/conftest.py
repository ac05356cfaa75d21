"""A planned window on the model pipeline, without waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.connectors import commands, control, undo
from cdcproof.connectors.retention import Retention
from cdcproof.maintenance.journal import Actor
from cdcproof.maintenance.rollback import run as rollback
from cdcproof.maintenance.steps import finish, start
from cdcproof.maintenance.steps.steps import StepResult, Steps
from cdcproof.maintenance.window import Window, Windows
from tests.maintenance.model import ModelSite, Pipe

CHANGE = """summary = "larger batches at the sink"
risk = "low"
downtime_minutes = 2
expect = ["connectors/sink/batch.size = 500"]
"""
ANN = Actor("ann", "here", 1)


@dataclass(frozen=True)
class Room:
    """A window, its site, and the commands."""

    windows: Windows
    site: ModelSite
    compose: Path

    @property
    def window(self) -> Window:
        return self.windows.demand()

    @property
    def pipe(self) -> Pipe:
        return self.site.pipe

    def start(self, **options: object) -> None:
        options = {"forced": "a test", "services_down": True} | options
        window = self.window
        start.start(window, self.site, Steps(window.journal, "start", lambda _: None), **options)  # type: ignore[arg-type]

    def change(self, **settings: str) -> None:
        """The maintenance itself, by hand: another image, other settings of the sink."""
        told = self.pipe.read()
        told["configs"]["sink"] |= {k.replace("__", "."): v for k, v in settings.items()}
        self.pipe.change(configs=told["configs"])
        self.compose.write_text("image: 2\n")

    def finish(self) -> bool:
        window = self.window
        return finish.finish(window, self.site, Steps(window.journal, "finish", lambda _: None))

    def rollback(self, restore: Callable[[], StepResult] | None = None) -> bool:
        window = self.window
        return rollback.rollback(window, self.site, Steps(window.journal, "rollback", lambda _: None), restore)


@pytest.fixture(autouse=True)
def without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model settles at once, and keeps everything."""
    monkeypatch.setattr(rollback, "_SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(control, "_INTERVAL_SECONDS", 0.01)  # services that are down do not answer
    monkeypatch.setattr(commands.retention, "look", lambda *_: Retention())
    monkeypatch.setattr(undo._Undoing, "_kept", lambda *_: Retention())


@pytest.fixture
def room(tmp_path: Path) -> Room:
    site = ModelSite(Pipe.made(tmp_path / "pipe.json"), tmp_path)
    change, compose = tmp_path / "change.toml", tmp_path / "docker-compose.yml"
    change.write_text(CHANGE)
    compose.write_text("image: 1\n")
    windows = Windows.of(site.pipeline, ANN)
    windows.make(
        site.pipeline,
        change,
        begins=datetime.now(UTC) - timedelta(minutes=1),
        length=timedelta(hours=4),
        compose=[compose],
    )
    return Room(windows, site, compose)
