"""A recording of more than it may hold: what is left out is named, and is not judged again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.evidence import chain, journal, recording
from cdcproof.evidence.journal import Journal


def _observed(step: str, text: str) -> tuple[str, dict[str, object]]:
    return recording.OBSERVATION, {"step": step, "fixture": "disks", "value": text, "redacted": False}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST_OBSERVED_BYTES", 3_000)


@pytest.mark.usefixtures("small")
def test_an_observation_without_room_is_left_out_and_those_after_it_are_kept(tmp_path: Path) -> None:
    kept = Journal(tmp_path, 1.0)
    kept.keep(
        [_observed("morning.1-it", "small"), _observed("morning.2-it", "x" * 5_000), _observed("morning.3-it", "y")]
    )
    assert kept.end("morning").startswith("Evidence: ")
    assert "disks of morning.2-it" in kept.problem
    (path,) = (tmp_path / "evidence").glob("*-morning.jsonl")
    assert path.stat().st_size < 5_000
    lines = [line for line in chain.read(path) if line["kind"] == recording.OBSERVATION]
    assert [line.get("value") for line in lines] == ["small", None, "y"]
    observations = {(line["step"], "disks"): line for line in lines}
    nowhere: Any = None
    found = recording.Recording(path, "1.0", 1.0, nowhere, observations=observations)
    with pytest.raises(CouldNotLookError, match=r"does not fit into .* cannot be recorded"):
        found.observed("morning.2-it", "disks")


def test_a_file_that_is_full_takes_no_more_lines_and_has_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = chain.Chain(tmp_path / "x.jsonl")
    made.add("seen", {"text": "x"}, 200)
    with pytest.raises(chain.FullError):
        made.add("seen", {"text": "y" * 200}, 200)
    made.add("seen", {"text": "z"})
    made.end()
    assert [line["text"] for line in chain.read(made.path)] == ["x", "z"]

    def full(*_: object) -> None:
        raise chain.FullError(27, "it is full")

    monkeypatch.setattr(chain.Chain, "add", full)
    kept = Journal(tmp_path, 1.0)
    assert kept.end("morning") == ""
    assert kept.problem == "The evidence could not be written: it is full"
