"""What Kafka Connect says about a configuration that it was asked to validate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.secrets import scrub

_RENAMED = {
    "database.server.name": "topic.prefix",
    "database.dbname": "database.names",
    "schema.whitelist": "schema.include.list",
    "schema.blacklist": "schema.exclude.list",
    "table.whitelist": "table.include.list",
    "table.blacklist": "table.exclude.list",
    "column.whitelist": "column.include.list",
    "column.blacklist": "column.exclude.list",
}
_HISTORY, _HISTORY_NOW = "database.history.", "schema.history.internal."
"""Debezium's names before 2.0 (release notes of 2.0.0.Beta1, "Configuration changes"); the lists' before 1.3."""

_SIMILAR = 0.85
"""How alike two names are that differ by a letter or two: `bacth.size`. Keys of converters and overrides are less alike."""


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong with one key of a connector's configuration. `text` is scrubbed."""

    field: str
    text: str


def field_errors(answer: Mapping[str, Any]) -> tuple[FieldError, ...]:
    """Read the answer of `PUT /connector-plugins/{class}/config/validate`: what is wrong, in its order.

    Raises `UnexpectedAnswerError` for another form, and when it counts errors that it does not name.
    """
    try:
        found = tuple(
            FieldError(str(field["value"]["name"]), scrub(" ".join(str(error).split())))
            for field in answer["configs"]
            for error in field["value"]["errors"]
        )
        count = int(answer["error_count"])
    except (KeyError, TypeError, ValueError):
        raise UnexpectedAnswerError("Kafka Connect answers a validation in a form we do not know.") from None
    if count and not found:
        raise UnexpectedAnswerError(f"Kafka Connect counts {count} errors in the configuration and names none.")
    return tuple(dict.fromkeys(found))


def unread_keys(answer: Mapping[str, Any], config: Mapping[str, str]) -> tuple[FieldError, ...]:
    """Keys that the plug-in does not read, as far as their names show what was meant: an earlier name, or a slip.

    A plug-in lists all that it reads. What it passes on to others (converters, overrides, drivers) is in no list, so that
    a key is doubted only where another name is close at hand. `answer` is one that `field_errors` could read.
    """
    read = {str(field["value"]["name"]) for field in answer["configs"]}
    doubted = []
    for key in sorted(set(config) - read):
        now = _HISTORY_NOW + key.removeprefix(_HISTORY) if key.startswith(_HISTORY) else _RENAMED.get(key, "")
        if now and (now in read or key.startswith(_HISTORY)):
            doubted.append(FieldError(key, f"the plug-in does not read this key; since Debezium 2 its name is {now}"))
        elif similar := get_close_matches(key, read - set(config), 1, _SIMILAR):
            doubted.append(FieldError(key, f"the plug-in does not read this key; is it {similar[0]}?"))
    return tuple(doubted)
