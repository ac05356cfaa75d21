"""The bill of materials of a release, by CycloneDX's own validator."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_of_the_lock_is_in_it_with_its_version_and_hashes(tmp_path: Path) -> None:
    """Of a few packages: all of them take a minute of a processor."""
    from cyclonedx.schema import SchemaVersion  # these load jsonschema, which takes two seconds
    from cyclonedx.validation.json import JsonStrictValidator

    text = (ROOT / "requirements.lock").read_text()
    packages = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert len(packages) > 100
    few = packages[:4]
    lock, written = tmp_path / "requirements.lock", tmp_path / "dist" / "sbom.json"
    lock.write_text("".join(few))

    command = [sys.executable, str(ROOT / "scripts" / "sbom.py"), str(written), str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written.read_text()) is None
    bill = json.loads(written.read_text())
    assert bill["metadata"]["component"]["name"] == "cdcproof"
    found = {f"{one['name']}=={one['version']}": one for one in bill["components"]}
    for package in few:
        name = package.split(" ")[0]
        hashes = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", package))
        kept = {one["content"] for reference in found[name]["externalReferences"] for one in reference["hashes"]}
        assert kept == hashes


def test_a_lock_that_cannot_be_read_ends_in_an_error(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "sbom.py"), str(tmp_path / "s.json"), str(tmp_path / "absent")]
    assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode != 0
