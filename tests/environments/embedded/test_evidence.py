from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cdcproof.environments.embedded import evidence, state
from cdcproof.environments.embedded.folders import make
from cdcproof.environments.embedded.state import Instance

ROOT = Path(__file__).parents[3]


def written(path: Path, pipeline: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"pipeline": pipeline} if pipeline else {}))


def test_the_embedded_pipelines_reports_go_and_the_log_of_acts_stays(tmp_path: Path) -> None:
    written(tmp_path / "reconciliation_reports" / "reconciliation_report_20261129_060000.json", "embedded")
    written(tmp_path / "reports" / "latest.json", "embedded")
    written(tmp_path / "reports" / "runs" / "20261129T060000.000000Z-morning.json", "embedded")
    (tmp_path / "reports" / "connectors" / "embedded").mkdir(parents=True)
    for name in (".gitkeep", "acts.log", "morning.html"):
        (tmp_path / "reports" / name).touch()

    [stays] = evidence.remove(tmp_path)

    assert "acts.log stays" in stays
    assert not (tmp_path / "reconciliation_reports").exists()
    assert {path.name for path in (tmp_path / "reports").iterdir()} == {".gitkeep", "acts.log"}


@pytest.mark.parametrize(
    ("path", "pipeline"),
    [
        ("reports/warehouse/latest.json", "warehouse"),
        ("reports/runs/20261129T060000.000000Z-morning.json", "warehouse"),
        ("reports/connectors/warehouse/20261129.json", "warehouse"),
        ("reconciliation_reports/reconciliation_report_20261129_060000.json", "warehouse"),
        ("reconciliation_reports/reconciliation_report_20261129_060000.json", ""),
    ],
)
def test_evidence_of_another_pipeline_stays(tmp_path: Path, path: str, pipeline: str) -> None:
    written(tmp_path / path, pipeline)

    [stays] = evidence.remove(tmp_path)

    assert "stays: it has reports of another pipeline" in stays
    assert (tmp_path / path).exists()


def test_only_the_instances_of_this_checkout_are_taken_down(tmp_path: Path) -> None:
    """As `make clean` does it; instances that another checkout made are left as they are."""
    checkouts = {name: tmp_path / name for name in ("mine", "other")}
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    for name, checkout in checkouts.items():
        (checkout / "fixtures" / "connectors").mkdir(parents=True)
        (checkout / "fixtures" / "connectors" / "embedded-source.json").touch()  # by which a checkout is known
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", environment["XDG_STATE_HOME"])
            make(name)
            state.save(Instance(name, {}, stopped=True, checkout=str(checkout)))

    done = subprocess.run(
        [sys.executable, "-m", "cdcproof", "down", "--here", "--remove"],
        cwd=checkouts["mine"], env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "removed: mine" in done.stdout
    assert {path.name for path in (tmp_path / "state" / "cdcproof").iterdir()} == {"other"}
