"""Dashboards as Grafana's JSON, by Grafana's own builders. It alone imports `grafana_foundation_sdk`, which only `make generate` needs."""

from __future__ import annotations

import json

from grafana_foundation_sdk.builders import bargauge, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from cdcproof.monitoring.dashboards.model import Appearance, Colour, Dashboard, Kind, Panel, Unit
from cdcproof.observations.reconciliation.exporter_page import INFO

SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
NO_VALUE = "no data"
_TAG = "cdcproof"
_FILL_OF_STACK = 25
_NAME_PIXELS = 260
"""The width of a column of names."""
Drawn = stat.Panel | timeseries.Panel | bargauge.Panel | table.Panel


def grafana_json(shown: Dashboard, runbook: str) -> str:
    """The dashboard as a file for Grafana's provisioning; `runbook` is the address that the anchor of a step is added to."""
    built = (
        build.Dashboard(shown.title)
        .uid(shown.uid)
        .description(shown.description)
        .tags([_TAG])
        .editable()
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
        .link(
            build.DashboardLink("Dashboards").type(dashboard.DashboardLinkType.DASHBOARDS).tags([_TAG]).keep_time(True)
        )
        .with_variable(build.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(
            build.QueryVariable("pipeline")
            .label("Pipeline")
            .datasource(SOURCE)
            .query(f"label_values({INFO}, pipeline)")
            .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        )
        .with_variable(
            build.QueryVariable("instance")
            .hide(dashboard.VariableHide.HIDE_VARIABLE)
            .datasource(SOURCE)
            .query(f'label_values({INFO}{{pipeline="$pipeline"}}, instance)')
            .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .current(dashboard.VariableOption(text="All", value="$__all"))
        )
        .with_variable(build.TextBoxVariable("runbook").label("Runbook").default_value(runbook))
    )
    for row in shown.rows:
        built = built.with_row(build.Row(row.title))
        for panel in row.panels:
            built = built.with_panel(_panel(panel))
    made = json.loads(json.dumps(built.build(), cls=JSONEncoder))
    for number, drawn in enumerate(made["panels"], start=1):
        drawn["id"] = number  # so that the address of a panel stays when Grafana reads the file again
    return json.dumps(made, indent=1, sort_keys=True) + "\n"


def _panel(panel: Panel) -> Drawn:
    drawn: Drawn
    match panel.kind:
        case Kind.NUMBERS:
            drawn = _numbers(panel)
        case Kind.LINES:
            drawn = _lines(panel)
        case Kind.BARS:
            drawn = _bars(panel)
        case Kind.TABLE:
            drawn = _table(panel)
    appearance = panel.appearance
    drawn = (
        drawn.title(panel.title)
        .description(panel.description)
        .datasource(SOURCE)
        .span(panel.width)
        .height(panel.height)
        .unit(appearance.unit)
        .thresholds(_thresholds(appearance))
        .mappings(_mappings(appearance))
        .no_value(NO_VALUE)
        .links(
            [
                build.DashboardLink(f"Runbook: {panel.step}")
                .type(dashboard.DashboardLinkType.LINK)
                .url(f"${{runbook:raw}}#{panel.anchor}")
                .target_blank(True)
            ]
        )
    )
    if appearance.decimals is not None:
        drawn = drawn.decimals(appearance.decimals)
    for number, query in enumerate(panel.queries):
        asked = prometheus.Dataquery().ref_id(chr(ord("A") + number)).datasource(SOURCE).expr(query.expression)
        if panel.kind is Kind.TABLE:
            asked = asked.instant().format(PromQueryFormat.TABLE)
        elif panel.now:
            asked = asked.instant().legend_format(query.name)
        else:
            asked = asked.range().legend_format(query.name)
        drawn = drawn.with_target(asked)
    return drawn


def _numbers(panel: Panel) -> stat.Panel:
    words = bool(panel.appearance.states)
    return (
        stat.Panel()
        .reduce_options(options.ReduceDataOptions().calcs(["last"]))
        .color_scheme(_by_level())
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID if words else common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .justify_mode(common.BigValueJustifyMode.CENTER)
    )


def _lines(panel: Panel) -> timeseries.Panel:
    drawn = (
        timeseries.Panel()
        .color_scheme(build.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC))
        .line_width(2)
        .fill_opacity(_FILL_OF_STACK if panel.stacked else 8)
        .show_points(common.VisibilityMode.NEVER)
        .span_nulls(False)  # a gap is drawn as a gap
        .axis_soft_min(0)
        .tooltip(options.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
        .legend(
            options.VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
        .thresholds_style(
            options.GraphThresholdsStyleConfig().mode(
                common.GraphThresholdsStyleMode.DASHED
                if panel.appearance.levels and not panel.appearance.states
                else common.GraphThresholdsStyleMode.OFF
            )
        )
    )
    if panel.appearance.decimals == 0 and not panel.appearance.states:
        drawn = drawn.axis_soft_max(1)  # a count that stays 0 would have an axis up to 100
    if panel.appearance.unit is Unit.RATIO and panel.appearance.levels:
        drawn = drawn.axis_soft_max(min(1.0, 1.25 * panel.appearance.levels[-1].value))
    for name, colour in panel.colours:
        fixed = build.FieldColor().mode(dashboard.FieldColorModeId.FIXED).fixed_color(colour).build()
        drawn = drawn.override_by_name(
            name,
            [
                dashboard.DynamicConfigValue("color", fixed),
                dashboard.DynamicConfigValue("custom.fillOpacity", _FILL_OF_STACK if panel.stacked else 0),
            ],
        )
    if panel.appearance.states:
        values = [state.value for state in panel.appearance.states]
        drawn = drawn.line_interpolation(common.LineInterpolation.STEP_AFTER).min(min(values)).max(max(values))
    if panel.stacked:
        drawn = drawn.stacking(options.StackingConfig().mode(common.StackingMode.NORMAL))
    return drawn


def _bars(panel: Panel) -> bargauge.Panel:
    drawn = (
        bargauge.Panel()
        .reduce_options(options.ReduceDataOptions().calcs(["last"]))
        .color_scheme(_by_level())
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .name_placement(common.BarGaugeNamePlacement.TOP)
        .text(options.VizTextDisplayOptions().title_size(14).value_size(20))
        .min(0)
    )
    return drawn if panel.most is None else drawn.max(panel.most)


def _table(panel: Panel) -> table.Panel:
    """Each query is a column; lines of the same labels are made one."""
    columns = {f"Value #{chr(ord('A') + number)}": query.name for number, query in enumerate(panel.queries)}
    drawn = (
        table.Panel()
        .show_header(True)
        .with_transformation(dashboard.DataTransformerConfig("merge", options={}))
        .with_transformation(
            dashboard.DataTransformerConfig(
                "organize",
                options={
                    "excludeByName": {"Time": True},
                    "indexByName": {name: place for place, name in enumerate([*panel.per, *columns])},
                    "renameByName": {label: label.capitalize() for label in panel.per} | columns,
                },
            )
        )
    )
    for label in panel.per:
        width = dashboard.DynamicConfigValue("custom.width", _NAME_PIXELS)
        drawn = drawn.override_by_name(label.capitalize(), [width])
    for query in panel.queries:
        if query.appearance:
            drawn = drawn.override_by_name(query.name, _properties(query.appearance, query.absent))
    return drawn


def _properties(appearance: Appearance, absent: tuple[str, Colour]) -> list[dashboard.DynamicConfigValue]:
    """A column's appearance. Of a word the whole cell is coloured, of a number that is judged the text."""
    cell = (
        "auto"
        if appearance == Appearance(appearance.unit, Colour.PLAIN, decimals=appearance.decimals)
        else "color-text"
    )
    if appearance.states and appearance.base is not Colour.PLAIN:
        cell = "color-background"
    found = {
        "unit": appearance.unit,
        "mappings": [*_mappings(appearance), _instead_of_nothing(*absent)],
        "thresholds": _thresholds(appearance).build(),
        "color": _by_level().build(),
        "custom.cellOptions": {"type": cell} | ({"mode": "basic"} if cell == "color-background" else {}),
    }
    if appearance.decimals is not None:
        found["decimals"] = appearance.decimals
    return [dashboard.DynamicConfigValue(name, value) for name, value in found.items()]


def _instead_of_nothing(text: str, colour: Colour) -> dashboard.SpecialValueMap:
    nothing = dashboard.SpecialValueMatch.NULL_AND_NAN
    result = dashboard.ValueMappingResult(text, colour)
    return dashboard.SpecialValueMap(dashboard.DashboardSpecialValueMapOptions(nothing, result))


def _by_level() -> build.FieldColor:
    return build.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS)


def _thresholds(appearance: Appearance) -> build.ThresholdsConfig:
    steps = [
        dashboard.Threshold(None, appearance.base),
        *(dashboard.Threshold(at.value, at.colour) for at in appearance.levels),
    ]
    return build.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


def _mappings(appearance: Appearance) -> list[dashboard.ValueMapping]:
    if not appearance.states:
        return []
    words = {
        f"{state.value:g}": dashboard.ValueMappingResult(state.text, state.colour, index=place)
        for place, state in enumerate(appearance.states)
    }
    return [dashboard.ValueMap(words)]
