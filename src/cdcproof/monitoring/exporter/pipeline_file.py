"""Whether the pipeline file is still the one that the exporter was started with: tables, topics and limits are that one's."""

from __future__ import annotations

from pathlib import Path

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.pipeline.model import Pipeline, load


class PipelineFile:
    """The file and what it said at the start. Raises `ConfigError` where it is not valid then."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._pipeline: Pipeline = load(self.path)

    def demand_unchanged(self) -> None:
        """Raise `UnexpectedAnswerError` where it says something else now, and `ConfigError` where it is gone or not valid."""
        if load(self.path) != self._pipeline:
            raise UnexpectedAnswerError(
                f"{self.path} has changed since this exporter was started, which serves what it said then.",
                "Start the exporter again.",
            )
