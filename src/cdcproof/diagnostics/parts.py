"""What is collected: files, what could not be collected and why, and what stands out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from cdcproof.core.errors import CdcproofError
from cdcproof.core.waiting import Deadline
from cdcproof.environments.base import Environment
from cdcproof.pipeline.model import Pipeline

_LONGEST_NAME = 100


@dataclass(frozen=True)
class File:
    """A text for the archive. `keep` is the end that stays where it is too long."""

    path: str
    text: str
    keep: Literal["start", "end"] = "start"


@dataclass(frozen=True)
class Missing:
    """What could not be collected, why, and what to do to see it all the same."""

    what: str
    why: str
    remedy: str = ""


@dataclass(frozen=True)
class Remark:
    """A sentence on what stands out: it comes first on the first page."""

    text: str


def unlocated(problem: CdcproofError | None) -> tuple[Missing, ...]:
    """That it could not be found out where the services are, where that was so."""
    if problem is None:
        return ()
    asked = "All was asked at the addresses that the pipeline file has."
    return (Missing("where the services are", f"{problem.message} {asked}", problem.remedy),)


Part = File | Missing | Remark


@dataclass(frozen=True)
class Scope:
    """What is collected from. `since` is in Unix seconds: older lines of logs are not of interest."""

    pipeline: Pipeline
    environment: Environment
    since: float
    deadline: Deadline


@dataclass(frozen=True)
class Item:
    """One thing to collect: what gathers it yields each part as soon as it has it, so that what is late costs only itself."""

    name: str
    title: str
    gather: Callable[[Scope], Iterable[Part]]


def attempt(what: str, gather: Callable[[], Iterable[Part]]) -> Iterator[Part]:
    """The parts that come; an error of ours as what is missing, so that it costs nothing else of the item."""
    try:
        yield from gather()
    except CdcproofError as error:
        yield Missing(what, error.message, error.remedy)


def as_json(value: Any) -> str:
    """For a person to read."""
    return json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"


def file_name(name: str) -> str:
    """A name of somebody else's as one part of a path, which leaves no folder and hides in none."""
    safe = re.sub(r"[^\w.+-]", "_", name)[:_LONGEST_NAME]
    return safe if safe.strip(".") else f"_{safe}"
