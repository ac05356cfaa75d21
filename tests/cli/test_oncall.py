"""`cdcproof oncall`: with everything down it still shows what is known, and writes it down."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdcproof.cli.main import main
from cdcproof.findings import Difference, Verdict
from cdcproof.reporting import journal
from cdcproof.reporting.record import Run, StepRecord
from tests.diagnostics.worlds import read

PIPELINE = """
name = "warehouse"
environment = "live"
connect.url = "http://127.0.0.1:1"
kafka.bootstrap_servers = "127.0.0.1:1"
prometheus.url = "http://127.0.0.1:1"
alertmanager.url = "http://127.0.0.1:1"
contacts.escalation = [{ after_minutes = 0, who = "On-call engineer" }, { after_minutes = 30, who = "Team lead" }]
paths.reconciliation_reports = "reconciliation_reports"
[source]
type = "postgresql"
host = "127.0.0.1"
port = 1
database = "s"
user = "u"
password_env = "SOURCE_PASSWORD"
schema = "public"
[target]
type = "postgresql"
host = "127.0.0.1"
port = 1
database = "t"
user = "u"
password_env = "TARGET_PASSWORD"
schema = "public"
[[services]]
name = "kafka-connect"
role = "connect"
endpoint = "tcp://127.0.0.1:1"
[[connectors]]
name = "sink"
kind = "sink"
[[tables]]
name = "customers"
source = "public.customers"
target = "public.customers"
topic = "x.customers"
key = ["id"]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a red run, everything of which is down."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_PASSWORD", "source-canary-1")
    monkeypatch.setenv("TARGET_PASSWORD", "target-canary-2")
    (tmp_path / "w.toml").write_text(PIPELINE)
    difference = Difference("sink/0", "RUNNING", "FAILED", "url jdbc:x?password=canary3")
    record = StepRecord(
        "morning.2-connectors", "Every connector is RUNNING.", "morning", "critical", Verdict.FAILED, 1.0, 0.1,
        differences=(difference,), action=("cdcproof connectors restart sink",),
    )  # fmt: skip
    journal.write(Run("warehouse", "live", ("morning",), 1.0, 1.0, (), (record,)), tmp_path / "reports")
    return tmp_path


def oncall(*words: str) -> int:
    return main(["oncall", *words, "--pipeline", "w.toml"])


def test_with_everything_down_it_shows_what_is_known_and_writes_it_down(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = oncall("ConnectorDown", "connector=sink", "--output-dir", str(project / "archives"))

    out = capsys.readouterr().out
    assert status == 0
    for printed in (
        "Prometheus: not known: ",
        "Alertmanager: not known: ",
        "The check behind it: morning.2-connectors (critical), docs/RUNBOOK.md#morning-2-connectors",
        "sink/0: expected RUNNING, found FAILED",
        "       cdcproof connectors restart sink\n",
        "0-30 min: level 1, On-call engineer (now)",
        "30+ min: level 2, Team lead",
        "not collected: connect/connectors: Kafka Connect at http://127.0.0.1:1",
        "--resolve --note",
    ):
        assert printed in out
    assert out.index("What to do") < out.index("Diagnostics")
    [record] = (project / "reports" / "incidents").glob("*.md")
    [archive] = (project / "archives").glob("*.tar.gz")
    text = record.read_text()
    assert "- morning.2-connectors was failed" in text
    assert f"- archive: {archive} (index.html first)" in text
    assert "index.html" in read(archive)
    assert "canary" not in out + text


def test_done_and_resolve_only_write(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert oncall("ConnectorDown", "connector=sink", "--no-diagnostics") == 0
    assert "Diagnostics" not in capsys.readouterr().out

    assert oncall("ConnectorDown", "connector=sink", "--done", "restarted it") == 0
    assert oncall("ConnectorDown", "connector=sink", "--resolve", "--note", "a missing table") == 0
    out = capsys.readouterr().out
    assert "Resolved after 0 min." in out
    assert "What to do" not in out
    [record] = (project / "reports" / "incidents").glob("*.md")
    assert "restarted it" in record.read_text()
    assert "a missing table" in record.read_text()
    assert oncall("ConnectorDown", "connector=sink", "--resolve") == 2
    assert "No incident of ConnectorDown with the labels connector=sink is open" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["ConnectorDwn"], "There is no alert ConnectorDwn.\nThe nearest names: ConnectorDown"),
        (["ConnectorDown", "sink"], "'sink' is no label."),
        (["ConnectorDown", "pipeline=other"], "The alert is of pipeline other, and this file is of warehouse."),
        (["ConnectorDown", "--note", "x"], "--note goes with --resolve."),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_is_written(
    project: Path, capsys: pytest.CaptureFixture[str], words: list[str], printed: str
) -> None:
    assert oncall(*words) == 2
    assert printed in capsys.readouterr().err
    assert not (project / "reports" / "incidents").exists()


def test_the_label_of_an_alert_chooses_the_pipeline(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "fixtures/pipelines").mkdir(parents=True)
    (project / "w.toml").rename(project / "fixtures/pipelines/warehouse.toml")

    assert main(["oncall", "MorningConnectorsNotGreen", "pipeline=warehouse", "--no-diagnostics"]) == 0
    assert "cdcproof remedy morning.2-connectors --pipeline warehouse --allow-acts" in capsys.readouterr().out


def test_a_record_that_cannot_be_written_keeps_nobody_from_the_rest(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "reports" / "incidents").write_text("in the way")

    status = oncall("ConnectorDown", "connector=sink", "--output-dir", str(project))

    printed = capsys.readouterr()
    assert status == 1
    assert "What to do, in this order" in printed.out
    assert "archive: " in printed.out
    assert "The incident's record cannot be written to" in printed.err
