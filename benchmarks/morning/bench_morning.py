"""Measure `pytest -m morning`: on a healthy pipeline, with everything down, and with addresses that accept and never answer.

    python -m benchmarks.morning.bench_morning --runs 5

Run it from the project's folder while nothing else runs. Uses an instance of its own and removes it. Prints a Markdown table of medians.
"""

from __future__ import annotations

import argparse
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.embedded.instance import own_instance
from cdcproof.environments.embedded import lifecycle

NAME = "bench-morning"
SERVICES = ("postgres-source", "postgres", "zookeeper", "kafka", "schema-registry", "kafka-connect")


def morning(reports: Path, *options: str) -> float:
    """Seconds of a whole run, as an operator waits for it: from the command to the prompt."""
    started = time.monotonic()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-m",
            "morning",
            f"--reports-dir={reports}",
            "-p",
            "no:cacheprovider",
            *options,
        ],
        stdout=subprocess.DEVNULL,
        check=False,
        timeout=300,
    )
    return time.monotonic() - started


def silent_pipeline(folder: Path, stack: ExitStack) -> Path:
    """The runbook's pipeline at addresses that accept connections and never say a word."""
    text = Path("fixtures/pipelines/embedded.toml").read_text(encoding="utf-8").replace('"embedded"', '"live"')
    for port in ("5432", "5433", "8083", "9092", "8081", "9103", "9104"):
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
        text = text.replace(port, str(listener.getsockname()[1]))
    for name, scheme in (("postgres-source", "tcp"), ("postgres", "tcp"), ("zookeeper", "tcp"), ("kafka", "tcp"),
                         ("schema-registry", "http"), ("kafka-connect", "http")):  # fmt: skip
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
        endpoint = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        text = text.replace(f'name = "{name}"\n', f'name = "{name}"\nendpoint = "{endpoint}"\n')
    path = folder / "silent.toml"
    path.write_text(text, encoding="utf-8")
    return path


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = range(parser.parse_args().runs)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        reports = Path(folder) / "reports"
        stack.enter_context(own_instance(NAME))
        subprocess.run(
            [sys.executable, "-m", "cdcproof", "reconcile", "--pipeline", "embedded"], check=True, capture_output=True
        )
        figures = {
            "healthy pipeline": [morning(reports) for _ in runs],
            "healthy pipeline, `-n 4`": [morning(reports, "-n", "4") for _ in runs],
        }
        for service in SERVICES:
            lifecycle.kill(NAME, service)
        figures["everything down"] = [morning(reports) for _ in runs]
        silent = silent_pipeline(Path(folder), stack)
        figures["everything accepts and never answers"] = [morning(reports, f"--pipeline={silent}") for _ in runs]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, median of {len(runs)}\n")
    print("| `pytest -m morning` | seconds |\n|---|---|")
    for what, seconds in figures.items():
        print(f"| {what} | {statistics.median(seconds):.1f} |")


if __name__ == "__main__":
    main()
