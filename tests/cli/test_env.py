from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cdcproof.cli.main import main
from cdcproof.environments.embedded import folders, passwords, state
from cdcproof.environments.embedded.state import Instance


def test_what_is_printed_gives_a_shell_the_passwords_and_psql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv(passwords.SOURCE_VARIABLE, "it's$HOME")
    monkeypatch.setenv(passwords.TARGET_VARIABLE, "target-1")
    folders.make("a")
    instance = Instance("a", {})
    state.save(instance)
    passwords.make(instance)
    kept = passwords.of(instance)

    assert main(["env", "--instance", "a"]) == 0

    script = capsys.readouterr().out + (
        'printf "%s\\n" "$POSTGRES_SOURCE_PASSWORD" "$POSTGRES_PASSWORD" "$PGUSER" "$PGPASSWORD"; command -v psql'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": str(Path(shutil.which("bash") or "/bin/bash").parent)},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    source, target, user, password, psql = done.stdout.splitlines()
    assert (source, target, user, password) == ("it's$HOME", "target-1", "postgres", kept.superuser.reveal())
    assert Path(psql).exists()


def test_an_instance_that_does_not_run_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert main(["env", "--instance", "none"]) == 2
    assert "cdcproof up" in capsys.readouterr().err
