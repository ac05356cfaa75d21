"""Checks of Prometheus' data are collected on the embedded pipeline where it runs with its monitoring."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cdcproof.core.errors import UsageError
from cdcproof.monitoring.catalogue import BY_STEP
from cdcproof.pipeline.model import HttpService, load
from cdcproof.pytest_plugin import plugin as pytest_plugin

ROOT = Path(__file__).parents[2]
CHECK = BY_STEP["weekly.1-failures"]


def config(env: str) -> Any:
    stash = {pytest_plugin.PIPELINE_KEY: load(ROOT / "fixtures/pipelines/embedded.toml")}
    return SimpleNamespace(stash=stash, getoption=lambda _: env)


@pytest.mark.parametrize(("url", "collected"), [("http://127.0.0.1:9090", True), ("", False)])
def test_the_instance_says_whether_there_is_one(url: str, collected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    prometheus = HttpService(url=url) if url else None
    monkeypatch.setattr(
        pytest_plugin,
        "located",
        lambda c: pytest_plugin.expected_pipeline(c).model_copy(update={"prometheus": prometheus}),
    )

    assert CHECK.only_where.holds(pytest_plugin._with_its_monitoring(config("embedded"))) is collected


def test_one_that_does_not_run_and_a_live_one_are_as_their_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def located(_: object) -> None:
        raise UsageError("It does not run.")

    monkeypatch.setattr(pytest_plugin, "located", located)

    for env in ("embedded", "live"):
        found = pytest_plugin._with_its_monitoring(config(env))
        assert found == load(ROOT / "fixtures/pipelines/embedded.toml")
