"""First contact with somebody's pipeline: init, check-config and the morning run, from Connect's address alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdcproof.pipeline.model import load
from tests.integration.conftest import PASSWORDS, Pipelines

pytestmark = pytest.mark.integration


def test_init_then_check_config_then_a_green_morning_without_an_edit(healthy: Pipelines, tmp_path: Path) -> None:
    ours = healthy.located()
    assert ours.registry
    path = tmp_path / "found.toml"
    done = healthy.call(
        # the exporter says whose its metrics are: by the name of the pipeline
        *("cdcproof", "init", "--connect-url", ours.connect.url, "--output", str(path), "--name", ours.name),
        # what no connector's configuration says
        *("--registry-url", ours.registry.url, "--reconciliation-reports", str(ours.paths.reconciliation_reports)),
        *("--reconciliation-metrics-url", ours.exporters.reconciliation_url),
        *("--connect-metrics-url", ours.exporters.connect_url),
    )
    assert done.returncode == 0, done.stderr
    assert not [secret for secret in PASSWORDS.values() if secret in path.read_text() + done.stdout + done.stderr]

    found = load(path)
    # a test row is a decision: nobody can find it out
    untested = {"test_row": None, "test_update": None}
    assert set(found.tables) == {table.model_copy(update=untested) for table in ours.tables}
    assert set(found.connectors) == set(ours.connectors)
    assert found.freshness == ours.freshness
    assert found.kafka == ours.kafka
    assert (found.source.publication, found.source.slot) == (ours.source.publication, ours.source.slot)

    checked = healthy.call("cdcproof", "check-config", "--pipeline", str(path), "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert {item["outcome"] for item in json.loads(checked.stdout)["items"]} <= {"ok", "risk"}

    morning = healthy.morning("--env=live", f"--pipeline={path}")
    assert morning.exit_status == 0, morning.output
    assert morning.run.environment == "live"
    assert morning.run.is_green
