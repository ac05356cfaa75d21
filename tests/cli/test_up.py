"""`cdcproof up --monitoring`: what is told where the programs are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli.main import main
from cdcproof.environments.embedded import folders, lifecycle, services
from cdcproof.environments.embedded.state import Instance


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether monitoring was asked for, of a pipeline that starts at once; no program of monitoring is on PATH."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    seen: list[bool] = []

    def up(name: str, progress: object, *, monitoring: bool, **_: Any) -> Instance:
        del progress
        folders.make(name)
        seen.append(monitoring)
        return Instance(
            name, {port: 1000 + number for number, port in enumerate(services.PORTS)}, monitoring=monitoring
        )

    monkeypatch.setattr(lifecycle, "up", up)
    return seen


def test_it_says_what_is_missing_and_how_to_get_it(asked: list[bool], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--monitoring"]) == 0

    out = capsys.readouterr().out
    assert asked == [True]
    assert "not started: prometheus (prometheus is not on PATH); alertmanager (prometheus-alertmanager is not" in out
    assert "  apt-get download prometheus prometheus-alertmanager prometheus-pushgateway" in out
    assert "http://127.0.0.1:9090" not in out


def test_without_the_option_nothing_is_said_of_it(asked: list[bool], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up"]) == 0

    assert asked == [False]
    assert "not started" not in capsys.readouterr().out
