"""Prometheus beside the pipeline, where its program is there: it runs, it scrapes, the runbook's queries answer."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdcproof.clients.http import Http
from cdcproof.environments.embedded import connectors, lifecycle, processes, services, state
from cdcproof.environments.embedded.environment import Embedded
from cdcproof.environments.embedded.state import Instance
from cdcproof.pipeline import load
from cdcproof.progress import Progress
from cdcproof.waiting import wait_until

pytestmark = pytest.mark.integration

NAME = "test-prometheus"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance of our own with Prometheus on PATH."""
    search = os.pathsep.join([os.environ.get("CDCPROOF_TEST_BIN", ""), os.environ["PATH"]])
    binary = shutil.which("prometheus", path=search)
    if binary is None:
        pytest.skip("prometheus is neither on PATH nor in $CDCPROOF_TEST_BIN (apt-get install it)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([str(Path(binary).parent), os.environ["PATH"]]))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("CDCPROOF_INSTANCE", NAME)
        yield lifecycle.up(NAME, Progress(io.StringIO()))
        lifecycle.remove(NAME, Progress(io.StringIO()))


@pytest.fixture
def prometheus(instance: Instance) -> Http:
    """Its API at the address that the checks are told."""
    located = Embedded(NAME).locate(load(ROOT / "fixtures" / "pipelines" / "embedded.toml"))
    assert located.prometheus is not None
    return Http.to("Prometheus", located.prometheus)


def query(prometheus: Http, expression: str) -> list[dict[str, Any]]:
    """Its series as soon as it has any: the first scrape comes within five seconds."""
    return wait_until(
        lambda: prometheus.get_json("/api/v1/query", {"query": expression})["data"]["result"],
        bool,
        what=f"Prometheus to have {expression}",
        deadline_seconds=20,
    )


def test_status_lists_it(instance: Instance) -> None:
    assert "prometheus" in services.wanted()
    assert Embedded(NAME).states(("prometheus",))[0].verdict == "up"


def test_it_scrapes_both_ports_of_the_exporter(instance: Instance, prometheus: Http) -> None:
    def healths() -> dict[str, str]:
        active = prometheus.get_json("/api/v1/targets")["data"]["activeTargets"]
        return {target["scrapeUrl"]: target["health"] for target in active}

    expected = dict.fromkeys(
        (instance.url(port, "/metrics") for port in ("exporter-reconciliation", "exporter-connect")), "up"
    )
    wait_until(
        healths, lambda found: found == expected, what=f"Prometheus' targets to be {expected}", deadline_seconds=20
    )


def test_the_runbooks_queries_answer(prometheus: Http) -> None:
    found = {series["metric"]["connector"]: series["value"][1] for series in query(prometheus, "connector_state")}
    assert found == {connectors.SOURCE: "1", connectors.SINK: "1"}
    runs = query(prometheus, 'reconciliation_runs_total{status="success"}')
    assert [series["value"][1] for series in runs] == ["0"]


def test_killed_it_is_brought_back_and_down_stops_it(instance: Instance) -> None:
    lifecycle.kill(NAME, "prometheus")
    assert Embedded(NAME).states(("prometheus",))[0].verdict == "down"
    lifecycle.up(NAME, Progress(io.StringIO()))
    again = state.running(NAME).processes["prometheus"]
    assert Embedded(NAME).states(("prometheus",))[0].verdict == "up"

    lifecycle.down(NAME, Progress(io.StringIO()))

    assert not processes.is_alive(again)
    assert processes.marked(f"{instance.folders.state}:") == {}
