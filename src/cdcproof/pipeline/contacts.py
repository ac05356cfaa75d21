"""Whom to call: the teams of a pipeline and its escalation path. The `[contacts]` of a pipeline file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, zip_longest

from pydantic import Field, model_validator

from cdcproof.pipeline.toml_models import Model, Name

NONE_NAMED = "The pipeline file names no contacts: add [contacts] to it."


class Level(Model):
    """Who is called once an incident has lasted this long."""

    after_minutes: float = Field(ge=0)
    who: Name
    reach: Name | None = None
    """How: a channel, a number, a PagerDuty service."""

    @property
    def name(self) -> str:
        """``On-call engineer (PagerDuty cdc-pipeline-alerts)``."""
        return f"{self.who} ({self.reach})" if self.reach else self.who


class Contacts(Model):
    """The teams, the escalation path, and who is called at once in an emergency."""

    teams: dict[Name, Name] = Field({})
    """A team to how it is reached."""
    escalation: tuple[Level, ...] = ()
    emergency: Name | None = None
    """Called at once when data is lost, and in a security incident."""
    security: Name | None = None
    """The security team, called at once in a security incident."""

    @model_validator(mode="after")
    def _path_rises(self) -> Contacts:
        if any(later.after_minutes <= sooner.after_minutes for sooner, later in pairwise(self.escalation)):
            raise ValueError("each level of escalation must have a greater after_minutes than the one before it")
        return self

    def level_at(self, minutes: float) -> Level | None:
        """The level that an incident of this age has reached; None where there is none yet."""
        return next((level for level in reversed(self.escalation) if level.after_minutes <= minutes), None)

    def team_lines(self) -> list[str]:
        """``Database Operations: #database-ops in Slack``."""
        return [f"{team}: {reach}" for team, reach in self.teams.items()]

    def escalation_lines(self, minutes: float | None = None) -> list[str]:
        """``0-30 min: level 1, On-call engineer``; the level that `minutes` has reached is marked."""
        now = None if minutes is None else self.level_at(minutes)
        return [
            f"{span}: level {number}, {level.name}{' (now)' if level is now else ''}"
            for number, (span, level) in enumerate(self._spans(), start=1)
        ] + ([f"data loss or security incident, at once: {self.emergency}"] if self.emergency else [])

    def _spans(self) -> Iterator[tuple[str, Level]]:
        for level, following in zip_longest(self.escalation, self.escalation[1:]):
            start = f"{level.after_minutes:g}"
            yield (f"{start}-{following.after_minutes:g} min" if following else f"{start}+ min"), level
