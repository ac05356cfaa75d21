"""Whole maintenance windows on a real pipeline: a good one, and a change that breaks replication, rolled back to equality."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdcproof.environments.embedded.data import databases
from cdcproof.findings import Verdict
from cdcproof.maintenance import go
from cdcproof.maintenance.window import sha256
from cdcproof.reporting import journal
from tests.integration.conftest import ROOT, Pipelines, eventually
from tests.reporting.runs import record_of, run_of

pytestmark = pytest.mark.integration

SINK = "postgres-sink-connector"
CHANGE = """summary = "larger batches at the sink"
risk = "low"
downtime_minutes = 2
expect = ["connectors/postgres-sink-connector/batch.size = 500"]
"""


class Maintenance:
    """The commands of a window, as an operator gives them."""

    def __init__(self, pipe: Pipelines, folder: Path) -> None:
        self.pipe = pipe
        self.change = folder / "change.toml"
        self.change.write_text(CHANGE)
        self.file = folder / "embedded.toml"
        own = (ROOT / "fixtures/pipelines/embedded.toml").read_text()
        own = own.replace("hop_seconds = 10", "hop_seconds = 5").replace(
            "deadline_seconds = 60", "deadline_seconds = 10"
        )
        self.file.write_text(own)
        self.windows = pipe.located().paths.reports / "maintenance" / "embedded"

    def call(self, *words: str, status: int = 0) -> str:
        done = self.pipe.call("cdcproof", "maintenance", words[0], f"--pipeline={self.file}", *words[1:])
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def plan(self) -> Path:
        begins = datetime.now(UTC) - timedelta(minutes=1)
        self.call("plan", f"--change={self.change}", f"--begins={begins.isoformat()}")
        return max(self.windows.glob("2*"))

    def entries(self) -> list[dict[str, Any]]:
        path = max(self.windows.glob("2*")) / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]

    def set_sink(self, **settings: str) -> None:
        config = dict(self.pipe.connect.states().get(SINK).config)
        self.pipe.connect.put_config(SINK, config | {k.replace("__", "."): v for k, v in settings.items()})


@pytest.fixture
def maintenance(healthy: Pipelines, tmp_path: Path) -> Iterator[Maintenance]:
    healthy.heal()
    done = healthy.call("cdcproof", "baseline", "save")
    assert done.returncode == 0, done.stderr
    yield Maintenance(healthy, tmp_path)
    healthy.count_afresh()  # a report names the mismatch that a window was rolled back for


def test_a_window_from_its_plan_to_its_report(maintenance: Maintenance) -> None:
    pipe = maintenance.pipe
    folder = maintenance.plan()
    red = pipe.checks("premaintenance", f"--pipeline={maintenance.file}")
    assert {s: v for s, v in red.verdicts().items() if v is not Verdict.PASSED} == dict.fromkeys(
        (
            "premaintenance.1-announced",
            "premaintenance.1-approved",
            "premaintenance.2-staging",
            "premaintenance.8-restorable",
        ),
        Verdict.FAILED,
    )
    assert "NO-GO" in red.output
    assert "NO-GO" in maintenance.call("start", status=2)

    # the actions of the four red checks: confirmations and a restore, and the gate leaves its run
    for what in ("announced", "approved", "restored"):
        (line,) = [a for a in red.step(step_of(what)).action if not a.startswith("#")]
        done = pipe.paste(line)
        assert done.returncode == 0, done.stderr
    assert "tables have the rows and checksums of the manifest" in done.stdout
    gate = run_of(record_of("staging.1-connector-files"), pipeline="staging")
    header = (go.change_line("change.toml", sha256(maintenance.change)),)
    journal.write(dataclasses.replace(gate, header=header), pipe.folder / "reports" / "staging")
    (pipe.folder / "reports" / "staging" / "latest.json").unlink()
    green = pipe.checks("premaintenance", f"--pipeline={maintenance.file}")
    assert green.verdicts()["premaintenance.1-announced"] is Verdict.WARNED
    assert green.exit_status == 0, green.output
    assert "\nGO " in green.output

    maintenance.call("start")
    assert {s.state for s in pipe.connect.states().connectors} == {"PAUSED"}
    databases.source(pipe.instance, "UPDATE public.customers SET name = name || '!' WHERE customer_id < 5")
    maintenance.set_sink(batch__size="500")
    assert "OPEN" in maintenance.call("status")
    maintenance.call("finish", "--soak=1s")

    assert "FINISHED" in maintenance.call("status")
    report = (folder / "report.md").read_text()
    assert re.search(r"\| intended \| connectors/postgres-sink-connector/batch.size \| \w+ \| 500 \|", report)
    # by its beats where a new one came before the end, else by positions
    assert re.search(r"## Actual downtime\n\n(\d+ min )?\d+ s, .*, by ", report)
    assert report.count("| passed |") == 6
    assert databases.target(pipe.instance, "SELECT count(*) FROM public.customers WHERE name LIKE '%!'") == "4"


def test_what_is_red_in_the_last_quarter_of_an_hour_is_mended_by_the_commands(
    maintenance: Maintenance, tmp_path: Path
) -> None:
    """Somebody has changed a setting, a row is lost, and the dump fails; then its cause is gone."""
    pipe = maintenance.pipe
    maintenance.plan()
    maintenance.set_sink(batch__size="700")
    databases.target(
        pipe.instance, "DELETE FROM public.orders WHERE order_id = (SELECT min(order_id) FROM public.orders)"
    )
    version = databases.source(pipe.instance, "SHOW server_version").strip()
    (tmp_path / "pg_dump").write_text(f'#!/bin/sh\ntest "$1" = --version && echo "pg_dump (PostgreSQL) {version}"\n')
    (tmp_path / "pg_dump").chmod(0o755)
    names = "as_its_baseline or every_row or backup_is_made"
    eventually(lambda: pipe.connect.states().states.get(f"{SINK}/0"), lambda s: s == "RUNNING", what="the sink to run")

    options = (f"--pipeline={maintenance.file}", "-k", f"connector or service or {names}")
    red = pipe.checks("premaintenance", *options, PATH=f"{tmp_path}:{os.environ['PATH']}")
    steps = ("premaintenance.4-baseline", "premaintenance.5-reconciliation", "premaintenance.7-backup")
    pasted = {s: [pipe.paste(c).returncode for c in red.step(s).action if not c.startswith("#")] for s in steps}
    green = pipe.checks("premaintenance", *options)

    assert {s: red.verdicts()[s] for s in steps} == dict.fromkeys(steps, Verdict.FAILED), red.output
    assert pasted == dict(zip(steps, ([1, 0], [1, 1, 0, 0], [0]), strict=True))
    assert {s: green.verdicts()[s] for s in steps} == dict.fromkeys(steps, Verdict.PASSED), green.output


def step_of(what: str) -> str:
    return f"premaintenance.{'8-restorable' if what == 'restored' else f'1-{what}'}"


def test_a_change_that_breaks_replication_is_rolled_back_to_equality(maintenance: Maintenance) -> None:
    pipe = maintenance.pipe
    folder = maintenance.plan()
    killed_at(maintenance, "pause-source")
    assert "BROKEN OFF in start pause-source" in maintenance.call("status", status=1)
    maintenance.call("start")

    maintenance.set_sink(batch__size="500", delete__enabled="false")
    rows = "INSERT INTO public.customers (customer_id, name, email) VALUES (7001, 'a', 'a@b'), (7002, 'b', 'b@c');"
    databases.source(pipe.instance, rows)
    databases.source(pipe.instance, "DELETE FROM public.customers WHERE customer_id = 7001")
    out = maintenance.call("finish", "--soak=1s", status=1)
    assert "FAILED  validate.3-round-trip" in out
    assert "NOT GREEN, so the window" in out
    assert databases.target(pipe.instance, "SELECT count(*) FROM public.customers WHERE customer_id > 7000") == "2"

    maintenance.call("rollback", "--soak=1s")

    assert databases.target(pipe.instance, "SELECT count(*) FROM public.customers WHERE customer_id > 7000") == "1"
    assert pipe.connect.states().get(SINK).config["delete.enabled"] == "true"
    report = (folder / "report.md").read_text()
    assert "Rolled back, and the validation is green" in report
    assert "was broken off" in report
    databases.source(pipe.instance, "DELETE FROM public.customers WHERE customer_id > 7000")
    eventually(
        lambda: (
            databases.target(pipe.instance, "SELECT count(*) FROM public.customers WHERE customer_id > 7000") == "0"
        ),
        what="the rows of this test to be gone",
    )


def killed_at(maintenance: Maintenance, step: str) -> None:
    """Begin, and kill the command as soon as its journal says that this step has begun."""
    words = ["-m", "cdcproof", "maintenance", "start", f"--pipeline={maintenance.file}", "--force", "--reason=a test"]
    child = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=maintenance.pipe.environment, stdout=-3, stderr=-3)
    eventually(
        lambda: any((e["step"], e["event"]) == (step, "begun") for e in maintenance.entries()),
        what=f"{shlex.join(words)} to begin {step}",
    )
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
