"""The exporter as it is run: a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdcproof.clients.prometheus import scrape
from cdcproof.core.errors import UnexpectedAnswerError, UnreachableError
from cdcproof.core.waiting import wait_until
from cdcproof.observations.reconciliation.exporter_page import demand_own
from cdcproof.onboarding.pipeline_file import text_of
from cdcproof.pipeline.model import Pipeline
from tests.canned import EXPANDED, connector, serving
from tests.pipelines import pipeline_of

PROGRAM = [sys.executable, "-m", "cdcproof", "exporter", "--pipeline", "p.toml"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    ports = free_port(), free_port()
    exporters = {
        "reconciliation_url": f"http://127.0.0.1:{ports[0]}/metrics",
        "connect_url": f"http://127.0.0.1:{ports[1]}/metrics",
    }
    (tmp_path / "reconciliation_reports").mkdir()
    with serving({EXPANDED: (200, {"sink": connector("sink", {"name": "sink"}, tasks=("RUNNING",) * 2)})}) as server:
        pipeline = pipeline_of("orders", exporters=exporters, connect={"url": server.url})
        (tmp_path / "p.toml").write_text(text_of(pipeline))
        yield pipeline


@contextmanager
def running(folder: Path, pipeline: Pipeline) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(PROGRAM, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(
            lambda: scrape(pipeline.exporters.connect_url),
            lambda _: True,
            what="the exporter",
            deadline_seconds=30,
        )
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)
        assert process.stderr
        process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_both_ports_and_stops_clean_when_asked(
    tmp_path: Path, pipeline: Pipeline, number: signal.Signals
) -> None:
    with running(tmp_path, pipeline) as process:
        seen = scrape(pipeline.exporters.connect_url).labelled("connector_state", "connector")
        assert seen == {"source": 0.0, "sink": 1.0}
        rows = scrape(pipeline.exporters.reconciliation_url).labelled(
            "reconciliation_row_count_mismatch_total", "table"
        )
        assert rows == {"orders": 0.0}
        process.send_signal(number)
        _, told = process.communicate(timeout=10)
        assert process.returncode == 0
        assert "Traceback" not in told
    with pytest.raises(UnreachableError):
        scrape(pipeline.exporters.connect_url)


def test_another_path_is_not_found_and_the_content_type_is_prometheus(tmp_path: Path, pipeline: Pipeline) -> None:
    with running(tmp_path, pipeline):
        with urllib.request.urlopen(pipeline.exporters.connect_url) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(pipeline.exporters.connect_url + "/x")


def test_counters_survive_a_kill(tmp_path: Path, pipeline: Pipeline) -> None:
    broken = tmp_path / "reconciliation_reports" / "reconciliation_report_20261123_060000.json"
    (tmp_path / "reports").mkdir()
    state = tmp_path / "reports" / "exporter-state.json"
    url = pipeline.exporters.reconciliation_url
    with running(tmp_path, pipeline):
        assert scrape(url).labelled("reconciliation_runs_total", "status")["failure"] == 0
    kept = (
        state.read_text()
        .replace('"failure": 0', '"failure": 7')
        .replace('"counted": []', f'"counted": ["{broken.name}"]')
    )
    state.write_text(kept)
    broken.write_text("{")  # counted already, so it is not read
    with running(tmp_path, pipeline):
        assert scrape(url).labelled("reconciliation_runs_total", "status")["failure"] == 7


def test_a_pipeline_file_that_has_changed_since_the_start_is_not_passed_over(
    tmp_path: Path, pipeline: Pipeline
) -> None:
    urls = (pipeline.exporters.reconciliation_url, pipeline.exporters.connect_url)
    file, text = tmp_path / "p.toml", (tmp_path / "p.toml").read_text()
    changed = text.replace("t.orders", "t.other")
    assert changed != text

    def unchanged() -> set[float]:
        return {scrape(url).labelled("cdcproof_exporter_up", "service")["pipeline_file"] for url in urls}

    def problems() -> list[str]:
        found = []
        for url, service in zip(urls, ("reports", "deployments"), strict=True):
            try:
                demand_own(scrape(url), pipeline, datetime.now(UTC), [service])
            except UnexpectedAnswerError as error:
                found.append(error.message)
        return found

    with running(tmp_path, pipeline):
        assert (unchanged(), problems()) == ({1.0}, [])
        file.write_text(f"# says the same\n{text}")
        assert (unchanged(), problems()) == ({1.0}, [])
        for other in (changed, "no TOML"):
            file.write_text(other)
            assert unchanged() == {0.0}
            assert len([problem for problem in problems() if "it has changed, or cannot be read" in problem]) == 2
            page = urllib.request.urlopen(urls[0].removesuffix("metrics")).read().decode()
            assert str(file) in page
        file.unlink()
        assert unchanged() == {0.0}
        file.write_text(text)
        assert (unchanged(), problems()) == ({1.0}, [])
        file.write_text(changed)
    with running(tmp_path, pipeline):
        assert unchanged() == {1.0}


def test_a_port_in_use_is_named_and_the_state_is_not_touched(tmp_path: Path, pipeline: Pipeline) -> None:
    port = int(pipeline.exporters.connect_url.split(":")[2].split("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        done = subprocess.run(PROGRAM, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert f"Port {port} at 127.0.0.1, needed for exporters.connect_url, is in use." in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "reports").exists()


def test_a_state_that_cannot_be_written_is_named(tmp_path: Path, pipeline: Pipeline) -> None:
    state = "/proc/cdcproof/state.json"  # not even root can write there
    done = subprocess.run(
        [*PROGRAM, "--state", state], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert f"{state}: The exporter's state cannot be written" in done.stderr
