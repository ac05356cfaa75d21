"""Which services of monitoring can run, what each is told, and what an operator reads where one cannot. Nothing is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdcproof.environments.embedded import folders, services
from cdcproof.environments.embedded.services import alertmanager, prometheus
from cdcproof.environments.embedded.state import Instance

OPTIONAL = ("prometheus", "alertmanager", "pushgateway")


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv(alertmanager.ALERTS_URL, raising=False)
    folders.make("unit")
    ports = {name: 1000 + number for number, name in enumerate(services.PORTS)}
    return Instance("unit", ports, monitoring=True)


def programs_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> Path:
    """A PATH with these programs and nothing else."""
    binaries = folder / "usr" / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    for name in names:
        (binaries / name).write_text("#!/bin/sh\n")
        (binaries / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(binaries))
    return binaries


def test_monitoring_runs_only_where_it_was_asked_for_and_is_there(
    instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs_on_path(tmp_path, monkeypatch, "prometheus", "alertmanager")

    assert [name for name in services.wanted(instance) if name in OPTIONAL] == ["prometheus", "alertmanager"]
    assert not set(OPTIONAL) & set(services.wanted(replace(instance, monitoring=False)))
    assert "exporter" in services.wanted(replace(instance, monitoring=False))
    assert services.missing() == {"pushgateway": "prometheus-pushgateway is not on PATH"}


def test_debians_alertmanager_without_its_templates_is_not_started_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alertmanager, "_SHARE", tmp_path / "nothing")
    programs_on_path(tmp_path, monkeypatch, "prometheus-alertmanager")
    assert "install the package" in alertmanager.hindrance()

    template = tmp_path / "usr" / "share" / "prometheus" / "alertmanager" / "default.tmpl"
    template.parent.mkdir(parents=True)
    template.write_text("")
    assert "lets nobody make namespaces" in alertmanager.hindrance()  # there is no unshare on this PATH
    assert f"cp -r {tmp_path}/usr/share/prometheus" in alertmanager.hindrance()
    assert services.missing()["alertmanager"] == alertmanager.hindrance()

    monkeypatch.setattr(alertmanager, "_SHARE", tmp_path / "usr" / "share")
    assert alertmanager.hindrance() == ""


def test_the_makers_alertmanager_needs_no_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alertmanager, "_SHARE", tmp_path / "nothing")
    programs_on_path(tmp_path, monkeypatch, "alertmanager")

    assert alertmanager.hindrance() == ""


def test_without_an_address_nothing_is_sent_to_anybody(instance: Instance) -> None:
    config: dict[str, Any] = alertmanager._config(instance, "")

    assert len(config["receivers"]) == 6
    assert all(set(receiver) == {"name"} for receiver in config["receivers"])
    assert "slack_api_url_file" not in config["global"]
    assert config["inhibit_rules"]


def test_with_an_address_everything_goes_there(instance: Instance) -> None:
    config: dict[str, Any] = alertmanager._config(instance, "http://127.0.0.1:5/")
    senders = [
        sender
        for receiver in config["receivers"]
        for key, all_of in receiver.items()
        if key != "name"
        for sender in all_of
    ]

    assert config["global"]["pagerduty_url"] == "http://127.0.0.1:5/v2/enqueue"
    assert Path(config["global"]["slack_api_url_file"]).read_text() == "http://127.0.0.1:5/slack"
    assert "/etc/alertmanager" not in str(config)
    assert len(senders) == 6
    assert all(Path(sender["routing_key_file"]).exists() for sender in senders if "routing_key_file" in sender)


def test_prometheus_scrapes_what_there_is_under_the_names_that_the_rules_know(
    instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs_on_path(tmp_path, monkeypatch, "prometheus", "prometheus-pushgateway")
    config: dict[str, Any] = prometheus._config(instance)

    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(jobs) == {"reconciliation", "connectors", "pushgateway", "prometheus"}
    assert {job for job, found in jobs.items() if found["honor_labels"]} == {
        "reconciliation",
        "connectors",
        "pushgateway",
    }
    assert jobs["connectors"]["static_configs"][0]["labels"] == {"pipeline": "embedded"}
    assert jobs["prometheus"]["static_configs"][0]["labels"] == {}
    (rules,) = config["rule_files"]
    assert list(Path(rules).parent.glob("*.yml"))
