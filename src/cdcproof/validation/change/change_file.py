"""A change as it was requested: a TOML file that a ticket or a pull request holds.

summary = "larger batches at the sink"
risk = "low"
downtime_minutes = 2
expect = ["connectors/postgres-sink-connector/batch.size = 5000"]
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from cdcproof.core import bounded
from cdcproof.core.errors import ConfigError, UsageError
from cdcproof.pipeline.toml_models import Model, parse
from cdcproof.validation.baseline.comparison import Expectation
from cdcproof.validation.change.risk import Risk


class DeclaredChange(Model):
    """What somebody intends. `downtime_minutes` is how long replication is expected to stand still."""

    summary: Annotated[str, StringConstraints(min_length=10, strip_whitespace=True)]
    risk: Risk
    downtime_minutes: float = Field(ge=0)
    expect: tuple[str, ...] = ()

    @field_validator("expect")
    @classmethod
    def _can_be_read(cls, expect: tuple[str, ...]) -> tuple[str, ...]:
        for text in expect:
            Expectation.parse(text)
        return expect


def load(path: Path) -> DeclaredChange:
    """Read the file. Raises `ConfigError` naming file, line and key."""
    try:
        text = bounded.read_text(path, bounded.MOST_WRITTEN_BY_HAND_BYTES, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The change cannot be read: {bounded.reason(error)}",
            "It is a TOML file with summary, risk, downtime_minutes and expect; docs/CHANGES.md shows one.",
            path,
        ) from None
    return parse(DeclaredChange, text, path, "docs/CHANGES.md")


def expectations(path: Path | None, more: Iterable[str]) -> tuple[Expectation, ...]:
    """What the file of a change and `--expect` intend, together. Raises `ConfigError` and `UsageError`."""
    try:
        given = [Expectation.parse(text) for text in more]
    except ValueError as error:
        raise UsageError(f"--expect: {error}") from None
    return (*(Expectation.parse(text) for text in (load(path).expect if path else ())), *given)
