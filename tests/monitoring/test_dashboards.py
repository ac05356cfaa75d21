"""The dashboards hold what the runbook lists, every expression is PromQL, and Grafana's JSON is whole."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdcproof.monitoring.catalogue import BY_STEP
from cdcproof.monitoring.dashboards import DASHBOARDS, OVERVIEW
from cdcproof.monitoring.dashboards.grafana import grafana_json
from cdcproof.monitoring.dashboards.model import (
    Appearance,
    Colour,
    Dashboard,
    Kind,
    Level,
    Panel,
    Query,
    Row,
    State,
    of,
)
from tests.monitoring.expressions import metrics_of, ready

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "monitoring" / "grafana"
PANELS = [(shown, panel) for shown in DASHBOARDS for panel in shown.panels]
EACH_PANEL = pytest.mark.parametrize(
    "panel", [panel for _, panel in PANELS], ids=[f"{shown.uid}-{panel.title}-{panel.kind}" for shown, panel in PANELS]
)
OF_THE_RUNBOOK = {
    "CDC Pipeline Overview": ["Connector status", "Replication lag", "Throughput", "Error rates"],
    "Database Health": ["Connection pool", "Query performance", "Resource utilization"],
    "Reconciliation": ["Match and mismatch trends", "Table-level discrepancies", "Processing time"],
}


@cache
def files() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in (FOLDER / "dashboards").glob("*.json")}


def drawn(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in made["panels"] if panel["type"] != "row"]


def test_each_dashboard_has_a_row_for_what_the_runbook_lists() -> None:
    for shown in DASHBOARDS:
        rows = {row.title for row in shown.rows}
        assert set(OF_THE_RUNBOOK[shown.title]) <= rows
    assert [shown.title for shown in DASHBOARDS] == list(OF_THE_RUNBOOK)


@EACH_PANEL
def test_every_expression_is_promql_and_selects_one_pipeline(panel: Panel) -> None:
    for query in panel.queries:
        assert metrics_of(ready(query.expression))
        assert query.expression.count("{") == query.expression.count('instance=~"$instance|"')


def test_what_is_no_promql_is_found() -> None:
    with pytest.raises(ValueError, match="expected type matrix"):
        metrics_of("rate(up)")
    assert metrics_of('sum(rate(a{b="c"}[5m])) / on (d) max_over_time(e[1h:1m]) or -f') == {"a", "e", "f"}


@EACH_PANEL
def test_a_panel_says_what_it_shows_and_where_to_go(panel: Panel) -> None:
    assert panel.description.endswith(".")
    assert panel.step in BY_STEP
    assert all(query.name for query in panel.queries)


def test_the_files_are_the_dashboards_and_no_others() -> None:
    made = files()

    assert set(made) == {shown.uid for shown in DASHBOARDS}
    for shown in DASHBOARDS:
        titles = [panel["title"] for panel in drawn(made[shown.uid])]
        assert titles == [panel.title for panel in shown.panels]


@pytest.mark.parametrize("uid", [shown.uid for shown in DASHBOARDS])
def test_a_dashboard_names_no_data_source_of_its_own(uid: str) -> None:
    """Whoever imports it chooses theirs."""
    made = files()[uid]

    sources = [panel["datasource"] for panel in drawn(made)]
    sources += [target["datasource"] for panel in drawn(made) for target in panel["targets"]]
    sources += [variable["datasource"] for variable in made["templating"]["list"] if variable["type"] == "query"]
    assert {source["uid"] for source in sources} == {"${datasource}"}
    assert made["templating"]["list"][0]["type"] == "datasource"


@pytest.mark.parametrize("uid", [shown.uid for shown in DASHBOARDS])
def test_a_panel_has_unit_thresholds_description_and_link(uid: str) -> None:
    for panel in drawn(files()[uid]):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"]
        assert defaults["thresholds"]["steps"][0]["value"] is None
        assert defaults["noValue"] == "no data"
        assert panel["description"]
        assert [link["url"] for link in panel["links"]] == [f"${{runbook:raw}}#{anchor_of(panel)}"]


def anchor_of(panel: dict[str, Any]) -> str:
    return BY_STEP[panel["links"][0]["title"].removeprefix("Runbook: ")].anchor


@pytest.mark.parametrize("uid", [shown.uid for shown in DASHBOARDS])
def test_panels_fill_the_grid_without_covering_each_other(uid: str) -> None:
    places = [panel["gridPos"] for panel in files()[uid]["panels"]]

    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, f"{one} covers {other}"


@EACH_PANEL
def test_a_panel_of_now_asks_for_now(panel: Panel) -> None:
    """Over a range, Grafana would show the last value of a series that ended: a connector that vanished stays green."""
    [made] = [
        found
        for shown in DASHBOARDS
        if panel in list(shown.panels)
        for found in drawn(files()[shown.uid])
        if found["title"] == panel.title and found["type"] == panel.kind
    ]

    instant = {target["instant"] for target in made["targets"]}
    assert instant == {panel.kind is not Kind.LINES}
    if panel.kind is Kind.LINES:
        assert made["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False


def test_a_table_has_a_column_for_each_query_with_its_own_look() -> None:
    look = Appearance(base=Colour.BAD, states=(State(1, "MATCH", Colour.GOOD),))
    panel = Panel(
        "T",
        "D.",
        "morning.2-connectors",
        Kind.TABLE,
        (Query(of("a"), "State", look, ("never", Colour.UNKNOWN)), Query(of("b"), "Age")),
        Appearance(levels=(Level(5, Colour.BAD),)),
        per=("table",),
    )

    made = json.loads(grafana_json(Dashboard("u", "T", "D.", (Row("R", (panel,)),)), "docs"))

    [table] = drawn(made)
    merge, organize = table["transformations"]
    assert merge["id"] == "merge"
    assert organize["options"]["renameByName"] == {"table": "Table", "Value #A": "State", "Value #B": "Age"}
    assert organize["options"]["excludeByName"] == {"Time": True}
    names, override = table["fieldConfig"]["overrides"]
    assert names["matcher"] == {"id": "byName", "options": "Table"}
    assert override["matcher"] == {"id": "byName", "options": "State"}
    values = {one["id"]: one["value"] for one in override["properties"]}
    assert values["mappings"][0]["options"]["1"] == {"color": "green", "index": 0, "text": "MATCH"}
    assert values["mappings"][1]["options"] == {"match": "null+nan", "result": {"color": "purple", "text": "never"}}
    assert values["custom.cellOptions"] == {"type": "color-background", "mode": "basic"}


def test_a_table_must_say_what_makes_a_line() -> None:
    with pytest.raises(ValueError, match="the labels that make a line"):
        Panel("T", "D.", "morning.2-connectors", Kind.TABLE, (), Appearance())


def test_a_value_has_the_colour_of_the_highest_level_that_it_reaches() -> None:
    look = Appearance(
        levels=(Level(1, Colour.NEAR), Level(5, Colour.BAD)), states=(State(-1, "UNKNOWN", Colour.UNKNOWN),)
    )

    assert [look.colour(value) for value in (0.9, 1, 4.9, 5, -1)] == [
        Colour.GOOD,
        Colour.NEAR,
        Colour.NEAR,
        Colour.BAD,
        Colour.UNKNOWN,
    ]


def test_grafana_reads_the_folder_that_compose_mounts_and_the_source_has_a_fixed_name() -> None:
    provisioning = FOLDER / "provisioning"
    [provider] = yaml.safe_load((provisioning / "dashboards" / "cdcproof.yml").read_text())["providers"]
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    scraping = yaml.safe_load((ROOT / "monitoring" / "prometheus.yml").read_text())["global"]["scrape_interval"]
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]

    assert f"./monitoring/grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    assert source["uid"]
    assert source["jsonData"]["timeInterval"] == scraping  # from which Grafana derives $__rate_interval


def test_the_address_of_a_dashboard_stays() -> None:
    """Bookmarks and alerts lead to it."""
    assert [shown.uid for shown in DASHBOARDS] == ["cdc-pipeline-overview", "cdc-database-health", "cdc-reconciliation"]
    assert files()[OVERVIEW.uid]["uid"] == OVERVIEW.uid


@pytest.mark.parametrize(
    ("address", "password", "starts"),
    [
        ("127.0.0.1", "admin", True),
        ("localhost", "admin", True),
        ("0.0.0.0", "admin", False),
        ("10.1.2.3", "", False),
        ("::", "admin", False),
        ("0.0.0.0", "not admin", True),
    ],
)
def test_grafana_is_not_open_to_others_with_the_runbooks_password(
    tmp_path: Path, address: str, password: str, starts: bool
) -> None:
    done = started(tmp_path, address, password)

    assert (done.stdout == "started\n") is starts
    assert ("set GRAFANA_PASSWORD" in done.stderr) is not starts
    assert (done.returncode == 0) is starts


def test_grafana_takes_a_new_password_although_its_volume_has_the_runbooks(tmp_path: Path) -> None:
    """Grafana itself reads the variable only when it makes its database."""
    (tmp_path / "grafana.db").write_text("")
    program = tmp_path / "grafana"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncat >> {tmp_path}/asked\n')
    program.chmod(0o755)

    assert started(tmp_path, "0.0.0.0", "s3cret").stdout == "started\n"
    assert (tmp_path / "asked").read_text() == "cli admin reset-admin-password --password-from-stdin\ns3cret\n"

    program.write_text("#!/bin/sh\nexit 1\n")
    refused = started(tmp_path, "0.0.0.0", "s3cret")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "could not be set" in refused.stderr
    assert started(tmp_path, "127.0.0.1", "admin").stdout == "started\n"


def test_grafana_listens_on_loopback_where_nothing_is_named() -> None:
    environment = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]["environment"]

    assert environment["GF_SERVER_HTTP_ADDR"] == "${GRAFANA_ADDRESS:-127.0.0.1}"
    assert environment["GF_SECURITY_ADMIN_PASSWORD"] == "${GRAFANA_PASSWORD:-admin}"


def started(folder: Path, address: str, password: str) -> subprocess.CompletedProcess[str]:
    """Run what the container runs, with this folder for Grafana's data and programs."""
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    run = folder / "run.sh"
    run.write_text("#!/bin/sh\necho started\n")
    run.chmod(0o755)
    *shell, script = grafana["entrypoint"]
    return subprocess.run(
        [*shell, script.replace("$$", "$").replace("/run.sh", str(run))],
        env={
            "PATH": f"{folder}:{os.environ['PATH']}",
            "GF_PATHS_DATA": str(folder),
            "GF_SERVER_HTTP_ADDR": address,
            "GF_SECURITY_ADMIN_PASSWORD": password,
        },
        capture_output=True,
        text=True,
        check=False,
    )
