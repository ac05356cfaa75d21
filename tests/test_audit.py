"""`make audit`, by a program that answers as pip-audit 2.10.1 was seen to: exit status 1 for a vulnerability, its list in JSON all the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.audit import main

ROOT = Path(__file__).parents[1]
PROGRAM = f"""#!{sys.executable} -IS
import json, pathlib, sys, time
here = pathlib.Path(__file__).parent
answer = json.loads((here / ("probe" if "--no-deps" in sys.argv else "answer")).read_text())
(here / "asked").open("a").write(" ".join(sys.argv[1:]) + "\\n")
if isinstance(answer, str):
    sys.exit(answer)
print(json.dumps({{"dependencies": answer, "fixes": []}}))
vulnerable = any(one.get("vulns") for one in answer)
sys.exit("Found 1 known vulnerability in 1 package" if vulnerable else 0)
"""
FINE: dict[str, Any] = {"name": "idna", "version": "3.20", "vulns": []}
NOT_FOUND = "Dependency not found on PyPI and could not be audited: {} (1.0)"
TODAY = datetime.now(UTC).date()


def vulnerable(*fixed_in: str) -> dict[str, Any]:
    advisory = {"id": "CVE-2030-1", "fix_versions": list(fixed_in), "aliases": ["GHSA-aaaa-bbbb-cccc"]}
    return {"name": "jinja2", "version": "3.1.6", "vulns": [advisory]}


def skipped(name: str) -> dict[str, str]:
    return {"name": name, "skip_reason": NOT_FOUND.format(name)}


def ignoring(until: object, advisory: str = "GHSA-aaaa-bbbb-cccc", package: str = "jinja2") -> str:
    return f'[{advisory}]\npackage = "{package}"\nreason = "only its server"\nuntil = {until}\n'


Audited = Callable[..., tuple[int, str]]


@pytest.fixture
def audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Audited:
    """Exit status, and what is printed."""

    def run(answer: object, *, probe: object = (FINE,), ignored: str = "") -> tuple[int, str]:
        program, lock, file = (tmp_path / name for name in ("pip-audit", "requirements.lock", "ignored.toml"))
        program.write_text(PROGRAM)
        program.chmod(0o755)
        (tmp_path / "answer").write_text(json.dumps(answer))
        (tmp_path / "probe").write_text(json.dumps(probe))
        lock.write_text("idna==3.20\n")
        file.write_text(ignored)
        status = main(["--program", str(program), "--ignored", str(file), str(lock)])
        return status, "".join(capsys.readouterr())

    return run


def test_a_vulnerability_that_a_version_mends_fails_and_is_named_until_it_is_mended(
    tmp_path: Path, audited: Audited
) -> None:
    status, words = audited([FINE, vulnerable("3.2", "3.1.9")])
    mended, after = audited([FINE, {**vulnerable(), "vulns": []}])

    assert status == 1
    assert "VULNERABLE: jinja2 3.1.6: CVE-2030-1, GHSA-aaaa-bbbb-cccc; fixed in 3.2, 3.1.9\n" in words
    assert (mended, after) == (0, "2 packages audited, 0 not\n")
    assert f"--require-hashes -r {tmp_path / 'requirements.lock'}" in (tmp_path / "asked").read_text()


def test_one_that_nothing_mends_is_named_and_fails_nothing(audited: Audited) -> None:
    status, words = audited([vulnerable()])

    assert status == 0
    assert "known, without a remedy: jinja2 3.1.6" in words


@pytest.mark.parametrize("name", ["CVE-2030-1", "GHSA-aaaa-bbbb-cccc"])
def test_one_is_ignored_by_any_of_its_names_until_that_day_is_over(audited: Audited, name: str) -> None:
    found = [vulnerable("3.2")]
    within = audited(found, ignored=ignoring(TODAY + timedelta(days=1), name))
    over = audited(found, ignored=ignoring(TODAY - timedelta(days=2), name))

    assert within[0] == 0
    assert "only its server" in within[1]
    assert over[0] == 1
    assert f"(it was ignored until {TODAY - timedelta(days=2)})" in over[1]


@pytest.mark.parametrize(("advisory", "package"), [("CVE-2030-2", "jinja2"), ("CVE-2030-1", "idna")])
def test_another_advisory_or_package_is_not_ignored_with_it(audited: Audited, advisory: str, package: str) -> None:
    status, words = audited([vulnerable("3.2")], ignored=ignoring("2999-01-31", advisory, package))

    assert status == 1
    assert f"no longer needed in the file of ignored ones: {advisory} of {package}" in words


@pytest.mark.parametrize(
    ("probe", "why"),
    [
        ([skipped("pip-audit")], NOT_FOUND.format("pip-audit")),
        ("ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed", "Could not connect"),
        ("", "it said nothing"),
    ],
)
def test_where_no_service_answers_it_is_not_checked_and_only_one_package_was_asked_for(
    audited: Audited, tmp_path: Path, probe: object, why: str
) -> None:
    status, words = audited([FINE], probe=probe)

    assert status == 0
    assert words.startswith("NOT CHECKED")
    assert why in words
    assert "audited," not in words
    assert len((tmp_path / "asked").read_text().splitlines()) == 1


@pytest.mark.parametrize("answer", ["ERROR:pip_audit._cli:the index broke off", []])
def test_a_service_that_stops_to_answer_is_not_checked(audited: Audited, answer: object) -> None:
    status, words = audited(answer)

    assert status == 0
    assert words.startswith("NOT CHECKED")


def test_packages_that_the_service_does_not_know_are_named_and_hide_nothing(audited: Audited) -> None:
    status, words = audited([FINE, skipped("private"), vulnerable("3.2")])

    assert status == 1
    assert "NOT CHECKED, since the service does not know them: private\n" in words
    assert "2 packages audited, 1 not" in words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[CVE-1]\npackage = "a"\nreason = "b"\n', "[CVE-1] needs package, reason and until"),
        (ignoring('"soon"'), "until must be a day"),
        (ignoring("2027-01-31T00:00:00"), "until must be a day"),
        ('[CVE-1]\npackage = "a"\nreason = " "\nuntil = 2027-01-31\n', "must be text"),
        ('CVE-1 = "x"\n', "[CVE-1] needs"),
        ("[", "ignored.toml: "),
    ],
)
def test_a_wrong_file_of_ignored_ones_is_refused(audited: Audited, text: str, words: str) -> None:
    status, printed = audited([FINE], ignored=text)

    assert status == 2
    assert words in printed
    assert "Traceback" not in printed


def test_ours_is_readable_and_ci_audits_every_lock_file(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--program", "/nowhere/pip-audit", str(ROOT / "requirements.lock")])

    assert status == 0
    assert "NOT CHECKED for known vulnerabilities: /nowhere/pip-audit cannot be run" in capsys.readouterr().out
    assert "scripts/audit.py requirements*.lock" in (ROOT / ".ci/run").read_text()
