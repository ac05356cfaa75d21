"""A real Prometheus on loopback with samples of the past, made by ``promtool tsdb create-blocks-from openmetrics``."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from cdcproof.core.waiting import wait_until

Value = Callable[[float], float | None]
"""Seconds before now to the value; None where nothing was scraped."""


@dataclass(frozen=True)
class Backfill:
    """One series, by what its value was."""

    name: str
    labels: Mapping[str, str]
    value: Value


@contextmanager
def prometheus(series: Iterable[Backfill], folder: Path, *, now: float, days: int, step_seconds: int) -> Iterator[str]:
    """Serve these series, with a sample every `step_seconds` of the last `days`; its URL. Skips where Prometheus is not there."""
    search = os.pathsep.join([os.environ.get("CDCPROOF_TEST_BIN", ""), os.environ["PATH"]])
    server, tool = (shutil.which(name, path=search) for name in ("prometheus", "promtool"))
    if server is None or tool is None:
        pytest.skip(
            "prometheus and promtool are neither on PATH nor in $CDCPROOF_TEST_BIN (apt-get install prometheus)"
        )
    text = folder / "samples.txt"
    with text.open("w") as file:
        for one in series:
            labels = ",".join(f'{name}="{value}"' for name, value in one.labels.items())
            for ago in range(days * 86_400, -1, -step_seconds):
                value = one.value(ago)
                if value is not None:
                    file.write(f"{one.name}{{{labels}}} {value} {now - ago:.3f}\n")
        file.write("# EOF\n")
    data, config = folder / "data", folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1m}\n")
    command = [tool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=768h", str(text), str(data)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(
            [
                server,
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=1y",
                f"--web.listen-address={url.removeprefix('http://')}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: _is_ready(url), bool, what="Prometheus to be ready", deadline_seconds=30)
        yield url
    finally:
        running.terminate()
        running.wait(20)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=2).ok
    except requests.RequestException:
        return False
