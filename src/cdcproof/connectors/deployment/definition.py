"""A connector as a file defines it: ``{"name": …, "config": {…}}``, or the configuration alone with its name in it.

Beside `config` may stand ``"initial_state"``, in which Connect 3.7 and newer create the connector.

``${NAME}`` in capitals is filled from the environment. Anything else in ``${…}`` is left to those it is meant for: the
worker's ConfigProviders (``${file:…:key}``, ``${env:NAME}``) and the plug-in itself (``${topic}``, ``${source.table}``).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cdcproof.clients.connect.client import Connector
from cdcproof.core import bounded
from cdcproof.core.errors import ConfigError, UsageError
from cdcproof.core.json_text import parsed
from cdcproof.core.secrets import REDACTED, inline_secrets, is_secret_key, known, redact, scrub

CLASS = "connector.class"
_INITIAL_STATES = ("RUNNING", "PAUSED", "STOPPED")
_VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
_UNFILLED = re.compile(r"\$\{\w+\}")
_PASSWORD_IN_TEXT = re.compile(r"""password=["']?([^&;"'\s]+)""", re.IGNORECASE)
"""In a JDBC address, or in sasl.jaas.config."""


@dataclass(frozen=True)
class Definition:
    """A connector as it should be. `config` is filled, and holds no ``name``: secrets are in it, so do not print it.

    `literal_secrets` are the keys whose secret stands in the file itself.
    """

    name: str
    config: Mapping[str, str] = field(repr=False)
    path: Path
    literal_secrets: tuple[str, ...] = ()
    initial_state: str = ""
    """RUNNING, PAUSED or STOPPED: how it is created; empty where the file leaves that to Connect."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about what works, but should not be."""
        return tuple(
            f"{self.path}: {key} stands in the file in clear; write ${{NAME}} and set it in the environment, "
            "or let a ConfigProvider of the worker fill it in"
            for key in self.literal_secrets
        )

    def with_kept_secrets(self, running: Mapping[str, str] | None) -> Definition:
        """The definition with each value that `get` prints as `[redacted]`, or so in part, taken from what runs.

        Raises `ConfigError` where nothing runs to take it from.
        """
        shown = {key: scrub(str(value)) for key, value in redact(running or {}).items()}
        kept = {}
        for key, value in self.config.items():
            if REDACTED in value:
                if running is None or shown.get(key) != value:
                    raise ConfigError(
                        f"{key}: {REDACTED} stands for the value that runs now, and there is none of that form.",
                        "Write the value as ${NAME}, and set that in the environment.",
                        self.path,
                    )
                kept[key] = running[key]
        return replace(self, config={**self.config, **kept})


def read(path: Path, name: str | None = None) -> Definition:
    """Read a file; `name` is the connector it must be of, where that is known.

    Raises `ConfigError` naming file, line and key for anything wrong with it.
    """
    try:
        text = bounded.read_text(path, bounded.MOST_WRITTEN_BY_HAND_BYTES, encoding="utf-8-sig")
        data = parsed(text, pairs=_without_doubles)
    except FileNotFoundError:
        raise ConfigError("There is no such file.", "Name the connector's JSON file.", path) from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"Not valid JSON: {error.msg}.", path=path, line=error.lineno) from None
    except _DoubleKeyError as error:
        raise ConfigError(f"{error}: this key is there twice.", path=path, line=_line_of(text, str(error))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The file cannot be read: {bounded.reason(error)}", path=path) from None
    except ValueError as error:
        raise ConfigError(f"Not valid JSON: {error}.", path=path) from None
    named, config, initial_state = _parts(data, path)
    own = named or name or ""
    if not own:
        raise ConfigError("name: the connector's name is required.", 'Add "name": "…" to the file.', path)
    if name and own != name:
        raise ConfigError(f"name: the file is of {own}, not of {name}.", path=path, line=_line_of(text, "name"))
    return replace(_filled(own, _texts(config, text, path), text, path), initial_state=initial_state)


def changed(running: Connector, settings: Mapping[str, str]) -> Definition:
    """What runs, with other settings: as they are given, nothing is filled in."""
    config = {key: value for key, value in running.config.items() if key != "name"}
    return Definition(running.name, {**config, **settings}, Path("--set"))


def read_all(path: Path) -> tuple[Definition, ...]:
    """Read a file, or every ``*.json`` of a directory, by name of the file. Raises `ConfigError` as `read`."""
    if not path.is_dir():
        return (read(path),)
    try:
        files = sorted(file for file in path.iterdir() if file.suffix == ".json")  # `glob` hides what may not be listed
    except OSError as error:
        raise ConfigError(f"The directory cannot be read: {error.strerror}.", path=path) from None
    if not files:
        raise ConfigError("There is no *.json in this directory.", "Name the directory of the connectors' files.", path)
    found: dict[str, Definition] = {}
    for file in files:
        definition = read(file)
        if definition.name in found:
            raise ConfigError(
                f"name: {definition.name} is defined in {found[definition.name].path.name} as well.",
                "Keep the files of one pipeline in a directory of their own, or name one file.",
                file,
            )
        found[definition.name] = definition
    return tuple(found.values())


def place(asked: Path | None, configured: Path | None) -> Path:
    """Where the definitions are: what was asked for, else `paths.connectors`. Raises `UsageError` for neither."""
    path = asked or configured
    if path is None:
        raise UsageError(
            "Which connectors? The pipeline file does not name the directory of their files.",
            'Name it after the command, or add connectors = "…" to [paths].',
        )
    return path


class _DoubleKeyError(Exception):
    """A key stands twice in one object: JSON readers take the last one and say nothing."""


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DoubleKeyError(key)
        found[key] = value
    return found


def _parts(data: Any, path: Path) -> tuple[str, dict[str, Any], str]:
    """Name ("" when there is none), configuration and initial state ("" when there is none), of either form."""
    if not isinstance(data, dict):
        raise ConfigError("The file must hold a JSON object.", 'Like {"name": "…", "config": {…}}.', path)
    if CLASS in data:
        return str(data.get("name") or ""), {key: value for key, value in data.items() if key != "name"}, ""
    unknown = sorted(set(data) - {"name", "config", "initial_state"})
    if unknown:
        raise ConfigError(
            f"{unknown[0]}: this key is not known.",
            f"Beside name, initial_state and config, settings belong into config: {CLASS} is one.",
            path,
        )
    config = data.get("config")
    if not isinstance(config, dict):
        raise ConfigError("config: an object with the connector's settings is required.", path=path)
    name = data.get("name") or ""
    if not isinstance(name, str) or config.get("name", name) != name:
        raise ConfigError("name: must be one text, the same in config where it is repeated.", path=path)
    initial_state = data.get("initial_state", "")
    if "initial_state" in data and initial_state not in _INITIAL_STATES:
        raise ConfigError(f"initial_state: must be one of {', '.join(_INITIAL_STATES)}.", path=path)
    return name, {key: value for key, value in config.items() if key != "name"}, initial_state


def _texts(config: Mapping[str, Any], text: str, path: Path) -> dict[str, str]:
    """The values as Connect keeps them: as text."""
    found = {}
    for key, value in config.items():
        if not isinstance(value, str | int | float):
            what = "null" if value is None else "a list" if isinstance(value, list) else "an object"
            raise ConfigError(
                f"config.{key}: must be a text, a number or a truth value, not {what}.",
                "A list is written as text with commas.",
                path,
                _line_of(text, key),
            )
        found[key] = str(value).lower() if isinstance(value, bool) else str(value)
    if not found.get(CLASS):
        raise ConfigError(f"config.{CLASS}: this key is required.", path=path)
    return found


def _filled(name: str, config: Mapping[str, str], text: str, path: Path) -> Definition:
    missing = {v: key for key, value in config.items() for v in _VARIABLE.findall(value) if v not in os.environ}
    if missing:
        key = next(iter(missing.values()))
        raise ConfigError(
            f"config.{key}: the environment variable {', '.join(missing)} is not set.",
            " ".join(["export", *(f"{v}=…" for v in missing)]),
            path,
            _line_of(text, key),
        )
    for key, value in config.items():
        if is_secret_key(key) and _UNFILLED.fullmatch(value) and not _VARIABLE.fullmatch(value):
            raise ConfigError(
                f"config.{key}: {value} would reach Connect as it stands: only names in capitals are filled in.",
                path=path,
                line=_line_of(text, key),
            )
        known(_secrets_in(key, value))
    literal = tuple(key for key, value in config.items() if _literal_secrets(key, value))
    filled = {key: _VARIABLE.sub(lambda match: os.environ[match[1]], value) for key, value in config.items()}
    known(value for key, value in filled.items() if is_secret_key(key) and _VARIABLE.search(config[key]))
    return Definition(name, filled, path, literal)


def _secrets_in(key: str, value: str) -> list[str]:
    """What must never be printed of a value that is not filled yet."""
    variables = [v for v in _VARIABLE.findall(value) if is_secret_key(key) or is_secret_key(v)]
    return [*_literal_secrets(key, value), *(os.environ[v] for v in variables)]


def _literal_secrets(key: str, value: str) -> list[str]:
    """Secrets that stand in the value as they are, the whole of it or a part; a reference to one is none."""
    in_text = [word for word in _PASSWORD_IN_TEXT.findall(value) if "${" not in word and word != REDACTED]
    whole = [value] if inline_secrets({key: value}) and "${" not in value and value != REDACTED else []
    return [*in_text, *whole]


def _line_of(text: str, key: str) -> int | None:
    """The line of the last place where the key stands; None when it is nowhere, as it is written."""
    places = [match.start() for match in re.finditer(rf"{re.escape(json.dumps(key, ensure_ascii=False))}\s*:", text)]
    return text.count("\n", 0, places[-1]) + 1 if places else None
