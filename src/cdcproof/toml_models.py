"""TOML files read into models: frozen, and whatever is wrong is told with file, line and key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from cdcproof.errors import ConfigError
from cdcproof.toml_lines import last_line_naming, line_of

M = TypeVar("M", bound="Model")
Name = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
"""A text that is not empty."""


class Model(BaseModel):
    """A table of a TOML file. A key that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


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
        first = error.errors(include_url=False, include_input=False)[0]
        location = tuple(first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = f"this key is not known; see {keys_are_in} for all keys"
        elif first["type"] == "missing":
            message = "this key is required"
        key = ".".join(str(part) for part in location)
        twice = first["type"] == "listed_twice"
        at = last_line_naming(text, first["ctx"]["name"]) if twice else line_of(text, location)
        raise ConfigError(f"{key}: {message}" if key else message, path=path, line=at) from None
