"""Compose files as Compose itself reads them: merged, with what they include and extend, and with their variables filled in.

``docker compose config`` is asked, or Compose 1 (``docker-compose config``) where Docker has no such plug-in. No engine is needed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cdcproof.core import bounded, bounded_program
from cdcproof.core.errors import ConfigError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.json_text import parsed
from cdcproof.core.secrets import scrub

_QUESTION_SECONDS = 20.0
_CONFIG_SECONDS = 60.0
_LONGEST_QUOTE_LINES = 5
_OLD = "docker-compose"


@dataclass(frozen=True)
class Rendered:
    """What Compose made of the files. Secrets are in it.

    `project` is empty where it does not say (Compose 1); `warnings` are its own lines, about variables that are not set, say.
    """

    services: Mapping[str, Mapping[str, Any]] = field(repr=False)
    networks: Mapping[str, Mapping[str, Any]]
    project: str = ""
    warnings: tuple[str, ...] = ()


def rendered(files: Sequence[Path]) -> Rendered:
    """Let Compose read the files, each over those before it.

    Raises `UnreachableError` where Compose is not installed or does not answer, `ConfigError` for files that it does not take, and
    `UnexpectedAnswerError` for those that only Compose 1 is known not to take.
    """
    for file in files:
        if not file.is_file():
            raise ConfigError("There is no such compose file.", "Name an existing one with --compose.", file)
    words = tool()
    command = [*words, *(word for file in files for word in ("-f", str(file))), "config"]
    done = _run([*command, *([] if words == [_OLD] else ["--format", "json"])], _CONFIG_SECONDS)
    said = [line for line in scrub(done.stderr).strip().splitlines() if line.strip()]
    if done.returncode != 0:
        message = f"{' '.join(words)} does not take it: " + "\n".join(said[-_LONGEST_QUOTE_LINES:])
        if words == [_OLD] and all(_is_yaml(file) for file in files):  # what is wrong for it may be right for Compose 2
            raise UnexpectedAnswerError(
                message,
                "Compose 1 knows no include, no !reset and no plain yes or no. Install Docker's compose plug-in (Compose 2). "
                "It may take the file; if not, it says what is wrong.",
            )
        raise ConfigError(message, "Correct the file.", files[-1])
    return _read(done.stdout, tuple(said))


def tool() -> list[str]:
    """The words that call Compose."""
    if shutil.which("docker") and _run(["docker", "compose", "version"], _QUESTION_SECONDS).returncode == 0:
        return ["docker", "compose"]
    if shutil.which(_OLD):
        return [_OLD]
    raise UnreachableError(
        "Neither docker compose nor docker-compose is installed here, and only they read compose files as they are meant.",
        "Install Docker's compose plug-in; it needs no engine to read files.",
    )


def _is_yaml(file: Path) -> bool:
    try:
        yaml.compose(bounded.read_text(file, bounded.MOST_WRITTEN_BY_HAND_BYTES))
    except (yaml.YAMLError, OSError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _run(command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    # services behind a profile are part of the file: without this, they would be taken for gone
    environment = {"COMPOSE_PROFILES": "*", **os.environ}
    try:
        return bounded_program.run(command, seconds=seconds, env=environment)
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"{' '.join(command[:2])} does not answer within {seconds:g} s.") from None
    except OSError as error:
        raise UnreachableError(f"{command[0]} cannot be run: {error.strerror}.") from None


def _read(text: str, warnings: tuple[str, ...]) -> Rendered:
    try:
        try:
            found = parsed(text)
        except json.JSONDecodeError:
            found = yaml.safe_load(text)
        services, networks = found["services"], found.get("networks") or {}
        return Rendered(
            {name: dict(service) for name, service in services.items()},
            {name: dict(network or {}) for name, network in networks.items()},
            str(found.get("name") or ""),
            warnings,
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise UnexpectedAnswerError(f"What Compose answers is not understood: {type(error).__name__}.") from None
