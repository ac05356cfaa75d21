"""The data of the dashboards as CSV, one line per value, for spreadsheets and for keeping."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from cdcproof.monitoring.dashboards.answers import Answered, Series
from cdcproof.monitoring.dashboards.model import Dashboard, Kind, Panel

COLUMNS = ("dashboard", "panel", "series", "unit", "time", "value")


def csv_of(dashboards: Sequence[Dashboard], answers: Mapping[Panel, Answered]) -> str:
    """Every value that the page shows; times are UTC. A panel without data has no line."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for shown in dashboards:
        for panel in shown.panels:
            for series in answers[panel].series:
                unit = (panel.queries[series.query].appearance or panel.appearance).unit.name.lower()
                name = _name(panel, series)
                lines.writerows(
                    (shown.title, panel.title, name, unit, datetime.fromtimestamp(at, UTC).isoformat(), repr(value))
                    for at, value in series.points
                )
    return text.getvalue()


def _name(panel: Panel, series: Series) -> str:
    """Of a table: the line and the column."""
    if panel.kind is not Kind.TABLE:
        return series.name
    return ": ".join((*(dict(series.labels).get(label, "") for label in panel.per), series.name))
