"""The bill of materials of a release: every package of requirements.lock, with its hashes, as CycloneDX 1.6; checked by CycloneDX's own validator.

python scripts/sbom.py dist/cdcproof.cdx.json [requirements.lock]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(output: Path, lock: Path) -> int:
    output.parent.mkdir(parents=True, exist_ok=True)
    made = ("--output-reproducible", "--spec-version", "1.6", "--output-format", "JSON", "--validate")
    of = ("--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application", "-o", str(output), str(lock))
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", *made, *of]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "requirements.lock"))
