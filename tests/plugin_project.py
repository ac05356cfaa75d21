"""A small project of checks in pytester's directory: the plug-in alone, without the fixtures of the product."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from cdcproof.reporting.record import Run

PIPELINE = """
name = "example"
environment = "live"
connect.url = "http://127.0.0.1:8083"
kafka.bootstrap_servers = "127.0.0.1:9092"
{extra}
[source]
type = "postgresql"
host = "127.0.0.1"
port = 5432
database = "s"
user = "u"
password_env = "SOURCE_PASSWORD"
schema = "public"
[target]
type = "postgresql"
host = "127.0.0.1"
port = 5433
database = "t"
user = "u"
password_env = "TARGET_PASSWORD"
schema = "public"
[[services]]
name = "kafka-connect"
role = "connect"
[[connectors]]
name = "source"
kind = "source"
[[tables]]
name = "customers"
source = "public.customers"
target = "public.customers"
topic = "x.customers"
key = ["id"]
{tables}
"""

# hypothesis' plug-in loads all of hypothesis at the end of each run, which takes as long as everything else together
INI = """
[pytest]
testpaths = checks
addopts = --strict-markers -p cdcproof.pytest_plugin -p no:cacheprovider -p no:randomly -p no:hypothesispytest
markers =
    morning: morning
    weekly: weekly
"""

IMPORTS = """
import pytest
from cdcproof.core.errors import *
from cdcproof.findings import *
from cdcproof.core.secrets import Secret, known
"""

SERVICES_DOWN = '''
@pytest.mark.runbook("morning.1-services", severity="critical")
def test_services(evidence):
    """Every expected service is up."""
    evidence.saw("Services", [{"name": "kafka-connect", "state": "down"}])
    require_equal({"kafka-connect (connect)": "down"}, {"kafka-connect (connect)": "up"}, action=("docker restart x",))
'''

CONNECTORS = '''
@pytest.mark.runbook("morning.2-connectors", severity="critical", needs=["morning.1-services:connect"])
def test_connectors(evidence):
    """Every connector is RUNNING."""
    evidence.saw("States", "source RUNNING")
'''

LAG = '''
@pytest.mark.runbook("morning.7-lag", severity="major", needs=["morning.2-connectors"])
def test_lag(evidence):
    """The sink keeps up."""
    evidence.saw("Lag", "0 records")
'''

FINE = '''
@pytest.mark.runbook("morning.5-disk", severity="minor")
def test_disk(evidence):
    """Disks have room."""
    evidence.saw("Disks", [{"path": "/", "used_percent": 40}])
'''


class Project:
    """Writes checks, runs pytest on them and reads what came out."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.reports = self.path / "reports"
        (self.path / "pytest.ini").write_text(INI)
        (self.path / "checks").mkdir()
        self.pipeline()

    def pipeline(self, extra: str = "", tables: str = "") -> None:
        """Write the pipeline file, with further keys at its top or tables at its end."""
        (self.path / "p.toml").write_text(PIPELINE.format(extra=extra, tables=tables))

    def waive(self, step: str, expires: str) -> None:
        """Add a waiver."""
        reason = "a fix is on its way"
        self.pipeline(tables=f'[[waivers]]\nstep = "{step}"\nreason = "{reason}"\nexpires = {expires}\n')

    def checks(self, *parts: str, name: str = "test_morning.py") -> None:
        """Write a file of checks."""
        (self.path / "checks" / name).write_text(IMPORTS + "\n".join(dedent(part) for part in parts))

    def check(self, body: str, step: str = "morning.1-it", mark: str = "", fixtures: str = "evidence") -> str:
        """The source of one check."""
        lines = "\n".join(f"    {line}" for line in dedent(body).strip().splitlines())
        return (
            f'@pytest.mark.runbook("{step}", severity="major"{mark})\n'
            f'def test_{step.replace(".", "_").replace("-", "_")}({fixtures}):\n    """The title of {step}."""\n{lines}\n'
        )

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest; with xdist in a process of its own, otherwise in this one, which is ten times faster."""
        arguments = ("--pipeline", "p.toml", *arguments)
        if "-n" in arguments:
            return self.pytester.runpytest_subprocess(*arguments, timeout=120)
        return self.pytester.runpytest_inprocess(*arguments)

    def latest(self) -> Run:
        """The run as it was kept."""
        return Run.from_dict(json.loads((self.reports / "latest.json").read_text()))

    def verdicts(self) -> dict[str, str]:
        """Step to verdict of the latest run."""
        return {record.step: str(record.verdict) for record in self.latest().steps}

    def written(self) -> list[Path]:
        """Every file below the project that is not an input."""
        inputs = {"pytest.ini", "p.toml"}
        return [
            p for p in self.path.rglob("*") if p.is_file() and p.name not in inputs and p.suffix not in (".py", ".pyc")
        ]
