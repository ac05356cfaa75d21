from __future__ import annotations

from pathlib import Path

import pytest

from cdcproof.core.errors import ConfigError, UsageError
from cdcproof.validation.baseline.comparison import Expectation
from cdcproof.validation.change.change_file import expectations, load
from cdcproof.validation.change.risk import Risk

GOOD = """summary = "larger batches at the sink"
risk = "low"
downtime_minutes = 2
expect = ["connectors/sink/batch.size = 5000"]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "change.toml"
    path.write_text(text)
    return path


def test_a_change_is_read(tmp_path: Path) -> None:
    change = load(written(tmp_path, GOOD))

    assert (change.risk, change.downtime_minutes) == (Risk.LOW, 2)


@pytest.mark.parametrize(
    ("old", "new", "line", "reported"),
    [
        ('risk = "low"', 'risk = "tiny"', 2, "risk: must be 'low', 'medium' or 'high'"),
        ("downtime_minutes = 2", "downtime_minutes = -2", 3, "downtime_minutes: "),
        ("downtime_minutes = 2", "downtime = 2", 3, "downtime"),
        ('"larger batches at the sink"', '"x"', 1, "summary: "),
        ("connectors/sink", "conectors/sink", 4, "must begin with one of: versions/"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, reported: str) -> None:
    text = GOOD.replace(old, new)
    assert text != GOOD

    with pytest.raises(ConfigError) as raised:
        load(written(tmp_path, text))

    assert reported in raised.value.message
    assert raised.value.line in (line, None)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as raised:
        load(tmp_path / "none.toml")

    assert "docs/CHANGES.md" in raised.value.remedy


def test_the_file_and_the_command_line_are_added_up(tmp_path: Path) -> None:
    found = expectations(written(tmp_path, GOOD), ["versions/connect"])

    assert found == (Expectation("connectors/sink/batch.size", "5000"), Expectation("versions/connect"))


def test_an_expectation_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--expect: 'sink\.batch\.size=5' must begin with"):
        expectations(None, ["sink.batch.size=5"])
