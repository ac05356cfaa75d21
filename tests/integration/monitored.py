"""The pipeline with exporters and a Prometheus of its own, which scrapes every other second."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments.embedded.environment import Embedded
from cdcproof.monitoring.dashboards import answers
from cdcproof.monitoring.dashboards.answers import Scope
from cdcproof.monitoring.exporter.connectors import ConnectorCollector
from cdcproof.monitoring.exporter.reconciliation import ReconciliationCollector
from cdcproof.monitoring.exporter.series import Collector, Metric, gauge
from cdcproof.monitoring.exporter.server import bind
from cdcproof.pipeline.model import HttpService
from tests.integration.conftest import INSTANCE, ROOT, Pipelines, eventually, free_ports

SCRAPE_SECONDS = 2


def prometheus_program() -> str:
    """Where Prometheus is; without it the test is skipped by name."""
    found = shutil.which(
        "prometheus", path=f"{os.environ.get('CDCPROOF_TEST_BIN', '')}{os.pathsep}{os.environ['PATH']}"
    )
    if found is None:
        pytest.skip("prometheus is neither on PATH nor in $CDCPROOF_TEST_BIN (apt-get install it)")
    return found


class _Jmx(Collector):
    """What the JMX exporter of a Connect worker serves of errors: the embedded worker has none."""

    errors = 0

    def collect(self) -> Iterable[Metric]:
        name = "kafka_connect_task_error_metrics_total_record_errors"
        yield gauge(name, "Errors.", {("postgres-sink-connector", "0"): self.errors}, "connector", "task")


class Monitored:
    """Runs while entered."""

    def __init__(self, pipelines: Pipelines, folder: Path) -> None:
        self._folder = folder
        self.pipeline = pipelines.located()
        self.jmx = _Jmx()
        self.started = 0.0
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with self._running as running:  # a start that fails half-way leaves nothing running
            port, *ports = free_ports(4)
            addresses = [f"http://127.0.0.1:{own}/metrics" for own in ports]
            self.exporters = addresses[:2]
            collectors = (
                ReconciliationCollector(self.pipeline, self._folder / "exporter-state.json"),
                ConnectorCollector(self.pipeline, Embedded(INSTANCE)),
                self.jmx,
            )
            for address, collector in zip(addresses, collectors, strict=True):
                server = running.enter_context(bind("127.0.0.1", "test", address))
                server.serve(collector, _nothing)
                threading.Thread(target=server.serve_forever, daemon=True).start()
                running.callback(server.shutdown)
            self.url = f"http://127.0.0.1:{port}"
            self.prometheus = PrometheusServer(HttpService(url=self.url))
            running.callback(_ended, self._prometheus(port, ports))
            self.started = time.time()
            self.eventually("cdcproof_exporter_info", lambda found: len(found) == 2, "the first scrape")
            self._running = running.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    @property
    def scope(self) -> Scope:
        """All that was seen until now, as `cdcproof dashboard` would ask for it."""
        return answers.scope(self.prometheus, "embedded", self.started, time.time())

    def eventually(self, expression, holds, what):
        """Wait until Prometheus has scraped it."""

        def look():
            try:
                return self.prometheus.query(expression)
            except CouldNotLookError:
                return {}  # it has not started yet

        return eventually(look, holds, what=what, seconds=30)

    def value(self, expression: str) -> float:
        """The one value of an expression now."""
        [value] = self.prometheus.query(expression).values()
        return value

    def _prometheus(self, port: int, scraped: list[int]) -> subprocess.Popen[bytes]:
        targets = ", ".join(f"'127.0.0.1:{own}'" for own in scraped)
        (self._folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: {SCRAPE_SECONDS}s, scrape_timeout: {SCRAPE_SECONDS}s, "
            f"evaluation_interval: {SCRAPE_SECONDS}s}}\n"
            f"rule_files: ['{ROOT / 'monitoring/prometheus/rules/mapping.yml'}']\n"
            f"scrape_configs: [{{job_name: cdc, static_configs: [{{targets: [{targets}]}}]}}]\n"
        )
        log = self._running.enter_context((self._folder / "prometheus.log").open("wb"))
        return subprocess.Popen(
            [
                prometheus_program(),
                f"--config.file={self._folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            stdout=log,
            stderr=log,
        )


def _nothing(_environ: object, start: Callable[[str, list[tuple[str, str]]], object]) -> list[bytes]:
    """What these exporters have beside their metrics."""
    start("404 Not Found", [])
    return []


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(20)
