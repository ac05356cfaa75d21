"""Several pipelines in one Prometheus: each alert says of each pipeline what it says where that is alone.

The four promtool tests of an alert (it fires, does not fire just below, resolves, is not hidden by a missing series) are made one,
with a pipeline for each: what happens in one of them must neither raise nor silence anything in another.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdcproof.monitoring.rules.alerts import ALERTS
from tests import yaml_files
from tests.monitoring.test_rules import ALERT_RULES, CASES, ROOT, TESTS
from tests.programs import program

PIPELINES = ("falling", "healthy", "mending", "silent")
"""A name for each of the four tests."""
OF_THE_WHOLE = ("Watchdog",)
"""Alerts that are of no pipeline."""
FILES = [yaml_files.read(path) | {"path": path} for path in TESTS if path.name != "checks.yml"]
WITH_ALERTS = [file["path"] for file in FILES if any(group["name"].endswith(" fires") for group in file["tests"])]


def within(labels: str, pipeline: str) -> str:
    """A series as it is in this pipeline, which its exporters have to themselves."""
    named = re.sub(r'pipeline="([^"]*)"', rf'pipeline="{pipeline} \1"', labels)
    named = re.sub(r'instance="([^"]*)"', rf'instance="{pipeline} \1"', named)
    if re.search(r'\bpipeline="', named):
        return named
    own = f'pipeline="{pipeline}"'
    return f"{named.removesuffix('}')}, {own}}}" if named.endswith("}") else f"{named}{{{own}}}"


def looked(expression: str, pipeline: str) -> str:
    """A look at the alerts of this pipeline alone."""
    return re.sub(r'instance="([^"]*)"', rf'instance="{pipeline} \1"', expression.removesuffix("}")) + (
        f', pipeline=~"{pipeline}( .*)?"}}'
    )


def side_by_side(groups: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The tests of an alert as one."""
    series, looks = [], []
    for pipeline, group in zip(PIPELINES, groups, strict=True):
        series += [one | {"series": within(one["series"], pipeline)} for one in group["input_series"]]
        for look in group["promql_expr_test"]:
            expected = [one | {"labels": within(one["labels"], pipeline)} for one in look["exp_samples"]]
            looks.append(look | {"expr": looked(look["expr"], pipeline), "exp_samples": expected})
    return {"name": name, "interval": groups[0]["interval"], "input_series": series, "promql_expr_test": looks}


def of_alert(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """For each case the file and the test."""
    for case in CASES:
        yield next(
            (file, group) for file in FILES for group in file["tests"] if re.fullmatch(rf"{name} {case}", group["name"])
        )


@pytest.mark.judges
@pytest.mark.parametrize("path", WITH_ALERTS, ids=lambda path: path.name)
def test_no_pipeline_disturbs_another(path: Path, tmp_path: Path) -> None:
    made, rules, interval = [], set(), ""
    for alert in ALERTS:
        found = dict(zip(CASES, of_alert(alert.name), strict=True))
        if found[CASES[0]][0]["path"] != path or alert.name in OF_THE_WHOLE:
            continue
        made.append(side_by_side([group for _, group in found.values()], alert.name))
        rules |= {str((path.parent / rule).resolve()) for file, _ in found.values() for rule in file["rule_files"]}
        interval = found[CASES[0]][0]["evaluation_interval"]
        assert {file["evaluation_interval"] for file, _ in found.values()} == {interval}
    assert made
    tests = tmp_path / "tests.yml"
    tests.write_text(
        yaml.safe_dump({"rule_files": sorted(rules), "evaluation_interval": interval, "tests": made}, width=1000)
    )

    tested = subprocess.run([program("promtool"), "test", "rules", tests], check=False, capture_output=True, text=True)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_the_alerts_on_checks_are_tested_with_several_pipelines_already() -> None:
    groups = yaml_files.read(ROOT / "monitoring/prometheus/tests/checks.yml")["tests"]

    assert all(
        len({re.search(r'pipeline="([^"]+)"', one["series"])[1] for one in group["input_series"][:-1]}) >= 6  # type: ignore[index]
        for group in groups
    )


@pytest.mark.parametrize("rule", ALERT_RULES, ids=lambda rule: rule["alert"])
def test_the_command_of_an_alert_names_the_pipeline(rule: dict[str, Any]) -> None:
    assert "pipeline=" in rule["annotations"]["oncall"] or rule["alert"] in OF_THE_WHOLE
