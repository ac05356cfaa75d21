"""The exporter's first page, over HTTP: what it links, what it serves, and what nobody gets from it."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.monitoring.exporter import server as serving
from cdcproof.monitoring.exporter.identity import up
from cdcproof.monitoring.exporter.landing import Landing, is_loopback
from cdcproof.monitoring.exporter.probe import Line
from cdcproof.monitoring.exporter.series import Collector, Metric
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.report.result import Report, TableResult, TableStatus, write
from tests.pipelines import pipeline_of

START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
LINES = (Line("Kafka"), Line("The source", "It <b>refused</b> us.", 'GRANT pg_monitor TO "x";'))


class Fixed(Collector):
    def collect(self) -> Iterator[Metric]:
        yield up({"reports": True})


class Broken(Collector):
    def collect(self) -> Iterator[Metric]:
        yield up({"reports": True})
        raise ValueError("in the middle of it")


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    made = pipeline_of("orders", paths={"reconciliation_reports": str(tmp_path / "reconciliation_reports")})
    for number in range(3):
        write(report(number), made.paths.reconciliation_reports)
    (made.paths.reports).mkdir()
    (made.paths.reports / "morning.html").write_text("<p>good morning</p>")
    return made


def report(number: int, **changes: str) -> Report:
    at = (START + timedelta(hours=number)).isoformat()
    source, target = "sqlserver://h:1/warehouse_source", "postgresql://h:1/warehouse_target"
    tables = (TableResult("orders", TableStatus.MATCH, 10, 10, True),)
    return replace(Report(f"run {number}", at, at, source, target, "m", tables), **changes)


@contextmanager
def served(pipeline: Pipeline, host: str = "127.0.0.1", collector: Collector | None = None) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving.bind("127.0.0.1", "exporters.reconciliation_url", f"http://127.0.0.1:{port}/metrics") as server:
        server.serve(collector or Fixed(), Landing(pipeline, host, lambda: LINES).answer)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield port
        server.shutdown()
        thread.join()


def get(port: int, path: str, host: str = "127.0.0.1", method: str = "GET") -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", f"{host}:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def newest(pipeline: Pipeline) -> Path:
    return max(pipeline.paths.reconciliation_reports.glob("*.json"))


def test_the_first_page_links_both_metrics_and_the_newest_reports_and_says_what_did_not_answer(
    pipeline: Pipeline,
) -> None:
    with served(pipeline) as port:
        status, page, headers = get(port, "/")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        for url in (pipeline.exporters.reconciliation_url, pipeline.exporters.connect_url):
            assert f'href="{url}"' in page
        assert page.index("morning.html") < page.index(newest(pipeline).name)
        for path in pipeline.paths.reconciliation_reports.glob("*.json"):
            assert f'href="/reports/{path.name}"' in page
        assert "It &lt;b&gt;refused&lt;/b&gt; us." in page
        assert "GRANT pg_monitor TO &#34;x&#34;;" in page
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        status, text, headers = get(port, "/metrics")
        assert (status, 'cdcproof_exporter_up{service="reports"} 1.0' in text) == (200, True)


def test_reports_are_served_as_they_are(pipeline: Pipeline) -> None:
    with served(pipeline) as port:
        status, text, headers = get(port, f"/reports/{newest(pipeline).name}")
        assert (status, text) == (200, newest(pipeline).read_text())
        assert headers["Content-Type"] == "application/json"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert get(port, "/reports/morning.html")[1] == "<p>good morning</p>"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "..%5csecret.txt", "/etc/passwd", "%2fetc%2fpasswd",
        "", ".", "..", "exporter-state.json", "secret.json", "%00", "reconciliation_report_link.json",
        "./morning.html", "morning.html/", "MORNING.HTML",
    ],
)  # fmt: skip
def test_no_other_file_is_served(pipeline: Pipeline, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("never to be seen")
    folder = pipeline.paths.reconciliation_reports
    (folder / "secret.json").write_text("never to be seen")
    (pipeline.paths.reports / "exporter-state.json").write_text("never to be seen")
    (folder / "reconciliation_report_link.json").symlink_to(newest(pipeline))
    with served(pipeline) as port:
        status, text, _ = get(port, f"/reports/{name}")
        assert status == 404
        assert "never" not in text
        assert "link.json" not in get(port, "/")[1]


def test_reports_of_another_pipeline_are_neither_listed_nor_served(pipeline: Pipeline) -> None:
    other = write(report(5, pipeline="other"), pipeline.paths.reconciliation_reports)
    elsewhere = write(report(6, source="sqlserver://staging:1/w"), pipeline.paths.reconciliation_reports)
    with served(pipeline) as port:
        page = get(port, "/")[1]
        for path in (other, elsewhere):
            assert path.name not in page
            assert get(port, f"/reports/{path.name}")[0] == 404


def test_beyond_loopback_reports_are_named_and_not_served(pipeline: Pipeline) -> None:
    with served(pipeline, host="0.0.0.0") as port:
        page = get(port, "/")[1]
        assert newest(pipeline).name in page
        assert 'href="/reports/' not in page
        assert str(pipeline.paths.reconciliation_reports) in page
        assert get(port, f"/reports/{newest(pipeline).name}")[0] == 404


def test_a_name_that_a_browser_bound_to_this_machine_gets_no_report(pipeline: Pipeline) -> None:
    with served(pipeline) as port:
        assert get(port, f"/reports/{newest(pipeline).name}", host="evil.example")[0] == 404
        assert get(port, f"/reports/{newest(pipeline).name}", host="localhost")[0] == 200
        assert get(port, "/metrics", host="prometheus-sees-me-as")[0] == 200


def test_another_path_is_not_found_and_another_method_not_allowed(pipeline: Pipeline) -> None:
    with served(pipeline) as port:
        assert get(port, "/metrics/x")[0] == 404
        assert get(port, "/", method="POST")[0] == 405
        assert get(port, "/metrics", method="DELETE")[0] == 405


def test_a_directory_that_is_not_there_leaves_a_page_without_reports(pipeline: Pipeline, tmp_path: Path) -> None:
    gone = pipeline_of("orders", paths={"reconciliation_reports": str(tmp_path / "gone" / "reconciliation_reports")})
    with served(gone) as port:
        status, page, _ = get(port, "/")
    assert status == 200
    assert "<li>none</li>" in page


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("[::1]", True), ("localhost", True), ("127.8.8.8", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.5", False), ("exporter.example", False), ("", False)],
)  # fmt: skip
def test_what_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_page_is_whole_or_not_there_and_no_traceback_is_printed(
    pipeline: Pipeline, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(pipeline, collector=Broken()) as port:
        status, text, _ = get(port, "/metrics")
    assert (status, text) == (500, "Internal error: see the log of cdcproof exporter.\n")
    assert capfd.readouterr().err == "cdcproof exporter: ValueError: in the middle of it\n"
