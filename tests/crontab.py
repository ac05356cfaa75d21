"""Reads a crontab as cron does (crontab(5)): settings, and lines of five fields and a command in which ``\\%`` is a percent sign."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_FIELD = r"(?:\*|\d+(?:-\d+)?)"


@dataclass(frozen=True)
class Line:
    """A task: when, the command as written, and as the shell gets it."""

    when: str
    written: str
    command: str

    @property
    def words(self) -> str:
        """What is run, without the way there and where its output goes."""
        return re.sub(r"^.*?cd /path/to/project && | >> .*$", "", self.written)


@dataclass(frozen=True)
class Crontab:
    settings: Mapping[str, str]
    lines: tuple[Line, ...]


def parse(text: str) -> Crontab:
    settings: dict[str, str] = {}
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if setting := re.fullmatch(r"(\w+)=(.*)", line):
            settings[setting[1]] = setting[2]
        elif task := re.fullmatch(rf"({_FIELD}(?: {_FIELD}){{4}}) (.+)", line):
            command = task[2]
            assert not re.search(r"(?<!\\)%", command), f"line {number}: cron makes a newline of %"
            lines.append(Line(task[1], command, command.replace("\\%", "%")))
        else:
            raise AssertionError(f"line {number} is no crontab line: {line}")
    return Crontab(settings, tuple(lines))
