from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from cdcproof.core.errors import OperationError
from cdcproof.emergency.custody import RECORDS, Custody, broken_records
from cdcproof.maintenance.journal import Actor

ANN = Actor("ann", "here", 1)


@pytest.fixture
def custody(tmp_path: Path) -> Custody:
    folder = tmp_path / "incident"
    (folder / "originals" / "kafka").mkdir(parents=True)
    (folder / "originals" / "kafka" / "stdout.log").write_text("a line\n")
    (folder / "originals" / "b c.json").write_text("{}")
    return Custody(folder, ANN)


def test_sha256sum_checks_what_was_hashed_and_finds_what_was_changed(custody: Custody) -> None:
    custody.record("begun")
    digest = custody.hash_all()
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=custody.folder, capture_output=True, check=False).returncode == 0
    assert digest == hashlib.sha256((custody.folder / "SHA256SUMS").read_bytes()).hexdigest()
    assert json.loads((custody.folder / RECORDS).read_text().splitlines()[-1])["sha256sums"] == digest
    (custody.folder / "originals" / "b c.json").write_text("{ }")
    assert subprocess.run(check, cwd=custody.folder, capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("tamper", ["change", "take out", "turn round"])
def test_a_record_that_was_tampered_with_breaks_the_chain(custody: Custody, tamper: str) -> None:
    for what in ("begun", "hashed", "isolated", "sealed"):
        custody.record(what)
    assert broken_records(custody.folder) == ()
    path = custody.folder / RECORDS
    lines = path.read_text().splitlines()
    if tamper == "change":
        lines[1] = lines[1].replace("ann", "ben")
    elif tamper == "take out":
        del lines[1]
    else:
        lines[1], lines[2] = lines[2], lines[1]
    path.write_text("\n".join(lines) + "\n")
    assert broken_records(custody.folder)


def test_what_is_sealed_is_read_only_and_in_one_tar_with_its_own_hash(custody: Custody) -> None:
    custody.hash_all()
    archive, digest = custody.seal()
    assert digest == hashlib.sha256(archive.read_bytes()).hexdigest()
    modes = {p.relative_to(custody.folder).as_posix(): p.stat().st_mode & 0o777 for p in custody.folder.rglob("*")}
    assert set(modes.values()) == {0o400, 0o500}
    assert (archive.stat().st_mode & 0o777, custody.folder.stat().st_mode & 0o777) == (0o400, 0o500)
    with tarfile.open(archive) as tar:
        assert "incident/originals/kafka/stdout.log" in tar.getnames()


def test_a_place_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="cannot be written"):
        Custody(tmp_path / "absent", ANN).record("begun")
