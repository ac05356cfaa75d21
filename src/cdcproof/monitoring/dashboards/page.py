"""The dashboards as one page that needs nothing else: no server, no script, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cdcproof.monitoring.dashboards import chart as charts
from cdcproof.monitoring.dashboards.answers import Answered, Scope
from cdcproof.monitoring.dashboards.model import Appearance, Colour, Dashboard, Kind, Panel, Row
from cdcproof.monitoring.dashboards.written import written
from cdcproof.reporting.formats.html_pages import rendered


@dataclass(frozen=True)
class Value:
    """A number or a word, and what it means. An empty text is a value that is not there."""

    name: str
    text: str
    colour: Colour
    share: float = 0.0
    """Of the bar's length, 0 to 1."""


@dataclass(frozen=True)
class Block:
    """A panel as it is drawn; `note` says why there is nothing, or not everything."""

    panel: Panel
    note: str
    values: tuple[Value, ...] = ()
    chart: charts.Chart | None = None
    header: tuple[str, ...] = ()
    lines: tuple[tuple[Value, ...], ...] = ()


def page(
    dashboards: Sequence[Dashboard], answers: Mapping[Panel, Answered], of: Scope, prometheus: str, runbook: str
) -> str:
    """The page; `prometheus` is the address that it is made from, `runbook` the one that links lead to."""

    def blocks(row: Row) -> list[Block]:
        return [block(answers[panel], of) for panel in row.panels]

    shown = [(one, [(row, blocks(row)) for row in one.rows]) for one in dashboards]
    return rendered(
        "dashboard.html",
        dashboards=shown,
        silent=[
            f"{one.title}: {panel.title}" for one in dashboards for panel in one.panels if not answers[panel].series
        ],
        total=len(answers),
        pipeline=of.pipeline,
        prometheus=prometheus,
        runbook=runbook,
        start=datetime.fromtimestamp(of.start).astimezone(),
        end=datetime.fromtimestamp(of.end).astimezone(),
        size=charts,
    )


def block(answered: Answered, of: Scope) -> Block:
    """A panel with its values, or with the reason why it has none."""
    panel = answered.panel
    note = f"not answered: {answered.trouble}" if answered.trouble else "" if answered.series else "no data"
    if not answered.series:
        return Block(panel, note)
    match panel.kind:
        case Kind.LINES:
            drawn = charts.chart(
                answered.series,
                panel.appearance,
                start=of.start,
                end=of.end,
                step_seconds=of.step_seconds,
                width=panel.width * 52.5,
            )
            return Block(panel, note, chart=drawn)
        case Kind.TABLE:
            return _table(answered, note)
        case _:
            most = panel.most or max(series.last for series in answered.series) or 1.0
            return Block(panel, note, tuple(_value(s.name, s.last, panel.appearance, most) for s in answered.series))


def _value(name: str, number: float, appearance: Appearance, most: float = 1.0) -> Value:
    return Value(name, written(number, appearance), appearance.colour(number), min(max(number / most, 0.0), 1.0))


def _table(answered: Answered, note: str) -> Block:
    """One line per combination of labels."""
    panel = answered.panel
    cells = {
        (tuple(dict(series.labels).get(label, "") for label in panel.per), series.query): series.last
        for series in answered.series
    }
    lines = []
    for key in sorted({key for key, _ in cells}):
        names = [Value("", part, Colour.PLAIN) for part in key]
        numbers = [
            _value("", cells[key, place], query.appearance or panel.appearance)
            if (key, place) in cells
            else Value("", *query.absent)
            for place, query in enumerate(panel.queries)
        ]
        lines.append((*names, *numbers))
    header = (*(label.capitalize() for label in panel.per), *(query.name for query in panel.queries))
    return Block(panel, note, header=header, lines=tuple(lines))
