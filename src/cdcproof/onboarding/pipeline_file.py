"""Write a pipeline as the TOML file that `cdcproof.pipeline.model.load` reads, with comments for the operator."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import tomlkit
from tomlkit.items import AoT, Table

from cdcproof.core.errors import UsageError
from cdcproof.core.files import write_whole
from cdcproof.pipeline.model import Pipeline, parse

_WIDTH = 100
_TOP = ("name", "environment")


def text_of(pipeline: Pipeline, comments: Sequence[tuple[str, str]] = ()) -> str:
    """The TOML of a pipeline. `comments` are (section, sentence), written below the section's header.

    Values that are as by default are left out, and so is what TOML cannot say (None).
    """
    data: dict[str, Any] = _as_toml(pipeline.model_dump(by_alias=True, exclude_defaults=True))
    document = tomlkit.document()
    for line in (
        "The expected state of one pipeline; docs/PIPELINE.md explains every key. It holds no secrets:",
        "passwords are read from the environment variables named by password_env.",
    ):
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    for key in _TOP:
        document.add(key, data.get(key, getattr(pipeline, key)))
    document.add(tomlkit.nl())
    for section in dict.fromkeys((*Pipeline.model_fields, *(where for where, _ in comments))):
        if section in _TOP:
            continue
        lines = [
            line
            for where, text in comments
            if where == section
            for line in wrap(text, _WIDTH - 2, break_on_hyphens=False)
        ]
        value = data.get(section)
        if isinstance(value, list):
            document.add(section, _array(value, lines))
        elif value:
            document.add(section, _table(value, lines))
        elif lines:  # a section that is not there, and why
            for line in lines:
                document.add(tomlkit.comment(line))
            document.add(tomlkit.nl())
    return re.sub(r"\n{3,}", "\n\n", tomlkit.dumps(document)).rstrip() + "\n"


def write(text: str, path: Path, *, overwrite: bool) -> Pipeline:
    """Write the file, whole or not at all, and return the pipeline that it reads as.

    Raises `UsageError` when it exists and must not be overwritten, or cannot be written, `ConfigError` for a text that
    is no pipeline.
    """
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists and is left as it is.", "Name another file with --output, or add --force.")
    pipeline = parse(text, path)
    try:
        write_whole(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", "Name another file with --output.") from None
    return pipeline


def _as_toml(value: Any) -> Any:
    """The value in TOML's own types, which know dates and times but neither paths nor tuples."""
    match value:
        case Path():
            return str(value)
        case Mapping():
            return {key: _as_toml(inner) for key, inner in value.items()}
        case tuple() | list():
            return [_as_toml(inner) for inner in value]
        case _:
            return value


def _table(values: Mapping[str, Any], comment_lines: Sequence[str] = ()) -> Table:
    table = tomlkit.table()
    for line in comment_lines:
        table.add(tomlkit.comment(line))
    for key, value in values.items():
        table.add(key, value)
    table.add(tomlkit.nl())
    return table


def _array(entries: Sequence[Mapping[str, Any]], comment_lines: Sequence[str]) -> AoT:
    array = tomlkit.aot()
    for number, entry in enumerate(entries):
        array.append(_table(entry, comment_lines if number == 0 else ()))
    return array
