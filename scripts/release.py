"""Makes a release of what CHANGELOG.md has under "Unreleased": gives it the version and the day, commits that, and tags it.

make release VERSION=0.2.0   # then builds wheel, sdist and bill of materials. Nothing is pushed
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

UNRELEASED = "## Unreleased\n"
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def main(version: str, root: Path) -> str:
    """Why there is no release; empty when there is one."""
    changes = root / "CHANGELOG.md"
    text = changes.read_text(encoding="utf-8")
    if problem := _hindrance(version, text, root):
        return problem
    changes.write_text(released(text, version, f"{datetime.now(UTC):%Y-%m-%d}"), encoding="utf-8")
    _git(root, "commit", "--quiet", "--message", f"Release {version}", "CHANGELOG.md")
    _git(root, "tag", "--annotate", "--message", f"cdcproof {version}", f"v{version}")
    return ""


def released(text: str, version: str, day: str) -> str:
    """The changelog with its unreleased changes under a version."""
    return text.replace(UNRELEASED, f"{UNRELEASED}\n## {version} ({day})\n", 1)


def _hindrance(version: str, text: str, root: Path) -> str:
    if not _VERSION.fullmatch(version):
        return f"{version or 'VERSION'} is no version. Write: make release VERSION=0.2.0"
    earlier = [tuple(map(int, found)) for found in re.findall(rf"^## {_VERSION.pattern}\b", text, re.MULTILINE)]
    if earlier and tuple(map(int, version.split("."))) <= max(earlier):
        return f"CHANGELOG.md has {'.'.join(map(str, max(earlier)))} already. Choose a higher version."
    if not text.partition(UNRELEASED)[2].partition("\n## ")[0].strip():
        return 'CHANGELOG.md has nothing under "Unreleased". Write there what has changed.'
    if _git(root, "status", "--porcelain"):
        return "The checkout has changes that are not committed. Commit them first."
    if _git(root, "tag", "--list", f"v{version}"):
        return f"The tag v{version} exists. Choose a higher version."
    return ""


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "", Path(__file__).parents[1]) or 0)
