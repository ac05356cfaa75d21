"""Prometheus with our rules and Alertmanager with our routes beside the running pipeline, and a receiver of what people would get."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.canned import Canned
from tests.integration.conftest import Pipelines, eventually
from tests.monitoring.alerted import Alerted, receiving
from tests.monitoring.test_alerts_reach import push_schedule

OURS = "embedded"


@contextmanager
def alerting(pipelines: Pipelines, folder: Path) -> Iterator[tuple[Alerted, Canned]]:
    """The alerts of a pipeline in which nothing is missed: it was reconciled, and all that is scheduled has run. At the end it is healed."""
    pipelines.forget_reports()
    pipelines.report()
    exporters = pipelines.located().exporters
    addresses = {"reconciliation": exporters.reconciliation_url, "connectors": exporters.connect_url}
    with receiving() as receiver:
        alerted = Alerted(folder, receiver).start(exporters={job: _address(url) for job, url in addresses.items()})
        try:
            eventually(lambda: alerted.names(""), lambda found: "Watchdog" in found, what="the watchdog")
            push_schedule(alerted, OURS, folder / "schedule")
            yield alerted, receiver
        finally:
            alerted.close()
            pipelines.heal()
            pipelines.count_afresh()


def _address(url: str) -> str:
    return url.removeprefix("http://").removesuffix("/metrics")
