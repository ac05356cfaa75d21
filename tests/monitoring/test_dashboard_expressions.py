"""What the expressions of states answer, by promtool: what is not known is never green."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from cdcproof.monitoring.dashboards import DASHBOARDS
from tests.monitoring.expressions import metrics_of, names_in_library, ready, recorded_names

OURS = 'instance="a:9104"'


def panel_expression(title: str) -> str:
    """The first expression of a panel of now."""
    panel = next(panel for one in DASHBOARDS for panel in one.panels if panel.title == title and panel.now)
    return ready(panel.queries[0].expression, instance=r"a:9104", rate_seconds=60)


def answer(folder: Path, title: str, series: dict[str, str], expected: dict[str, float], at: str = "10m") -> str:
    """What promtool finds wrong; empty where the panel answers as expected."""
    program = shutil.which(
        "promtool", path=os.pathsep.join([os.environ.get("CDCPROOF_TEST_BIN", ""), os.environ["PATH"]])
    )
    if program is None:
        pytest.skip("promtool is neither on PATH nor in $CDCPROOF_TEST_BIN (apt-get install prometheus)")
    samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
    test = {"expr": panel_expression(title), "eval_time": at, "exp_samples": samples}
    series_of_test = [{"series": name, "values": values} for name, values in series.items()]
    (folder / "rules.yml").write_text("groups: []\n")
    (folder / "test.yml").write_text(
        yaml.safe_dump(
            {
                "rule_files": ["rules.yml"],
                "tests": [{"interval": "1m", "input_series": series_of_test, "promql_expr_test": [test]}],
            }
        )
    )
    done = subprocess.run(
        [program, "test", "rules", str(folder / "test.yml")], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def connectors(state: str, expected: str = "1x20", other: str = "1x20") -> dict[str, str]:
    return {
        f'connector_state{{connector="sink",{OURS}}}': state,
        f'cdcproof_connector_expected{{connector="sink",{OURS}}}': expected,
        f'connector_state{{connector="source",{OURS}}}': other,
        f'cdcproof_connector_expected{{connector="source",{OURS}}}': "1x20",
        'connector_state{connector="sink",instance="b:9104"}': "1x20",  # another pipeline's
    }


def test_a_connector_whose_state_is_not_known_is_called_so(tmp_path: Path) -> None:
    """While Connect does not answer, its last state is not shown."""
    seen = {
        state: answer(
            tmp_path, "Connectors", connectors(values), {'{connector="sink"}': state, '{connector="source"}': 1}
        )
        for state, values in ((1.0, "1x20"), (0.0, "0x20"), (-1.0, "1x4 stale"))
    }

    assert seen == {1.0: "", 0.0: "", -1.0: ""}


def test_a_wrong_expectation_is_found(tmp_path: Path) -> None:
    assert "FAILED" in answer(tmp_path, "Connectors", connectors("0x20"), {'{connector="sink"}': 1})


def test_without_an_exporter_nothing_is_shown(tmp_path: Path) -> None:
    assert (
        answer(tmp_path, "Connectors", connectors("1x4 stale", "1x4 stale", "1x20"), {'{connector="source"}': 1}) == ""
    )


OF_TABLES = {
    # matched at, differed at (seconds), and what is shown at 11 h
    "matched an hour ago": (36000, 0, 1),
    "matched again": (36000, 35000, 1),
    "differs": (35000, 36000, 0),
    "both in one second": (36000, 36000, 0),
    "matched longer ago than a report may be old": (30000, 0, 2),
    "differs, and matched long ago": (30000, 36000, 0),
    "never compared": (0, 0, -1),
    "never matched": (0, 36000, 0),
}


def test_a_table_matches_only_while_its_newest_report_says_so(tmp_path: Path) -> None:
    series = {
        f'reconciliation_last_{what}_timestamp_seconds{{table="{table}",{OURS}}}': f"{at}x700"
        for table, (matched, differed, _) in OF_TABLES.items()
        for what, at in (("match", matched), ("mismatch", differed))
    }
    expected = {f'{{table="{table}"}}': float(state) for table, (_, _, state) in OF_TABLES.items()}

    assert answer(tmp_path, "Tables", series, expected, at="11h") == ""


def test_an_old_report_is_not_young_because_there_is_none(tmp_path: Path) -> None:
    never = {f"cdcproof_exporter_last_report_timestamp_seconds{{{OURS}}}": "0x20"}
    once = {f"cdcproof_exporter_last_report_timestamp_seconds{{{OURS}}}": "60x20"}

    assert answer(tmp_path, "Age of the newest report", never, {}) == ""
    assert answer(tmp_path, "Age of the newest report", once, {"{}": 540}) == ""


def test_every_metric_is_one_that_is_served_or_recorded() -> None:
    """The integration test compares with what is served; this one is quicker."""
    used = {
        name
        for one in DASHBOARDS
        for panel in one.panels
        for query in panel.queries
        for name in metrics_of(ready(query.expression))
    }

    assert used - names_in_library() - recorded_names() == set()
    assert len(used) > 30
