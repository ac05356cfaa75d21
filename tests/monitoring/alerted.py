"""A Prometheus with our rules, an Alertmanager with our routes, a Pushgateway, and a receiver that gets what people would get."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import yaml
from prometheus_client.core import GaugeMetricFamily

from cdcproof.clients.http import Http
from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.waiting import wait_until
from cdcproof.environments.embedded import folders
from cdcproof.environments.embedded.services import alertmanager, pushgateway
from cdcproof.environments.embedded.state import Instance
from cdcproof.monitoring.exporter.series import Collector, Metric
from cdcproof.monitoring.exporter.server import bind
from cdcproof.pipeline.model import HttpService
from tests.canned import Canned, serving
from tests.monitoring.test_rules import ROOT
from tests.programs import program

PAGER, SLACK, HEARTBEAT = "POST /v2/enqueue", "POST /slack", "POST /heartbeat"
PACE = 300
"""Seconds of a rule's text that are one second of the test."""
_LEAST_SECONDS = {"for": 1, "range": 12}
"""An exporter that hangs is scraped every five seconds, and two samples have to be within a range."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _scrape_seconds(job: str) -> str:
    """At this pace one scrape that fails is ExporterDown: what must not fail may take a busy machine's time to answer."""
    return "5s" if job in ("connectors", "pushgateway") else "1s"


def hurried(rules: str) -> str:
    """The text of rules at the test's pace: `for:`, ranges and offsets are divided by `PACE`. Nothing else differs from production."""

    def shorter(text: str, least: int) -> str:
        seconds = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))
        return f"{max(least, seconds // PACE)}s"

    rules = re.sub(r"\b(for|interval): (\w+)", lambda m: f"{m[1]}: {shorter(m[2], _LEAST_SECONDS['for'])}", rules)
    return re.sub(r"(\[|\boffset )(\d+[smhd])", lambda m: m[1] + shorter(m[2], _LEAST_SECONDS["range"]), rules)


@dataclass(frozen=True)
class Message:
    """What one of the receivers got: of which alert, and whether it fires."""

    to: str
    alert: str
    pipeline: str
    fires: bool
    text: str


def messages(receiver: Canned) -> list[Message]:
    """All that have come until now."""
    return [_read(body) for body in list(receiver.bodies)]


def _read(body: Any) -> Message:
    if "routing_key" in body:
        said = body["payload"]
        text = said["custom_details"]["alerts"]
        return Message(
            body["routing_key"], said["class"], said.get("component", ""), body["event_action"] == "trigger", text
        )
    if "attachments" in body:
        [attachment] = body["attachments"]
        found = re.fullmatch(r"\[(\w+)[ \d]*\] (ESCALATED )?(\w+)(?: in (.+))?", attachment["title"])
        assert found, attachment["title"]
        return Message(body["channel"], found[3], found[4] or "", found[1] == "FIRING", attachment["text"])
    return Message(HEARTBEAT, body["commonLabels"]["alertname"], "", True, "")


class Made(Collector):
    """A page of series as they would be in other pipelines: `now` may be changed at any time. A value of None is not served."""

    def __init__(self) -> None:
        self.now: Mapping[tuple[str, tuple[tuple[str, str], ...]], float | Callable[[], float] | None] = {}

    def collect(self) -> Iterable[Metric]:
        for name in sorted({name for name, _ in self.now}):
            of_name = {labels: value for (one, labels), value in self.now.items() if one == name and value is not None}
            for names in sorted({tuple(label for label, _ in labels) for labels in of_name}):
                family = GaugeMetricFamily(name, "Made.", labels=names)
                for labels, value in of_name.items():
                    if tuple(label for label, _ in labels) == names:
                        family.add_metric([text for _, text in labels], value() if callable(value) else value)
                yield family


class Alerted:
    """Runs from `start` to `close`. `history` are samples of the past, in the format of OpenMetrics."""

    def __init__(self, folder: Path, receiver: Canned, history: str = "") -> None:
        self._folder = folder
        self._receiver = receiver
        self._history = history
        self._running = ExitStack()
        self.made = Made()
        self.gateway = HttpService(url="http://unknown")

    def start(
        self,
        pages: Sequence[tuple[str, Collector, Mapping[str, str]]] = (),
        exporters: Mapping[str, str] | None = None,
    ) -> Self:
        """`pages` are served here: a job, its collector, the labels of its target. `exporters` run already: a job to its address, of ours."""
        with self._running as running:  # a start that fails half-way leaves nothing running
            served = [*pages, ("made", self.made, {})]
            own = free_ports(3 + len(served))
            ports = dict(zip(("prometheus", "alertmanager", "pushgateway"), own, strict=False))
            targets: dict[str, list[dict[str, Any]]] = {}
            for port, (job, collector, labels) in zip(own[3:], served, strict=True):
                server = running.enter_context(bind("127.0.0.1", "test", f"http://127.0.0.1:{port}/metrics"))
                server.serve(collector, _nothing)
                threading.Thread(target=server.serve_forever, daemon=True).start()
                running.callback(server.shutdown)
                targets.setdefault(job, []).append({"targets": [f"127.0.0.1:{port}"], "labels": dict(labels)})
            for job, address in (exporters or {}).items():
                targets.setdefault(job, []).append({"targets": [address], "labels": {"pipeline": "embedded"}})
            targets["pushgateway"] = [{"targets": [f"127.0.0.1:{ports['pushgateway']}"]}]
            instance = self._instance(ports)
            self._run(
                "pushgateway",
                [*pushgateway.command(instance)[:1], f"--web.listen-address=127.0.0.1:{ports['pushgateway']}"],
            )
            gateway = Http("Pushgateway", f"http://127.0.0.1:{ports['pushgateway']}")
            ready = lambda: gateway.get_json("/api/v1/status")  # noqa: E731
            wait_until(ready, bool, what="the Pushgateway, which would be missed,", deadline_seconds=20)
            self._run("prometheus", self._prometheus(ports, targets))
            self.gateway = HttpService(url=f"http://127.0.0.1:{ports['pushgateway']}")
            self.alertmanager = Http("Alertmanager", f"http://127.0.0.1:{ports['alertmanager']}")
            self.prometheus_url = f"http://127.0.0.1:{ports['prometheus']}"
            self._wait_for_all_targets(sum(len(found) for found in targets.values()))
            self._run("alertmanager", self._alertmanager(instance))
            self._running = running.pop_all()
        return self

    def _instance(self, ports: Mapping[str, int]) -> Instance:
        """What the embedded pipeline's configuration of Alertmanager is written for: a folder and ports."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", str(self._folder))
            folders.make("alerts")
            return Instance("alerts", dict(ports), monitoring=True)

    def close(self) -> None:
        self._running.close()

    # ---- looks ----

    def alerts(self, pipeline: str | None = None) -> list[dict[str, Any]]:
        """What Alertmanager has now, of one pipeline or all."""
        try:
            found = self.alertmanager.get_json("/api/v2/alerts")
        except CouldNotLookError:  # it has not started yet
            return []
        return [one for one in found if pipeline is None or one["labels"].get("pipeline", "") == pipeline]

    def names(self, pipeline: str, *states: str) -> set[str]:
        """The names of a pipeline's alerts in these states; ``active`` are those that reach somebody."""
        return {
            a["labels"]["alertname"] for a in self.alerts(pipeline) if a["status"]["state"] in (states or ("active",))
        }

    def fires(self, name: str, pipeline: str, *, seconds: float = 40, **labels: str) -> None:
        """Wait until this alert is active with exactly these labels (`instance` and `source`, `target` may be any), and has reached its receivers."""
        wanted = {"alertname": name, "pipeline": pipeline, **labels}

        def found() -> list[dict[str, Any]]:
            return [
                a["labels"]
                for a in self.alerts(pipeline)
                if a["labels"]["alertname"] == name and a["status"]["state"] == "active"
            ]

        wait_until(
            lambda: [_told_apart(one) for one in found()],
            lambda seen: _told_apart(wanted) in seen,
            what=f"{wanted} to be active",
            deadline_seconds=seconds,
        )
        self.told(name, pipeline, receivers(wanted), fires=True)

    def ends(self, name: str, pipeline: str, *, seconds: float = 40) -> None:
        """Wait until everybody who was woken knows that it is over."""
        to = {m.to for m in messages(self._receiver) if (m.alert, m.pipeline) == (name, pipeline) and m.fires}
        assert to, f"nobody was told of {name} in {pipeline}"
        self.told(name, pipeline, to, fires=False, seconds=seconds)

    def told(self, name: str, pipeline: str, to: set[str], *, fires: bool, seconds: float = 30) -> None:
        """Wait until each of these receivers got such a message: one that it fires, or, as the newest, that it is over."""

        def who() -> set[str]:
            of_it = [m for m in messages(self._receiver) if (m.alert, m.pipeline) == (name, pipeline)]
            if fires:
                return {m.to for m in of_it if m.fires}
            return {receiver for receiver, over in {m.to: not m.fires for m in of_it}.items() if over}

        what = f"{name} in {pipeline} {'to reach' if fires else 'to end for'} {sorted(to)}"
        wait_until(who, lambda found: found == to, what=what, deadline_seconds=seconds)

    # ---- what runs ----

    def _wait_for_all_targets(self, targets: int) -> None:
        """Prometheus scrapes first after five seconds, which at this pace is ExporterDown: until it is over, nobody is told."""
        server = PrometheusServer(HttpService(url=self.prometheus_url))

        def scraped() -> tuple[bool, str]:
            try:
                down = server.query('ALERTS{alertname="ExporterDown"}')
                return len(server.query("up == 1")) == targets and not down, f"down: {down}"
            except CouldNotLookError as error:  # it has not started yet
                return False, str(error)

        what = f"{targets} targets to be scraped"
        wait_until(scraped, lambda found: found[0], what=what, deadline_seconds=40)

    def _run(self, name: str, command: list[str]) -> None:
        log = self._running.enter_context((self._folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        self._running.callback(_ended, process)

    def _alertmanager(self, instance: Any) -> list[str]:
        """Production's routes, groups and mutes, with seconds to wait instead of minutes, and every receiver at one address."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", str(self._folder))
            patch.setenv(alertmanager.ALERTS_URL, self._receiver.url)
            command = alertmanager.command(instance)
        place = next(number for number, word in enumerate(command) if word.startswith("--config.file="))
        config = json.loads(Path(command[place].partition("=")[2]).read_text())
        config["route"] |= {"group_wait": "2s", "group_interval": "1s"}
        path = self._folder / "alertmanager.yml"
        path.write_text(json.dumps(config))
        command[place] = f"--config.file={path}"
        return [
            word if not word.startswith("--storage.path=") else f"--storage.path={self._folder / 'am'}"
            for word in command
        ]

    def _prometheus(self, ports: Mapping[str, int], targets: Mapping[str, list[dict[str, Any]]]) -> list[str]:
        rules, data = self._folder / "rules", self._folder / "data"
        rules.mkdir()
        for path in (ROOT / "monitoring/prometheus/rules").glob("*.yml"):
            (rules / path.name).write_text(hurried(path.read_text()))
        if self._history:
            samples = self._folder / "history.txt"
            samples.write_text(self._history)
            tool = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(samples), str(data)]
            subprocess.run(tool, check=True, capture_output=True, timeout=60)
        jobs = [
            {
                "job_name": job,
                "honor_labels": True,
                "scrape_interval": _scrape_seconds(job),
                "scrape_timeout": _scrape_seconds(job),
                "static_configs": found,
            }
            for job, found in targets.items()
        ]
        config = {
            "global": {"evaluation_interval": "1s"},
            "rule_files": [f"{rules}/*.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{ports['alertmanager']}"]}]}]},
            "scrape_configs": jobs,
        }
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        return [
            program("prometheus"),
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=1y",
            "--rules.alert.resend-delay=2s",  # what fires before it has found Alertmanager is lost, and sent again
            f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
            "--log.level=warn",
        ]


@contextmanager
def receiving() -> Iterator[Canned]:
    """What PagerDuty, Slack and a heartbeat service answer. Skips by name where Alertmanager cannot run."""
    with pytest.MonkeyPatch.context() as patch:
        programs_on_path(patch)
        with serving({PAGER: (202, {"status": "success"}), SLACK: (200, b"ok"), HEARTBEAT: (200, b"")}) as server:
            yield server


def receivers(labels: Mapping[str, str]) -> set[str]:
    """Whom an alert reaches by the table *Where alerts go* in docs/MONITORING.md."""
    levels = {"EscalateToTeamLead": "team-lead-", "EscalateToInfrastructureManager": "infrastructure-manager-"}
    if labels["alertname"] in levels:
        return {f"pagerduty-{levels[labels['alertname']]}routing-key"}
    channel = "#infrastructure" if labels.get("team") == "infrastructure" else "#database-ops"
    return {channel, "pagerduty-routing-key"} if labels["severity"] == "critical" else {channel}


def programs_on_path(patch: pytest.MonkeyPatch) -> None:
    """Alertmanager and the others, where the code looks for them; skips by name where one cannot run."""
    names = ("prometheus", "prometheus-alertmanager", "prometheus-pushgateway")
    binaries = {str(Path(program(name)).parent) for name in names}
    patch.setenv("PATH", os.pathsep.join([*binaries, os.environ["PATH"]]))
    if alertmanager.hindrance():
        pytest.skip(alertmanager.hindrance())


def free_ports(number: int) -> list[int]:
    """Ports that nobody uses now."""
    with ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [server.getsockname()[1] for server in servers]


def _told_apart(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in labels.items() if name not in ("instance", "source", "target")}


def _nothing(_environ: object, start: Callable[[str, list[tuple[str, str]]], object]) -> list[bytes]:
    start("404 Not Found", [])
    return []


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(20)
