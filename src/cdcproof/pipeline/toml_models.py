"""TOML files read into models: frozen, and an error names file, line and key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from cdcproof.core.errors import ConfigError
from cdcproof.pipeline.toml_lines import last_line_naming, line_of

M = TypeVar("M", bound="Model")
Name = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
"""A text that is not empty."""
_MOST = 10
"""So many faults of a file are listed."""

_SHOULD = re.compile(r"^(?:Input|[A-Z][a-z]+) should\b")
"""How pydantic begins: with its name of the type, which no writer of a file knows."""


class Model(BaseModel):
    """A table of a TOML file. A key that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        annotation = cls.model_fields[info.field_name].annotation if info.field_name else None
        if isinstance(value, bool) and annotation in (int, float, int | None, float | None):
            raise ValueError("must be a number, not true or false")
        return value


def parse(model: type[M], text: str, path: Path, keys_are_in: str) -> M:
    """Read a file's text; `path` names it in errors, `keys_are_in` where all keys are explained. Raises `ConfigError`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise ConfigError(f"Not valid TOML: {error}", path=path, line=int(line[1]) if line else None) from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = sorted(error.errors(include_url=False, include_input=False), key=lambda one: not _is_a_password(one))
        faults = [_fault(one, text, keys_are_in) for one in found[:_MOST]]
        (first_line, message), *others = faults
        left_out = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
        more = [f"{path}:{at}: {also}" if at else f"{path}: {also}" for at, also in others]
        raise ConfigError("\n".join([message, *more, *left_out]), path=path, line=first_line) from None


def _is_a_password(fault: ErrorDetails) -> bool:
    return fault["type"] == "extra_forbidden" and str(fault["loc"][-1]).endswith("password")


def _fault(fault: ErrorDetails, text: str, keys_are_in: str) -> tuple[int | None, str]:
    """The line, and the key with what is wrong with it."""
    location = tuple(fault["loc"])
    message = _SHOULD.sub("must", fault["msg"].removeprefix("Value error, ")).replace(" after validation", "")
    message = message.replace("a valid tuple", "a list")
    if _is_a_password(fault):  # without a colon behind the key: the scrubber would take the next word for the password
        key = ".".join(str(part) for part in location)
        return line_of(
            text, location
        ), f"{key} is no key: name the environment variable that has the secret, by password_env"
    if fault["type"] == "extra_forbidden":
        message = f"this key is not known; see {keys_are_in} for all keys"
    elif fault["type"] == "missing":
        message = "this key is required"
    key = ".".join(str(part) for part in location)
    twice = fault["type"] == "listed_twice"
    at = last_line_naming(text, fault["ctx"]["name"]) if twice else line_of(text, location)
    return at, f"{key}: {message}" if key else message
