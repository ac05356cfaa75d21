"""What a dashboard is made of. Grafana's JSON and the page of `cdcproof dashboard` are both made from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from cdcproof.monitoring.catalogue import BY_STEP

INSTANCE = "$instance"
"""The exporters of one pipeline, as a regular expression: one Prometheus may scrape several pipelines."""
RATE = "$__rate_interval"
"""A window that holds at least four scrapes, which a rate needs."""


class Kind(StrEnum):
    """How a panel is drawn; the values are Grafana's own."""

    NUMBERS = "stat"
    LINES = "timeseries"
    BARS = "bargauge"
    TABLE = "table"


class Unit(StrEnum):
    """What values are measured in; the values are Grafana's own."""

    NUMBER = "short"
    SECONDS = "s"
    BYTES = "bytes"
    RATIO = "percentunit"
    RECORDS_PER_SECOND = "si:rec/s"
    PER_SECOND = "suffix:/s"


class Colour(StrEnum):
    """What a value means to the person on call; the values are Grafana's own."""

    GOOD = "green"
    NEAR = "orange"
    BAD = "red"
    UNKNOWN = "purple"
    PLAIN = "text"
    """No judgement: the panel shows a fact."""


@dataclass(frozen=True)
class Level:
    """From this value on a number has this colour."""

    value: float
    colour: Colour


@dataclass(frozen=True)
class State:
    """A value that stands for a word."""

    value: float
    text: str
    colour: Colour


@dataclass(frozen=True)
class Appearance:
    """How values are written and coloured. Below the first level a value is `base`."""

    unit: Unit = Unit.NUMBER
    base: Colour = Colour.GOOD
    levels: tuple[Level, ...] = ()
    states: tuple[State, ...] = ()
    decimals: int | None = None

    def colour(self, value: float) -> Colour:
        """What `value` means."""
        for state in self.states:
            if state.value == value:
                return state.colour
        return next((level.colour for level in reversed(self.levels) if value >= level.value), self.base)


@dataclass(frozen=True)
class Query:
    """An expression and the name of its series, as Grafana writes it: ``{{connector}}``. In a table: the column's name."""

    expression: str
    name: str
    appearance: Appearance | None = None
    """A column's own appearance; None is the panel's."""
    absent: tuple[str, Colour] = ("-", Colour.PLAIN)
    """What stands in a cell of the column that has no value."""


@dataclass(frozen=True)
class Panel:
    """One panel; `step` is the runbook step that says what to do when it looks wrong."""

    title: str
    description: str
    step: str
    kind: Kind
    queries: tuple[Query, ...]
    appearance: Appearance
    width: int = 8
    """Of 24 columns."""
    height: int = 8
    per: tuple[str, ...] = ()
    """Of a table: the labels that make a line."""
    colours: tuple[tuple[str, Colour], ...] = ()
    """Of lines that mean something by themselves: the name of a series and its colour."""
    stacked: bool = False
    most: float | None = None
    """The end of a bar's scale."""

    def __post_init__(self) -> None:
        if (self.kind is Kind.TABLE) is not bool(self.per):
            raise ValueError(f"{self.title}: a table, and only a table, names the labels that make a line")

    @property
    def anchor(self) -> str:
        """Where docs/RUNBOOK.md says what to do."""
        return BY_STEP[self.step].anchor

    @property
    def now(self) -> bool:
        """Whether it shows this moment only: then a series that ended shows nothing, not its last value."""
        return self.kind is not Kind.LINES


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; `uid` is part of its address in Grafana."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]

    @property
    def panels(self) -> Iterator[Panel]:
        """All its panels, from top to bottom."""
        return (panel for row in self.rows for panel in row.panels)


def of(metric: str, *conditions: str) -> str:
    """Select a metric of the chosen pipeline. A series without an instance is a recorded one, or was pushed."""
    return metric + "{" + ",".join((*conditions, f'instance=~"{INSTANCE}|"')) + "}"


def filled(expression: str, *, instance: str, pipeline: str, rate_seconds: int, range_seconds: int) -> str:
    """An expression with Grafana's variables replaced; `instance` is a regular expression."""
    values = {
        "$instance": _quoted(instance),
        "$pipeline": _quoted(pipeline),
        "$__rate_interval": f"{rate_seconds}s",
        "$__range": f"{range_seconds}s",
    }
    return re.sub("|".join(re.escape(name) for name in values), lambda found: values[found[0]], expression)


def _quoted(text: str) -> str:
    """As it stands between the quotes of a PromQL string."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
