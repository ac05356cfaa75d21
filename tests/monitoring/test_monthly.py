"""The month from a real Prometheus with 30 days of data: exported, and judged."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cdcproof.findings import Verdict
from cdcproof.monitoring import monthly
from cdcproof.pipeline.model import Pipeline
from checks.monthly import test_2_performance as checks
from tests.backfilled_prometheus import Backfill, prometheus
from tests.check_in_process import judged
from tests.pipelines import pipeline_of

DAY = 86_400.0
NOW = time.time() // 300 * 300


def exporter(name: str, lag: float, before: float, *, down: float = 0.0) -> list[Backfill]:
    """A connector's lag, of the last 15 days and before; nothing from `down` days ago on."""
    where = {"instance": f"{name}:9104", "job": "cdcproof"}

    def value(ago: float) -> float | None:
        return None if ago < down * DAY else lag if ago < 15 * DAY else before

    return [
        Backfill("cdcproof_exporter_info", {**where, "pipeline": name}, lambda ago: None if ago < down * DAY else 1),
        Backfill("cdcproof_sink_lag_records", {**where, "connector": "sink", "table": "orders"}, value),
        Backfill("reconciliation_rows_per_second", where, lambda ago: None if ago < down * DAY else 1000),
    ]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    series = [
        *exporter("well", 10, 20),
        *exporter("slow", 20_000, 20),
        *exporter("worse", 2_000, 500),
        *exporter("away", 10, 20, down=2),
    ]
    with prometheus(series, tmp_path_factory.mktemp("prometheus"), now=NOW, days=30, step_seconds=300) as at:
        yield at


def pipeline(name: str, url: str) -> Pipeline:
    return pipeline_of("orders", name=name, prometheus={"url": url}, connectors=[{"name": "sink", "kind": "sink"}])


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("well", Verdict.PASSED),
        ("slow", Verdict.FAILED),
        ("worse", Verdict.WARNED),
        ("away", Verdict.NOT_CHECKED),
        ("nobody", Verdict.NOT_CHECKED),
    ],
)
def test_the_month_is_judged(name: str, verdict: Verdict, url: str, tmp_path: Path) -> None:
    ours = pipeline(name, url)
    check = checks.test_the_month_is_exported_and_its_averages_are_within_their_limits
    record = judged(check, ours, performance=partial(monthly.performance, ours, tmp_path, NOW, "docs/RUNBOOK.md"))

    assert record.verdict is verdict, record
    files = sorted(path.suffix for path in tmp_path.iterdir())
    assert files == ([] if name == "nobody" else [".csv", ".html"])


def test_the_export_holds_the_numbers_of_this_pipeline_alone(url: str, tmp_path: Path) -> None:
    found = monthly.performance(pipeline("well", url), tmp_path, NOW, "docs/RUNBOOK.md")

    (path,) = tmp_path.glob("performance-*.csv")
    lines = list(csv.DictReader(path.open()))
    assert {float(line["value"]) for line in lines if line["series"] == "orders"} == {10.0, 20.0}
    assert found.exports()[0]["holds"] == f"{len(lines):,} values of 30 days"
