"""`cdcproof connectors`: every verb is listed, explained with an example, and fits a terminal."""

from __future__ import annotations

import pytest

from cdcproof.cli.connectors import VERBS
from cdcproof.cli.main import main


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit, match="0"):
        main(["connectors", *words, "--help"])
    return capsys.readouterr().out


def test_every_verb_is_listed_with_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = printed(capsys)
    assert [verb for verb, (_, summary) in VERBS.items() if f"    {verb:<10}{summary}\n" not in listed] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_an_example_of_itself_and_fits_80_columns(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    explained = printed(capsys, verb)
    assert f"example:\n  cdcproof connectors {verb}" in explained
    assert max(len(line) for line in explained.splitlines()) <= 80


@pytest.mark.parametrize("words", [[], ["nonsense"], ["pause"], ["get"], ["update"]])
def test_a_wrong_command_line_is_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["connectors", *words])
    assert "usage: cdcproof connectors" in capsys.readouterr().err
