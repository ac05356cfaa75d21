"""Lines that a person can paste into a pipeline file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def array(values: Iterable[str]) -> str:
    """``["photo", "notes"]``."""
    return f"[{', '.join(map(_text, values))}]"


def inline_table(values: Mapping[str, str]) -> str:
    """``{ FirstName = "first_name" }``."""
    return f"{{ {', '.join(f'{_key(key)} = {_text(value)}' for key, value in values.items())} }}"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(value: str) -> str:
    """A JSON string is a basic string of TOML, but for DEL, which TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
