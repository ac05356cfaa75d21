"""What Kafka Connect says about a configuration that it was asked to validate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.secrets import scrub


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
