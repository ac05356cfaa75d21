"""Secrets: a value that does not print itself, and the scrubber in front of every sink."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from urllib.parse import quote, quote_plus

from cdcproof.errors import UsageError

REDACTED = "[redacted]"

# Below this length a secret would also hit innocent text ("a", "sa"); it is then scrubbed only as a key's value.
_SHORTEST_SCRUBBED = 4

_SECRET_KEY = re.compile(
    r"(password|passwd|pwd|secret|token|api[._-]?key|credential|user\.info|sasl\.jaas\.config|private[._-]?key)",
    re.IGNORECASE,
)
_NOT_SECRET_KEY = re.compile(r"\.(source|url|class|type|ms)$", re.IGNORECASE)  # basic.auth.credentials.source
# The value: in quotes (escaped or not, as inside JSON), a reference, or up to what ends a value. It never takes the
# quote that ends a string around it, so that scrubbed JSON is still JSON.
_KEY_VALUE = re.compile(
    r"""(?P<key>(?:password|passwd|pwd|secret|token|api[._-]?key)["'\\]{0,4}\s*[:=]\s*)
        (?:(?P<quote>\\{0,3}["'])(?P<quoted>(?:\\.|[^\\\n]){0,500}?)(?P=quote)
          |(?P<plain>\$\{[^}\n]{0,200}\}|(?:[^\s,;&}"'\\]|\\(?!["']))+))""",
    re.IGNORECASE | re.VERBOSE,
)
_AUTHORIZATION = re.compile(
    r"""(?P<key>authorization["'\\]{0,4}\s*[:=]\s*["'\\]{0,4}(?:basic|bearer)\s+)[\w+/=.~\-]+""", re.IGNORECASE
)
_REFERENCE = re.compile(r"\$\{.*\}|\$\w+|%\w+%")
# up to the last @ before the path: a password may hold one itself
_URL_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.\-]{0,20}://[^\s:/@]*):[^\s/\x22]+@", re.IGNORECASE)


class Secret:
    """A string that is only read where it is used: `secret.reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        _known.add(value)

    def reveal(self) -> str:
        """Return the value itself; call it in the line that hands it to a driver."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({REDACTED!r})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


_known: set[str] = set()


def from_environment(name: str, used_for: str) -> Secret:
    """Read the secret held by environment variable `name`; `used_for` names it in the error."""
    value = os.environ.get(name)
    if value is None:
        raise UsageError(
            f"The environment variable {name}, the password for {used_for}, is not set.",
            f"export {name}=…   (or name another variable as password_env in the pipeline's TOML)",
        )
    return Secret(value)


def scrub(text: str) -> str:
    """Remove every secret this process has seen, and anything that stands where a secret stands."""
    for value in sorted(_known, key=len, reverse=True):
        if len(value) >= _SHORTEST_SCRUBBED:
            for form in _forms(value):
                text = text.replace(form, REDACTED)
    text = _AUTHORIZATION.sub(rf"\g<key>{REDACTED}", text)
    text = _URL_USERINFO.sub(rf"\g<scheme>:{REDACTED}@", text)
    return _KEY_VALUE.sub(_redact_value, text)


def redact(config: Mapping[str, object]) -> dict[str, object]:
    """Copy a connector's configuration with the values of secret-bearing keys redacted.

    A reference such as ``${file:/etc/secrets:db}`` is not a secret and stays readable.
    """
    return {
        key: REDACTED if is_secret_key(key) and not is_reference(value) and value not in (None, "") else value
        for key, value in config.items()
    }


def inline_secrets(config: Mapping[str, object]) -> list[str]:
    """Keys whose secret stands in clear in the configuration, in order."""
    return [k for k, v in config.items() if is_secret_key(k) and v not in (None, "") and not is_reference(v)]


def is_secret_key(key: str) -> bool:
    """Whether a configuration key of this name holds a secret."""
    return bool(_SECRET_KEY.search(key)) and not _NOT_SECRET_KEY.search(key)


def is_reference(value: object) -> bool:
    """Whether the value is a ConfigProvider reference or an unfilled ``${NAME}``."""
    return isinstance(value, str) and value.startswith("${") and value.endswith("}")


def known(values: Iterable[str]) -> None:
    """Tell the scrubber about values that are secret but never were a `Secret` (e.g. read from Connect)."""
    _known.update(v for v in values if v)


@cache
def _forms(value: str) -> tuple[str, ...]:
    """How a value may be written: as it is, in a URL, in JSON, in a Python literal, in HTML; the longest first."""
    forms = {
        value,
        quote(value, safe=""),
        quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        html.escape(value),
    }
    return tuple(sorted(forms, key=len, reverse=True))


def _redact_value(match: re.Match[str]) -> str:
    value = match["quoted"] if match["quote"] else match["plain"]
    if value in ("", "…", REDACTED, "null", "None") or _REFERENCE.fullmatch(value):
        return match[0]
    mark = match["quote"] or ""
    return f"{match['key']}{mark}{REDACTED}{mark}"
