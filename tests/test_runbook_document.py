"""docs/RUNBOOK.md has a section for every check, and none for a check that is gone."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def steps_in_checks() -> set[str]:
    """The first argument of every `runbook` mark in checks/."""
    return {
        node.args[0].value
        for path in (ROOT / "checks").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "runbook"
    }


def test_every_check_has_its_section_and_every_section_its_check():
    anchors = set(re.findall(r'<a id="([^"]+)"></a>', (ROOT / "docs" / "RUNBOOK.md").read_text()))
    steps = steps_in_checks()

    assert len(steps) >= 13
    assert anchors == {step.replace(".", "-") for step in steps}
