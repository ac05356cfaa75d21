"""Files of ours: written and read back, and refused where they are not what was written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import pytest

from cdcproof.core.errors import ConfigError, OperationError
from cdcproof.core.stored import Kind


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Part:
    name: str
    offsets: tuple[Mapping[str, int], ...] | None = None


@dataclass(frozen=True)
class Whole:
    at: float
    colour: Colour
    parts: tuple[Part, ...] = ()
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)


KIND = Kind(Whole, "This whole cannot be read", "Make it anew.", "Make room.", version=3)
WHOLE = Whole(1.5, Colour.RED, (Part("ä", ({"a": 1},)), Part("b")), {"password": "s3cret"})
TEXT = '{"version": 3, "at": 1, "colour": "red"}'


def refused(path: Path, kind: Kind[Whole] = KIND) -> str:
    with pytest.raises(ConfigError) as error:
        kind.read(path)
    assert error.value.remedy == "Make it anew."
    head, _, reason = error.value.message.partition(": This whole cannot be read: ")
    assert head == str(path)
    return reason


def test_what_was_written_is_read_back_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "whole.json"
    KIND.write(path, WHOLE)
    assert KIND.read(path) == WHOLE
    assert path.read_text(encoding="utf-8").startswith('{\n "version": 3,\n "at": 1.5,\n "colour": "red",\n')
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["whole.json"]


def test_there_is_none(tmp_path: Path) -> None:
    assert KIND.read(tmp_path / "whole.json") is None


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    (tmp_path / "whole.json").write_text(TEXT, encoding="utf-8")
    assert KIND.read(tmp_path / "whole.json") == Whole(1.0, Colour.RED)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "EOF"),
        (TEXT[:-3], "EOF"),
        ("[1]", "it is none of cdcproof's (no version)"),
        (TEXT.replace("3", "4", 1), "a format that this cdcproof does not read, 4 and not 3"),
        (TEXT.replace("3", "2", 1), "a format that this cdcproof does not read, 2 and not 3"),
        (TEXT.replace("3", '"3"', 1), "a format that this cdcproof does not read, 3 and not 3"),
        (TEXT.replace('"at": 1, ', ""), "at: Field required"),
        (TEXT.replace('"at"', '"more": 1, "at"'), "more: Unexpected keyword argument"),
        (TEXT.replace("1", '"1"'), "at: Input should be a valid number"),
        (TEXT.replace("red", "blue"), "colour: Input should be 'red'"),
        (TEXT.replace("}", ', "parts": [{"name": null}]}'), "parts.0.name: Input should be a valid string"),
        ('{"version": 3, "at": ' + "[" * 100_000, "recursion limit"),
    ],
)
def test_what_is_not_what_was_written_is_refused(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "whole.json"
    path.write_text(text, encoding="utf-8")
    assert why in refused(path)


def test_no_value_is_in_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "whole.json"
    path.write_text(TEXT.replace("}", ', "secret": {"password": ["s3cret"]}}'), encoding="utf-8")
    assert refused(path) == "secret.password: Input should be a valid string."


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "whole.json"
    path.write_bytes(TEXT.replace("red", "\xe9").encode("latin-1"))
    assert "unicode" in refused(path)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening one waits for a writer
    assert refused(tmp_path / "pipe") == refused(tmp_path) == "it is no file."


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "whole.json"
    with path.open("wb") as file:
        file.truncate(2**30)
    assert refused(path) == "it has 1,073,741,824 bytes, and no such file has more than 64 MiB."


def test_a_folder_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refused(tmp_path / "file" / "whole.json") == "Not a directory."
    with pytest.raises(OperationError, match=r"whole\.json cannot be written: .*\nMake room\."):
        KIND.write(tmp_path / "file" / "whole.json", WHOLE)


def test_the_error_is_the_kind_s_and_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OperationError) as error:
        replace(KIND, complaint="is damaged", error=OperationError).read(tmp_path)
    assert str(error.value) == f"{tmp_path} is damaged: it is no file.\nMake it anew."


def test_a_kind_without_a_version_may_take_what_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "whole.json"
    path.write_text('{"at": 1, "colour": "red", "more": 2}', encoding="utf-8")
    kind = replace(KIND, version=0)
    assert refused(path, kind) == "more: Unexpected keyword argument."
    assert replace(kind, takes_more=True).read(path) == Whole(1.0, Colour.RED)


def test_a_name_that_is_no_text_does_not_end_the_writing(tmp_path: Path) -> None:
    path = tmp_path / "whole.json"
    KIND.write(path, replace(WHOLE, parts=(Part(os.fsdecode(b"x\xff")),)))
    read = KIND.read(path)
    assert read
    assert read.parts == (Part("x?"),)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    KIND.write(tmp_path / "whole.json", WHOLE)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        ConfigError, match=r"whole\.json cannot be read: Permission denied\.\nLet this account read it\."
    ):
        KIND.read(tmp_path / "whole.json")
