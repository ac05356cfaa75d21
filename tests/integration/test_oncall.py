"""From an alert to the end of the incident on the running pipeline: the fault, the briefing, its action as printed, the record."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cdcproof.environments.embedded import connectors
from tests.diagnostics.worlds import read
from tests.integration.conftest import PASSWORDS, Pipelines, eventually

pytestmark = pytest.mark.integration


def test_an_alert_is_followed_to_its_end(healthy: Pipelines, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    words = ("ConnectorDown", f"connector={connectors.SINK}", "--reports-dir", str(reports), "--pipeline", "embedded")
    healthy.connect.stop(connectors.SINK)
    eventually(lambda: healthy.connect.states().halted(connectors.SINK), what="the sink to stop")
    checks = [f"checks/morning/test_{name}.py" for name in ("1_services", "2_connectors")]
    healthy.call("pytest", *checks, f"--reports-dir={reports}", "-p", "no:cacheprovider")

    briefed = healthy.call("cdcproof", "oncall", *words, "--output-dir", str(tmp_path))
    orders = briefed.stdout.partition("What to do")[2].partition("Escalation")[0].splitlines()
    offered = [line.strip() for line in orders if line.startswith("       ")]
    mended = [healthy.paste(line) for line in offered if not line.startswith("#")]
    ended = healthy.call("cdcproof", "oncall", *words, "--resolve", "--note", "somebody had stopped it")

    assert briefed.returncode == ended.returncode == 0, briefed.stdout + briefed.stderr + ended.stderr
    assert f"{connectors.SINK}: expected RUNNING, found STOPPED" in briefed.stdout
    assert mended
    assert mended[-1].returncode == 0, mended[-1].stdout + mended[-1].stderr
    [record], [archive] = (reports / "incidents").glob("*.md"), tmp_path.glob("*.tar.gz")
    text = record.read_text()
    assert f"- stands out: Connector or task {connectors.SINK} is STOPPED, not RUNNING" in text
    assert re.search(r"after \d+ min: somebody had stopped it", text)
    assert b"is STOPPED, not RUNNING" in read(archive)["index.html"]
    told = text + briefed.stdout + briefed.stderr + ended.stdout
    assert not [secret for secret in PASSWORDS.values() if secret in told]
