"""Who hears of which runs: the `[notify]` of a pipeline file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cdcproof.pipeline.toml_models import Model, Name

_SUITES = ("morning", "weekly", "monthly", "connectors", "validate", "staging")


class Notify(Model):
    """Which runs are sent to chats and mail. The addresses hold secrets, so the environment has them."""

    urls_env: Name
    """The environment variable with the addresses, as Apprise takes them, one after the other with blanks between."""
    every_run_of: tuple[Name, ...] = ("morning",)
    """Suites of which every whole run is sent, green ones too."""
    red_runs_of: tuple[Name, ...] = _SUITES
    """Suites of which a run is sent that has one of the `verdicts`."""
    verdicts: tuple[Literal["failed", "not checked", "blocked", "warned", "waived"], ...] = ("failed", "not checked")
    deadline_seconds: float = Field(default=20, gt=0, le=300)
    """How long all deliveries together may take; a run waits for them."""
