"""A secret of known value goes through a failing check into every reporter, and is found in none of them."""

from __future__ import annotations

import pytest

from tests.plugin_project import Project

pytest_plugins = "pytester"

SECRET = 'S3cr3t/"väl%ue'

CHECKS = """
import warnings, logging

SECRET = Secret('S3cr3t/"väl%ue')
SHOWN = SECRET.reveal()

@pytest.fixture
def broken():
    raise RefusedError(f"login with {SHOWN} was refused", f"export PASSWORD={SHOWN}")

@pytest.fixture
def buggy():
    raise ValueError(f"dsn=postgresql://u:{SHOWN}@h/db")

@pytest.fixture
def cannot_close():
    yield
    raise ValueError(f"closing {SHOWN}")
"""

BODIES = {
    "morning.1-finding": (
        "evidence.saw(SHOWN, [{'config': f'database.password={SHOWN}', SHOWN: 1}])\n"
        "print(SHOWN); logging.getLogger().warning(SHOWN)\n"
        "raise Finding((Difference(SHOWN, SHOWN, SHOWN, SHOWN),), (f'psql postgresql://u:{SHOWN}@h',))",
        "evidence",
    ),
    "morning.2-concern": (
        "evidence.saw('config', repr({'password': SHOWN}))\nraise Concern((Difference('x', '1', SHOWN),), (SHOWN,))",
        "evidence",
    ),
    "morning.3-exception": ("raise KeyError(SHOWN)", "evidence"),
    "morning.4-fixture": ("pass", "broken, evidence"),
    "morning.5-fixture-bug": ("pass", "buggy, evidence"),
    "morning.6-assertion": ("assert SHOWN == 'other'", "evidence"),
    "morning.7-closing": ("evidence.saw('x', 'y')", "cannot_close, evidence"),
}


@pytest.mark.parametrize("arguments", [(), ("-n", "1")])
def test_no_secret_is_written_or_printed(project: Project, arguments: tuple[str, ...]) -> None:
    project.checks(CHECKS, *(project.check(body, step, fixtures=f) for step, (body, f) in BODIES.items()))

    result = project.run(
        "-v", "-m", "morning", "--junitxml=junit.xml", "--alluredir=allure", "--showlocals", *arguments
    )

    assert result.ret == 1
    assert set(project.verdicts()) == set(BODIES)
    written = project.written()
    assert {p.suffix for p in written} >= {".html", ".json", ".xml", ".prom", ".txt", ".md"}
    streams = {"stdout": result.stdout.str(), "stderr": result.stderr.str()}
    texts = streams | {
        str(p.relative_to(project.path)): p.read_text(encoding="utf-8", errors="replace") for p in written
    }
    forms = {SECRET, SECRET.replace('"', '\\"'), SECRET.replace('"', "&#34;"), SECRET.replace('"', "&quot;"), "S3cr3t"}
    assert {name for name, text in texts.items() if any(form in text for form in forms)} == set()
    assert "[redacted]" in streams["stdout"]
