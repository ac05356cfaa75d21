"""A release names what was unreleased, commits and tags it, and is refused where it would name nothing or name it wrong."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from scripts.release import UNRELEASED, main

ROOT = Path(__file__).parents[1]
CHANGES = "# Changelog\n\n## Unreleased\n\n- Something new.\n\n## 0.1.0\n\nThe first.\n"


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    for key, value in {"user.name": "Ann", "user.email": "ann@example.com", "commit.gpgSign": "false"}.items():
        git(tmp_path, "config", key, value)
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "A beginning")
    return tmp_path


def test_what_was_unreleased_has_a_version_a_day_a_commit_and_a_tag(checkout: Path) -> None:
    assert main("0.2.0", checkout) == ""
    changes = (checkout / "CHANGELOG.md").read_text()
    assert re.search(r"## Unreleased\n\n## 0\.2\.0 \(\d{4}-\d\d-\d\d\)\n\n- Something new\.\n\n## 0\.1\.0\n", changes)
    assert git(checkout, "describe", "--exact-match") == "v0.2.0\n"
    assert git(checkout, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("", "VERSION is no version"),
        ("v0.2.0", "v0.2.0 is no version"),
        ("0.2", "0.2 is no version"),
        ("0.1.0", "has 0.1.0 already"),
        ("0.0.9", "has 0.1.0 already"),
    ],
)
def test_a_version_that_is_none_or_not_a_later_one_is_refused(checkout: Path, version: str, words: str) -> None:
    assert words in main(version, checkout)
    assert (checkout / "CHANGELOG.md").read_text() == CHANGES
    assert git(checkout, "tag") == ""


def test_a_release_of_nothing_of_uncommitted_work_or_of_a_tag_that_exists_is_refused(checkout: Path) -> None:
    git(checkout, "tag", "v0.2.0")
    assert "The tag v0.2.0 exists" in main("0.2.0", checkout)
    (checkout / "new").touch()
    assert "not committed" in main("0.3.0", checkout)
    (checkout / "CHANGELOG.md").write_text(CHANGES.replace("- Something new.\n\n", ""))
    assert 'nothing under "Unreleased"' in main("0.3.0", checkout)


def test_our_changelog_begins_with_what_is_unreleased() -> None:
    headings = re.findall(r"^## .*\n", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == UNRELEASED
    assert headings.count(UNRELEASED) == 1
