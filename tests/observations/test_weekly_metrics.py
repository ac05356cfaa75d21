"""The weekly numbers from a real Prometheus with two weeks of data: healthy, failing, with gaps, resets, too short, and of others."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError, UnreachableError, UsageError
from cdcproof.findings import Concern, Finding, Verdict, require
from cdcproof.observations.lag.weekly import WeeklyLag
from cdcproof.observations.weeks import metrics_reading as weekly_metrics
from cdcproof.observations.weeks.failures import WeeklyFailures
from cdcproof.pipeline.model import HttpService, Pipeline
from cdcproof.reporting.record import StepRecord
from checks.weekly import test_1_metrics as checks
from tests.backfilled_prometheus import Backfill, Value, prometheus
from tests.canned import serving
from tests.check_in_process import judged
from tests.pipelines import pipeline_of

DAY = 86_400.0
NOW = time.time() // 300 * 300


def counter(*failures: float, start: float = 0.0) -> Value:
    """A counter that rose by one so many days ago, for each."""
    return lambda ago: start + sum(ago <= days * DAY for days in failures)


def level(this_week: float, before: float) -> Value:
    return lambda ago: this_week if ago < 7 * DAY else before


def without(value: Value, since: float, until: float) -> Value:
    """The same with a gap, in days ago."""
    return lambda ago: None if until * DAY <= ago <= since * DAY else value(ago)


def exporter(
    pipeline: str, runs: Value, lag: Value = lambda _: 5, *, rows: Value = lambda _: 0, bounded: float = 0
) -> list[Backfill]:
    """All that the exporters of a pipeline serve of these numbers; nothing where `runs` has a gap."""
    where = {"instance": f"{pipeline}:9103", "job": "cdcproof"}
    connect = {"instance": f"{pipeline}:9104", "job": "cdcproof"}

    def scraped(value: Value) -> Value:
        return lambda ago: None if runs(ago) is None else value(ago)

    tables = [
        Backfill(f"reconciliation_{kind}_mismatch_total", {**where, "table": "orders"}, scraped(value))
        for kind, value in (("row_count", rows), ("checksum", lambda _: 0.0))
    ]
    return [
        Backfill("cdcproof_exporter_info", {**where, "pipeline": pipeline}, scraped(lambda _: 1)),
        Backfill("cdcproof_exporter_info", {**connect, "pipeline": pipeline}, scraped(lambda _: 1)),
        Backfill("reconciliation_runs_total", {**where, "status": "failure"}, runs),
        *tables,
        Backfill("kafka_connect_source_connector_lag", {**connect, "connector": "source"}, scraped(lag)),
        Backfill("cdcproof_source_lag_bounded", {**connect, "connector": "source"}, scraped(lambda _: bounded)),
        Backfill("cdcproof_sink_lag_records", {**connect, "connector": "sink", "table": "orders"}, scraped(lag)),
        Backfill("cdcproof_sink_lag_records", {**connect, "connector": "sink", "table": "a"}, scraped(lambda _: 1)),
    ]


def reset(at: float, low: float) -> Value:
    return lambda ago: 5.0 if ago > at * DAY else low


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    series = [
        *exporter("healthy", counter(10, 9.5, start=40)),
        *exporter("failing", counter(8, 6, 5, 4, 3), rows=counter(1)),
        *exporter("worse", counter(3, 2)),
        *exporter("gap", without(counter(), 3, 2.8)),
        *exporter("failing-gap", without(counter(6, 5, 4, 3.5), 3, 2.8)),
        *exporter("restarted", without(counter(), 3, 2.985)),
        *exporter("gap-before", without(counter(), 10, 9)),
        *exporter("young", without(counter(), 14, 3)),
        *exporter("dead", without(counter(), 6.9, 0)),
        *exporter("reset", reset(3, 0)),
        *exporter("recounted", reset(3, 4)),
        *exporter("slow", counter(), level(20_000, 100)),
        *exporter("slower", counter(), level(3_000, 1_000)),
        *exporter("bounded", counter(), level(1_000, 1_000), bounded=1),
    ]
    # mapped from somebody else's exporter by a recording rule: of no instance of ours
    mapped = Backfill("kafka_connect_source_connector_lag", {"connector": "mapped"}, level(7, 7))
    with prometheus([*series, mapped], tmp_path_factory.mktemp("prometheus"), now=NOW, days=14, step_seconds=300) as at:
        yield at


def pipeline(name: str, url: str, source: str = "source") -> Pipeline:
    connectors = [{"name": source, "kind": "source"}, {"name": "sink", "kind": "sink"}]
    return pipeline_of("orders", name=name, prometheus={"url": url}, connectors=connectors)


def week(name: str, url: str) -> dict[str, StepRecord]:
    """All checks of the week's metrics on one pipeline."""
    one = pipeline(name, url)
    records = (
        judged(
            checks.test_reconciliation_failed_no_more_than_it_may,
            one,
            weekly_failures=weekly_metrics.failures(one, NOW),
        ),
        judged(checks.test_lag_was_low_on_average, one, weekly_lag=weekly_metrics.lag(one, NOW)),
    )
    return {record.step: record for record in records}


def verdicts(records: dict[str, StepRecord]) -> dict[str, Verdict]:
    return {step: record.verdict for step, record in records.items()}


def test_a_week_of_failures_is_red_until_it_is_over(url: str) -> None:
    """The checks themselves, on a week with failures and on one where they are of the week before."""
    red, over = week("failing", url), week("healthy", url)

    assert verdicts(red) == {"weekly.1-failures": Verdict.FAILED, "weekly.1-lag": Verdict.PASSED}
    assert verdicts(over) == dict.fromkeys(red, Verdict.PASSED)
    assert red["weekly.1-failures"].action[0] == "ls -lht reconciliation_reports | head"
    assert red["weekly.1-failures"].action[1].startswith("cdcproof reconcile --tables orders --validate-checksums")


def test_a_slow_week_is_red_until_it_is_over(url: str) -> None:
    red, over = week("slow", url), week("healthy", url)

    assert verdicts(red) == {"weekly.1-failures": Verdict.PASSED, "weekly.1-lag": Verdict.FAILED}
    assert verdicts(over) == dict.fromkeys(red, Verdict.PASSED)
    assert {d.subject for d in red["weekly.1-lag"].differences} == {"source, records", "sink, records"}
    assert "pg_blocking_pids" in red["weekly.1-lag"].action[0]


def judged_failures(found: WeeklyFailures) -> None:
    """As the check judges."""
    require(found.observation())


def judged_lag(found: WeeklyLag) -> None:
    require(found.observation())


def failures(name: str, url: str) -> None:
    judged_failures(weekly_metrics.failures(pipeline(name, url), NOW))


@pytest.mark.parametrize("name", ["healthy", "restarted", "gap-before", "reset"])
def test_what_is_in_order_is_green(name: str, url: str) -> None:
    """Failures of the week before, a short restart, a gap of the week before, and a counter that was reset are no failures of this week."""
    failures(name, url)


def test_too_many_failures_are_red_and_only_those(url: str) -> None:
    with pytest.raises(Finding) as raised:
        failures("failing", url)

    (difference,) = raised.value.differences
    assert difference.subject == "runs that could not look at everything"
    assert (difference.expected, difference.found) == ("at most 3 in 7 days", "4 in 7 days")
    assert difference.detail == "the week before: 1; this week: 4"


def test_more_than_the_week_before_is_a_warning(url: str) -> None:
    with pytest.raises(Concern) as raised:
        failures("worse", url)
    assert [d.found for d in raised.value.differences] == ["2, the week before 0"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gap", "no samples for 4.8 h"),
        ("young", "no samples for 96.0 h"),
        ("dead", "no samples for 165.6 h"),
        ("nobody", "no samples at all"),
        ("recounted", "reset to 4 at"),
    ],
)
def test_what_was_not_scraped_is_not_checked(name: str, words: str, url: str) -> None:
    with pytest.raises(CouldNotLookError, match=words):
        failures(name, url)


def test_too_many_failures_are_red_in_spite_of_a_gap(url: str) -> None:
    with pytest.raises(Finding):
        failures("failing-gap", url)


def lag(name: str, url: str, source: str = "source") -> None:
    judged_lag(weekly_metrics.lag(pipeline(name, url, source), NOW))


@pytest.mark.parametrize("name", ["healthy", "failing", "restarted", "gap-before"])
def test_a_low_lag_is_green(name: str, url: str) -> None:
    lag(name, url)


def test_a_lag_that_another_exporter_measures_counts(url: str) -> None:
    lag("healthy", url, source="mapped")


def test_a_high_average_is_red_beside_that_of_the_week_before(url: str) -> None:
    with pytest.raises(Finding) as raised:
        lag("slow", url)

    assert [(d.subject, d.found, d.detail) for d in raised.value.differences] == [
        ("source, records", "20,000.0 records on average", "the week before: 100.0"),
        ("sink, records", "20,001.0 records on average", "the week before: 101.0"),
    ]


def test_a_much_higher_average_than_before_is_a_warning(url: str) -> None:
    with pytest.raises(Concern) as raised:
        lag("slower", url)
    assert [d.subject for d in raised.value.differences] == ["source, records", "sink, records"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gap", "last 7 days: source, records: no samples for 4.8 h.*; sink, records: no samples for 4.8 h"),
        ("nobody", "source, records: no samples at all"),
        ("dead", "no samples for"),
        ("bounded", "too high to be counted whole"),
    ],
)
def test_a_lag_that_was_not_measured_is_not_checked(name: str, words: str, url: str) -> None:
    with pytest.raises(CouldNotLookError, match=words):
        lag(name, url)


def test_the_server_says_how_long_it_keeps_data(url: str) -> None:
    assert PrometheusServer(HttpService(url=url)).retention() == "1y"


def test_without_prometheus_nothing_is_known() -> None:
    with pytest.raises(UsageError):
        weekly_metrics.failures(pipeline_of("orders"), NOW)
    with pytest.raises(UnreachableError):
        failures("healthy", "http://127.0.0.1:9")
    with serving({}) as server, pytest.raises(UnexpectedAnswerError):
        lag("healthy", server.url)
