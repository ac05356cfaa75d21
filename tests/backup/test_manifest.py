"""The manifest: what is written comes back, and nothing that was changed since passes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from cdcproof.backup import manifest
from cdcproof.core.errors import ConfigError
from cdcproof.databases.contracts.backup import TableSum, differences
from tests.backup.made import NOW, committed


def test_what_was_written_is_read_again_and_checks_with_sha256sum(tmp_path: Path) -> None:
    kept = committed(tmp_path, "w", NOW)

    assert manifest.verify(kept.folder) == kept.manifest
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=kept.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "manifest.json: OK" in done.stdout


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)


def _manifest_with(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGES = {
    "a bit is flipped": (lambda f: _flip(next(f.rglob("toc.dat"))), "toc.dat was changed since"),
    "a file is cut off": (lambda f: next(f.rglob("*.gz")).write_bytes(b"rows"), "has 4 bytes, and had 400"),
    "a file is missing": (lambda f: next(f.rglob("*.gz")).unlink(), "2605.dat.gz is missing"),
    "a file is too many": (lambda f: (f / "other").write_text(""), "other is not of this backup"),
    "the sums are missing": (lambda f: (f / "SHA256SUMS").unlink(), "SHA256SUMS is missing"),
    "the sums are others": (lambda f: (f / "SHA256SUMS").write_text("x  y\n"), "do not agree"),
    "the manifest is missing": (lambda f: (f / "manifest.json").unlink(), "it has no manifest"),
    "the manifest is cut off": (lambda f: (f / "manifest.json").write_text('{"format"'), "cannot be read"),
    "the manifest was edited": (lambda f: _manifest_with(f, version="9"), "do not agree"),
    "the manifest names no database": (lambda f: _manifest_with(f, databases=[]), "names no database"),
    "the manifest is of a later version": (lambda f: _manifest_with(f, format=2), "a format that this cdcproof"),
    "the manifest is another file": (lambda f: (f / "manifest.json").write_text("[1]"), "cannot be read"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_named_and_not_taken(tmp_path: Path, damage: str) -> None:
    kept = committed(tmp_path, "w", NOW)
    break_it, expected = DAMAGES[damage]
    break_it(kept.folder)

    with pytest.raises(ConfigError, match=expected):
        manifest.verify(kept.folder)


def _sum(table: str, rows: int, checksum: str = "1", *, exact: bool = True) -> TableSum:
    return TableSum("public", table, rows, checksum, exact)


def test_tables_that_are_not_as_the_manifest_says_are_named() -> None:
    expected = (_sum("same", 1), _sum("fewer", 5), _sum("other", 2), _sum("gone", 3), _sum("moving", 4, exact=False))
    found = (_sum("same", 1), _sum("fewer", 4), _sum("other", 2, "9"), _sum("moving", 9), _sum("new", 1))

    assert [str(one) for one in differences(expected, found)] == [
        "public.fewer has 4 rows, not 5",
        "public.other has 2 rows, and other contents",
        "public.gone is missing",
        "public.new is not in the backup",
    ]
    assert differences(expected[:1], found[:1]) == ()
