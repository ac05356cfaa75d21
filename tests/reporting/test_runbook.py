"""The report has the words of the runbook for what needs attention, wherever it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdcproof.findings import Verdict
from cdcproof.reporting.publish import publish
from cdcproof.reporting.runbook import section
from tests.reporting.runs import record_of, run_of

DOCUMENT = """# Runbook

<a id="morning-a"></a><a id="morning-b"></a>
### morning.a, morning.b: both

Looked at: [the list](#list), and
more of it.

- failed: it is <down>.
  Restart it.

```
# a comment
first
second
```

<a id="morning-c"></a>
### morning.c

Another.

## Next
"""
BOTH = """Looked at: the list, and more of it.

- failed: it is <down>. Restart it.

```
# a comment
first
second
```"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "RUNBOOK.md").write_text(DOCUMENT)
    return tmp_path


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("docs/RUNBOOK.md#morning-a", BOTH),
        ("docs/RUNBOOK.md#morning-b", BOTH),
        ("docs/RUNBOOK.md#morning-c", "Another."),
        ("docs/RUNBOOK.md#morning-own", ""),
        ("docs/NONE.md#morning-a", ""),
    ],
)
def test_a_section_is_what_stands_below_its_anchor(root: Path, place: str, text: str) -> None:
    assert section(root, place) == text


def test_every_section_of_a_check_in_our_runbook_is_found() -> None:
    root = Path(__file__).parents[2]
    assert "Restarts of the last 24 hours" in section(root, "docs/RUNBOOK.md#morning-1-services")
    assert "a wrong password" in section(root, "docs/RUNBOOK.md#morning-6-registry-answers")


def test_the_page_of_a_run_has_the_words_for_what_needs_attention_alone(root: Path) -> None:
    run = run_of(
        record_of("morning.a", Verdict.FAILED, "x"),
        record_of("morning.c"),
        record_of("morning.own-1-version", Verdict.FAILED, "x"),
    )
    published = publish(run, root, root / "reports", lambda: None)
    assert published.html
    page = published.html.read_text()
    assert "- failed: it is &lt;down&gt;. Restart it." in page
    assert "Another." not in page
    assert page.count("RUNBOOK.md#") == page.count("RUNBOOK.md#morning-a")
