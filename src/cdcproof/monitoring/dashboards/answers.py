"""What Prometheus answers to the expressions of a dashboard, bounded in time: one that is not answered is named, not guessed."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cdcproof.clients.prometheus import Labels
from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core.errors import CouldNotLookError, UnreachableError, UsageError
from cdcproof.monitoring.dashboards.model import Dashboard, Panel, filled
from cdcproof.observations.reconciliation.exporter_page import INFO

_POINTS = 240
_LEAST_STEP_SECONDS = 15.0
_LEAST_RATE_SECONDS = 240
"""Four scrapes a minute apart, the longest interval in common use."""
_MOST_SILENCES = 2
"""One expression may be too much for Prometheus; after a second silence it counts as down."""
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Scope:
    """Whose series are meant, and of which time."""

    pipeline: str
    instance: str
    """The exporters of the pipeline, as a regular expression."""
    start: float
    end: float

    @property
    def step_seconds(self) -> float:
        """The time between two points of a line."""
        return max(_LEAST_STEP_SECONDS, math.ceil((self.end - self.start) / _POINTS))

    def fill(self, expression: str) -> str:
        """The expression with Grafana's variables replaced."""
        return filled(
            expression,
            instance=self.instance,
            pipeline=self.pipeline,
            rate_seconds=max(_LEAST_RATE_SECONDS, int(self.step_seconds)),
            range_seconds=int(self.end - self.start),
        )


@dataclass(frozen=True)
class Series:
    """One line, number or cell; of a number `points` has one."""

    query: int
    """Which of the panel's queries it answers."""
    name: str
    labels: Labels
    points: Points

    @property
    def last(self) -> float:
        """Its newest value."""
        return self.points[-1][1]


@dataclass(frozen=True)
class Answered:
    """A panel and the series that its expressions returned; `trouble` says why one was not answered."""

    panel: Panel
    series: tuple[Series, ...]
    trouble: str = ""


def scope(server: PrometheusServer, pipeline: str, start: float, end: float) -> Scope:
    """Find the exporters of a pipeline; an empty name means the only one that this Prometheus knows.

    Raises `CouldNotLookError` when it knows none in this time, and `UsageError` when several could be meant.
    """
    window = f"[{max(int(end - start), 300)}s]"
    known = [dict(labels) for labels in server.query(f"last_over_time({INFO}{window})")]
    names = sorted({labels.get("pipeline", "") for labels in known})
    if not pipeline and len(names) > 1:
        raise UsageError(
            f"Prometheus at {server.url} knows {len(names)} pipelines: {', '.join(names)}.",
            "Name one by --pipeline.",
        )
    name = pipeline or "".join(names)
    instances = sorted({labels.get("instance", "") for labels in known if labels.get("pipeline") == name})
    if not instances:
        others = f" It has those of: {', '.join(names)}." if names else ""
        raise CouldNotLookError(
            f"Prometheus at {server.url} has no metrics of {f'pipeline {name}' if name else 'any pipeline'} in the last "
            f"{(end - start) / 3600:g} h.{others}",
            "Check that `cdcproof exporter` runs, and that Prometheus scrapes its two ports (docs/MONITORING.md).",
        )
    return Scope(name, "|".join(re.escape(instance) for instance in instances), start, end)


def ask(server: PrometheusServer, dashboards: Sequence[Dashboard], of: Scope) -> dict[Panel, Answered]:
    """Evaluate every expression of every panel. A Prometheus that stops answering is asked no more."""
    asker = _Asker(server, of)
    return {panel: asker.ask(panel) for shown in dashboards for panel in shown.panels}


class _Asker:
    """Remembers that Prometheus was silent, so that not every expression waits for it."""

    def __init__(self, server: PrometheusServer, of: Scope) -> None:
        self._server = server
        self._of = of
        self._silences: list[str] = []

    def ask(self, panel: Panel) -> Answered:
        found: list[Series] = []
        trouble = ""
        for number, query in enumerate(panel.queries):
            try:
                answer = self._answer(panel, self._of.fill(query.expression))
            except CouldNotLookError as error:
                trouble = error.message
                continue
            for labels, points in sorted(answer.items()):
                kept = tuple((at, value) for at, value in points if math.isfinite(value))
                if kept:  # a share of nothing is not a number, and no value
                    found.append(Series(number, _named(query.name, labels), labels, kept))
        return Answered(panel, tuple(found), trouble)

    def _answer(self, panel: Panel, expression: str) -> dict[Labels, Points]:
        if len(self._silences) >= _MOST_SILENCES:
            raise CouldNotLookError(self._silences[0])
        try:
            if panel.now:
                return {labels: ((self._of.end, value),) for labels, value in self._server.query(expression).items()}
            return self._server.query_range(expression, self._of.start, self._of.end, self._of.step_seconds)
        except UnreachableError as error:
            self._silences.append(error.message)
            raise


def _named(name: str, labels: Labels) -> str:
    """The name of a series, with its labels filled in as Grafana does."""
    values = dict(labels)
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values.get(found[1], ""), name)
