"""pip-audit's own answers, as it was seen to give them, by a program in its place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.findings import Verdict
from cdcproof.observations.images.advisories import Audited
from cdcproof.observations.images.advisories_reading import audit
from checks.monthly import test_1_security as checks
from tests.check_in_process import judged
from tests.pipelines import pipeline_of

ANSWER: dict[str, Any] = {
    "dependencies": [
        {"name": "six", "version": "1.16.0", "vulns": []},
        {
            "name": "jinja2",
            "version": "3.1.0",
            "vulns": [{"id": "GHSA-x", "fix_versions": ["3.1.3"], "aliases": [], "description": ""}],
        },
        {"name": "cdcproof", "skip_reason": "Dependency not found on PyPI and could not be audited: cdcproof (0.1.0)"},
    ],
    "fixes": [],
}


def stand_in(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "pip-audit"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))


def test_every_package_is_read_whatever_the_exit_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(
        tmp_path,
        f"""echo "$@" > {tmp_path}/asked; echo 'Found 1 known vulnerability' >&2; echo '{json.dumps(ANSWER)}'; exit 1""",
        monkeypatch,
    )

    assert audit().packages == (
        Audited("six", "1.16.0", "", ()),
        Audited("jinja2", "3.1.0", "", (("GHSA-x", "3.1.3"),)),
        Audited("cdcproof", "", ANSWER["dependencies"][2]["skip_reason"], ()),
    )
    assert "--format=json --progress-spinner=off --path=" in (tmp_path / "asked").read_text()


def test_a_package_with_an_advisory_is_red_until_it_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = [{**one, "vulns": []} if one["name"] == "jinja2" else one for one in ANSWER["dependencies"]]
    records = []
    for answer in (ANSWER, {"dependencies": replaced}):
        stand_in(tmp_path, f"echo '{json.dumps(answer)}'", monkeypatch)
        check = checks.test_no_installed_package_has_a_known_vulnerability
        records.append(judged(check, pipeline_of("orders"), advisories=audit()))

    assert [record.verdict for record in records] == [Verdict.FAILED, Verdict.PASSED]
    assert records[0].differences[0].detail == "mended in: GHSA-x: 3.1.3"
    assert "new requirements.lock" in records[0].action[0]


@pytest.mark.parametrize(
    "script",
    [
        "echo 'ERROR: connection refused' >&2; exit 1",
        "echo '{}'",
        "echo '[]'",
        """echo '{"dependencies": [{"name": "six", "version": "1", "vulns": null}]}'""",
    ],
)
def test_what_is_no_list_is_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    stand_in(tmp_path, script, monkeypatch)

    with pytest.raises(UnexpectedAnswerError, match="no list of packages"):
        audit()


def test_one_that_hangs_and_one_that_is_not_there_could_not_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, "exec sleep 60", monkeypatch)
    monkeypatch.setattr("cdcproof.observations.images.advisories_reading._SECONDS", 0.2)
    with pytest.raises(CouldNotLookError, match="did not end"):
        audit()

    (tmp_path / "pip-audit").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(CouldNotLookError, match="pipx install pip-audit"):
        audit()
