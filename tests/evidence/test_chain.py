"""A line that is not as it was written is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.evidence.chain import Chain, last_hash, read

LINES = 5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "a/x.jsonl")


def written(path: Path) -> Path:
    chain = Chain(path)
    for number in range(LINES):
        chain.add("seen", {"value": f"ä{number}"})
    chain.end()
    assert last_hash(path) == chain.last_hash
    return path


def problem(path: Path, lines: list[str]) -> str:
    path.write_text("".join(lines))
    with pytest.raises(UnexpectedAnswerError) as caught:
        list(read(path))
    return caught.value.message


def test_what_was_written_is_read(path: Path) -> None:
    assert [line["value"] for line in read(path)] == [f"ä{number}" for number in range(LINES)]


@pytest.mark.parametrize("number", range(1, LINES + 2))
def test_a_changed_line_is_named(path: Path, number: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    lines[number - 1] = json.dumps(json.loads(lines[number - 1]) | {"value": "other"}) + "\n"

    assert f"line {number} was changed" in problem(path, lines)


@pytest.mark.parametrize("number", range(2, LINES + 1))
def test_another_hash_in_a_line_is_a_change_of_that_line(path: Path, number: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    changed = json.loads(lines[number - 1]) | {"before": "f" * 64}
    lines[number - 1] = json.dumps(changed, separators=(",", ":")) + "\n"

    assert f"line {number} was changed" in problem(path, lines)


@pytest.mark.parametrize("number", range(1, LINES + 1))
def test_a_dropped_line_is_named(path: Path, number: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    del lines[number - 1]

    assert f"line {number} was line {number + 1}" in problem(path, lines)


@pytest.mark.parametrize("number", range(1, LINES + 1))
def test_a_reordered_line_is_named(path: Path, number: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    lines[number - 1 : number + 1] = reversed(lines[number - 1 : number + 1])

    assert f"line {number} was line {number + 1}" in problem(path, lines)


def test_a_line_that_was_put_in_is_named(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    assert "line 3 was line 2" in problem(path, [*lines[:2], *lines[1:]])


@pytest.mark.parametrize("kept", range(1, LINES + 1))
def test_an_end_that_was_cut_off_is_named(path: Path, kept: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    assert f"line {kept + 1} is missing" in problem(path, lines[:kept])


@pytest.mark.parametrize("number", range(1, LINES + 2))
def test_a_line_that_was_cut_is_named(path: Path, number: int) -> None:
    lines = path.read_text().splitlines(keepends=True)
    assert f"line {number} is cut" in problem(path, [*lines[: number - 1], lines[number - 1][:-9]])


def test_lines_behind_the_end_are_named(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    assert f"line {LINES + 2} follows the end" in problem(path, [*lines, '{"line":7}\n']).replace(
        f"was line {LINES + 2}", ""
    )


@pytest.mark.parametrize("text", ["", "\n", "[1]\n", "x\n", '{"line":1}\n'])
def test_what_is_no_recording_is_refused(path: Path, text: str) -> None:
    assert "line 1" in problem(path, [text])


def test_a_file_that_is_there_is_never_written_into(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        Chain(path)
    assert path.read_bytes() == before


@settings(max_examples=150, deadline=None, database=None)
@given(st.data())
def test_no_single_byte_can_be_another_one(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = written(tmp_path_factory.mktemp("x") / "x.jsonl")
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
    path.write_bytes(content)

    with pytest.raises(UnexpectedAnswerError):
        list(read(path))
