"""Recordings of runs go into the archive as they are, or it says why they cannot be judged from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdcproof.core.secrets import known
from cdcproof.core.waiting import Deadline
from cdcproof.diagnostics import archive, reports
from cdcproof.diagnostics.parts import File, Missing, Remark, Scope
from cdcproof.evidence import chain
from tests.diagnostics.worlds import World
from tests.pipelines import pipeline_of

NAME = "20261130T060000.000000Z-morning.jsonl"


def collected(tmp_path: Path, text: str) -> list[File | Missing | Remark]:
    folder = tmp_path / "reports/evidence"
    made = chain.Chain(folder / NAME)
    made.add("head", {"text": text})
    made.end()
    (folder / "notes.jsonl").write_text("not ours")
    pipeline = pipeline_of("a", paths={"reconciliation_reports": str(tmp_path / "reconciliation_reports")})
    parts = reports.checks(Scope(pipeline, World(), 0, Deadline(5)))
    return [part for part in parts if "evidence" in str(part)]


def test_a_recording_can_be_read_from_the_archive(tmp_path: Path) -> None:
    (file,) = collected(tmp_path, "x")

    assert isinstance(file, File)
    copy = tmp_path / "copy.jsonl"
    (written,) = archive.scrubbed([archive.bounded(file)])
    copy.write_text(written.text)
    assert [line["text"] for line in chain.read(copy)] == ["x"]


def test_one_that_is_too_large_is_named_and_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdcproof.diagnostics.reports.MOST_FILE_BYTES", 10)

    (missing,) = collected(tmp_path, "x" * 11)

    assert isinstance(missing, Missing)
    assert str(tmp_path / "reports/evidence" / NAME) in missing.why


def test_one_that_loses_further_secrets_is_named(tmp_path: Path) -> None:
    known(["a-secret-learnt-later"])

    _, remark = collected(tmp_path, "a-secret-learnt-later")

    assert isinstance(remark, Remark)
    assert "cannot be replayed" in remark.text
