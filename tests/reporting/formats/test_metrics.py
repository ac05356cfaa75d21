"""The metrics, against a real Pushgateway where there is one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from cdcproof.core.errors import UnexpectedAnswerError, UnreachableError
from cdcproof.core.waiting import wait_until
from cdcproof.findings import Verdict
from cdcproof.pipeline.model import HttpService
from cdcproof.reporting.formats.metrics import push, registry_of, write_text_file
from cdcproof.reporting.record import Run
from tests.plugin_project import FINE, SERVICES_DOWN, Project
from tests.reporting.runs import record_of, run_of

pytest_plugins = "pytester"

RUN = run_of(
    record_of("morning.a"), record_of("morning.b", Verdict.NOT_CHECKED, severity="minor"), record_of("weekly.c")
)


def _registry(run: Run, last_success: dict[str, float]) -> CollectorRegistry:
    records = [record for record in run.steps if record.suite == "morning"]
    return registry_of(run.pipeline, "morning", records, last_success, run.started_at + run.duration_seconds)


def _samples(text: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("check", sample.labels.get("suite", ""))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("cdcproof_")
    }


def test_the_text_file_has_one_suite_and_few_labels(tmp_path: Path) -> None:
    write_text_file(_registry(RUN, {"morning.a": 5.0, "morning.b": 3.0}), tmp_path / "m.prom")

    text = (tmp_path / "m.prom").read_text()
    assert _samples(text) == {
        ("cdcproof_check_status", "morning.a"): 0,
        ("cdcproof_check_status", "morning.b"): 3,
        ("cdcproof_check_duration_seconds", "morning.a"): 0.5,
        ("cdcproof_check_duration_seconds", "morning.b"): 0.5,
        ("cdcproof_check_last_success_timestamp_seconds", "morning.a"): 5,
        ("cdcproof_check_last_success_timestamp_seconds", "morning.b"): 3,
        ("cdcproof_suite_last_run_timestamp_seconds", "morning"): 1_795_000_004.2,
    }
    assert 'check="morning.b",pipeline="example",severity="minor",suite="morning"' in text


def test_a_check_that_never_was_green_has_no_last_success() -> None:
    registry = _registry(RUN, {})

    assert registry.get_sample_value("cdcproof_check_last_success_timestamp_seconds", {"check": "morning.a"}) is None


@pytest.fixture(scope="module")
def pushgateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Pushgateway of our own on a free loopback port."""
    search = os.pathsep.join([os.environ.get("CDCPROOF_TEST_BIN", ""), os.environ["PATH"]])
    binary = shutil.which("prometheus-pushgateway", path=search)
    if binary is None:
        pytest.skip("prometheus-pushgateway is neither on PATH nor in $CDCPROOF_TEST_BIN (apt-get install it)")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("pushgateway") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([binary, f"--web.listen-address=127.0.0.1:{port}"], stdout=output, stderr=output)
    try:
        wait_until(lambda: _is_ready(url), bool, what="the Pushgateway", deadline_seconds=20)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=2).ok
    except requests.ConnectionError:
        return False


def _pushed(url: str) -> dict[tuple[str, str], float]:
    return _samples(requests.get(f"{url}/metrics", timeout=5).text)


def _pushes(url: str) -> float:
    """How many pushes the Pushgateway has taken."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(requests.get(f"{url}/metrics", timeout=5).text)
        for sample in family.samples
        if sample.name == "pushgateway_http_requests_total" and sample.labels["handler"] == "push"
    )


def _push(run: Run, url: str, last_success: dict[str, float]) -> None:
    push(_registry(run, last_success), run.pipeline, "morning", HttpService(url=url))


def test_a_push_replaces_the_verdicts_and_keeps_a_last_success_that_nobody_here_remembers(pushgateway: str) -> None:
    _push(run_of(record_of("morning.a"), record_of("morning.gone")), pushgateway, {"morning.a": 5.0})
    _push(run_of(record_of("morning.a", Verdict.FAILED)), pushgateway, {})

    pushed = _pushed(pushgateway)

    assert pushed["cdcproof_check_status", "morning.a"] == 2
    assert ("cdcproof_check_status", "morning.gone") not in pushed
    assert pushed["cdcproof_check_last_success_timestamp_seconds", "morning.a"] == 5


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_a_run_pushes_where_the_pipeline_says(project: Project, pushgateway: str, arguments: tuple[str, ...]) -> None:
    project.pipeline(extra=f'pushgateway.url = "{pushgateway}"')
    project.checks(FINE, SERVICES_DOWN)
    before = _pushes(pushgateway)

    result = project.run("-m", "morning", *arguments)

    assert result.ret == 1
    assert _pushes(pushgateway) == before + 2  # the verdicts, and when the suite last ran
    pushed = _pushed(pushgateway)
    assert pushed["cdcproof_check_status", "morning.1-services"] == 2
    assert pushed["cdcproof_check_status", "morning.5-disk"] == 0
    assert 'job="cdcproof",pipeline="example"' in requests.get(f"{pushgateway}/metrics", timeout=5).text
    assert not list(project.reports.glob("*.prom"))


def test_a_pushgateway_that_is_away_is_a_warning_and_hides_no_verdict(project: Project) -> None:
    project.pipeline(extra='pushgateway.url = "http://127.0.0.1:9"')
    project.checks(FINE)

    result = project.run("-m", "morning")

    assert result.ret == 0
    assert "The metrics could not be pushed: the Pushgateway at http://127.0.0.1:9 did not take" in result.stdout.str()
    assert "GREEN: 1 passed" in result.stdout.str()


def test_what_goes_wrong_with_a_push_is_our_error(pushgateway: str) -> None:
    with pytest.raises(UnreachableError, match="did not take them"):
        _push(RUN, "http://127.0.0.1:9", {})
    with pytest.raises(UnexpectedAnswerError, match="answered HTTP 404"):
        _push(RUN, f"{pushgateway}/nothing/here", {})
