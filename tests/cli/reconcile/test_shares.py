"""`reconcile --slice` and `--merge` end to end: the report of one run, or no MATCH."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli.main import main
from tests.postgres_server import PASSWORD, USER
from tests.reconcile.conftest import columnar, sides, strategy  # noqa: F401  fixtures
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]


@pytest.fixture(scope="module")
def tables(sides: Sides) -> Sides:  # noqa: F811  the fixture
    """A table with a number as its key, one without, and a difference in each."""
    rows = [(n, f"word {n}") for n in range(-700, 700)]
    sides.table("numbered", "id int PRIMARY KEY, word text", rows, rows[:-1])
    sides.table("named", "name text PRIMARY KEY, v int", [(w, n) for n, w in rows], [(w, n) for n, w in rows])
    sides.both(f"ANALYZE {sides.name('numbered')}", f"ANALYZE {sides.name('named')}")
    return sides


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)


def _reconcile(sides: Sides, *more: str) -> int:  # noqa: F811
    flags = ["--tables=numbered,named", "--validate-checksums", "--settle-seconds=0", *more]
    for side, server in (("source", sides.source), ("target", sides.target)):
        flags += [f"--{side}-type=postgresql", f"--{side}-host={server.host}", f"--{side}-port={server.port}"]
        flags += [f"--{side}-database=postgres", f"--{side}-user={USER}", f"--{side}-schema={sides.schema}"]
    return main(["reconcile", *flags])


def _report(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("reconciliation_report_*.json")
    report: dict[str, Any] = json.loads(path.read_text())
    for name in ("run_id", "started_at", "finished_at", "method"):
        report.pop(name)
    for table in report["tables"]:
        for name in ("seconds", "timings", "resumed"):
            table.pop(name)
    return report


def test_three_shares_and_a_merge_give_the_report_of_one_run(tables: Sides, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    for index in (2, 3, 1):
        assert _reconcile(tables, f"--slice={index}/3", f"--output-dir={shared}") == 0
    assert list(shared.glob("reconciliation_report_*")) == []
    status = _reconcile(tables, f"--merge={shared}", f"--output-dir={tmp_path / 'merged'}")
    assert status == _reconcile(tables, f"--output-dir={tmp_path / 'one'}") == 1
    report = _report(tmp_path / "merged")
    assert report == _report(tmp_path / "one")
    assert report["summary"] == {"numbered": "MISMATCH", "named": "MATCH"}
    assert PASSWORD not in "".join(path.read_text() for path in shared.iterdir())


def test_without_a_share_its_tables_are_errors(tables: Sides, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    for index in (1, 2):
        assert _reconcile(tables, f"--slice={index}/3", f"--output-dir={shared}") == 0
    assert _reconcile(tables, f"--merge={shared}", f"--output-dir={tmp_path}") == 3
    report = _report(tmp_path)
    assert report["summary"]["numbered"] == "ERROR"
    assert "--slice 3/3" in report["tables"][0]["error"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--slice=0/3"], "--slice 0/3: give I/N, with I from 1 to N"),
        (["--slice=4/3"], "--slice 4/3: give I/N"),
        (["--slice=one"], "--slice one: give I/N"),
        (["--slice=1/3"], "--slice needs --output-dir"),
        (["--slice=1/3", "--merge=."], "--slice and --merge exclude each other"),
        (["--merge=no-such-folder"], "--merge no-such-folder: there is no such folder"),
        (["--merge=.", "--budget=5m"], "--merge and --budget exclude each other"),
        (["--slice=1/3", "--target-password=x"], "--slice cannot be given with --target-password."),
    ],
)
def test_what_makes_no_sense_is_refused(
    tables: Sides, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _reconcile(tables, *flags) == 2
    assert said in capsys.readouterr().err
