"""Secrets: a value that does not print itself, and the scrubber in front of every sink."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import NoReturn
from urllib.parse import quote, quote_plus, unquote

from cdcproof.core.errors import UsageError

REDACTED = "[redacted]"

# Below this length a secret would also hit innocent text ("a", "sa"); it is then scrubbed only as a key's value.
_SHORTEST_SCRUBBED = 4

_SECRET_KEY = re.compile(
    r"(password|passwd|passphrase|pwd|secret|token|api[._-]?key|credential|user[._]info|sasl[._]jaas[._]config|private[._-]?key"
    r"|(access|account)[._-]?key|keystore[._-]key$|connection[._-]?string)",
    re.IGNORECASE,
)
# basic.auth.credentials.source, TOKEN_FILE
_NOT_SECRET_KEY = re.compile(r"[._](source|url|class|type|ms|file|path|location|env)$", re.IGNORECASE)
_WORDS = frozenset(("true", "false", "none", "null", "yes", "no", "on", "off", "enabled", "disabled", "default"))
"""What stands where a secret may stand, and would be taken out of every sentence."""
# The value: in quotes (escaped or not, as inside JSON), a reference, or up to what ends a value. It never takes the
# quote that ends a string around it, so that scrubbed JSON is still JSON.
_KEY_VALUE = re.compile(
    r"""(?:(?:password|passwd|passphrase|pwd|secret|token|user[._]info
                  |(?:api|access|account|private|keystore)[._-]?key)["'\\]{0,4}\s*[:=]\s*(?:N(?='))?)
        (?:(?P<quote>\\{0,3}["'])(?P<quoted>(?:\\.|[^\\\n]){0,500}?)(?P=quote)
          |(?P<plain>\$\{[^}\n]{0,200}\}|(?<==)\{(?:[^}\n]|\}\}){0,500}\}|(?:[^\s,;&}"'\\]|\\(?!["']))+))""",
    re.IGNORECASE | re.VERBOSE,
)
_AUTHORIZATION = re.compile(
    r"""(?:authorization["'\\]{0,4}\s*[:=]\s*["'\\]{0,4}(?:basic|bearer)\s+)(?P<secret>[\w+/=.~\-]+)""", re.IGNORECASE
)
# a flag with a blank before its value, not before the next word of a sentence about it; and SQL that sets an account's password. The words are too
# short and too common to be passwords.
_FLAG_OR_SQL = re.compile(
    r"""(?:--[\w-]{0,40}(?:password|passwd|pwd|secret|token)[ \t]+(?=[^\s-])(?!(?:is|are|was|has|and|or|but|works?|shows?|needs?|takes?|names?
              |cannot|can|must|may|will|would|to|in|on|of|for|from|by|with|without|instead|too|as|that|which|where|the|not)[ \t])
            |\b(?:password|identified[ \t]+by)[ \t]+(?='))
        (?:(?P<quote>["'])(?P<quoted>[^\n]{0,500}?)(?P=quote)|(?P<plain>[^\s"']+))""",
    re.IGNORECASE | re.VERBOSE,
)
_PRIVATE_KEY = re.compile(
    r"(?:-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)(?P<secret>.{1,20000}?)(?=-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
# what is a secret by its form: JSON Web Tokens, tokens of Slack, GitHub and Vault
_TOKEN = re.compile(
    r"eyJ[\w-]{8,4000}\.[\w-]{8,4000}\.[\w-]{8,1000}|xox[abeprs]-[\w-]{10,200}|gh[oprsu]_\w{30,200}|hv[brs]\.[\w-]{20,200}"
)
_REFERENCE = re.compile(r"\$\{.*\}|\$\w+|%\w+%")
# up to the last @ before the path: a password may hold one itself
_URL_USERINFO = re.compile(r"://[^\s:/@]*:(?P<secret>[^\s/\x22]+)@")
_ESCAPE = re.compile("(?:%25|%)[0-9A-F]{2}")
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-")


class Secret:
    """A string that is only read where it is used: `secret.reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        _known.add(value)

    def reveal(self) -> str:
        """Return the value itself; call it in the line that hands it to a driver."""
        return self._value

    def __reduce__(self) -> NoReturn:
        """A secret stays in its process: another one reads its own environment."""
        raise TypeError("A secret is not pickled: each process reads it from its own environment.")

    def __repr__(self) -> str:
        return f"Secret({REDACTED!r})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


_known: set[str] = set()


def from_environment(
    name: str, used_for: str, otherwise: str = "name another variable as password_env in the pipeline file"
) -> Secret:
    """Read the secret held by environment variable `name`; `used_for` names it in the error, and `otherwise` is the other way out."""
    value = os.environ.get(name)
    if value is None:
        raise UsageError(
            f"The environment variable {name}, the password for {used_for}, is not set.",
            f"export {name}=…   (or {otherwise})",
        )
    return Secret(value)


def scrub(text: str) -> str:
    """Remove every secret this process has seen, and anything that stands where a secret stands.

    All are looked for in the text as it came: a short secret within a longer one must not hide the rest of it.
    """
    parts, done = [], 0
    for start, end in _merged(_found(text)):
        parts += [text[done:start], REDACTED]
        done = end
    return "".join([*parts, text[done:]])


def _found(text: str) -> Iterator[tuple[int, int]]:
    """Where secrets stand: first character, and the one after the last."""
    for value in _known:
        if len(value) >= _SHORTEST_SCRUBBED:
            for form in _forms(value):
                if form in text:  # seldom, and asked of every text that is written
                    yield from ((at, at + len(form)) for at in _places(text, form))
            for core in _in_base64(value):
                if core in text:
                    yield from (_word_around(text, at, at + len(core)) for at in _places(text, core))
    yield from (match.span() for match in _TOKEN.finditer(text))
    for pattern in (_PRIVATE_KEY, _AUTHORIZATION, _URL_USERINFO):
        yield from (match.span("secret") for match in pattern.finditer(text))
    for pattern in (_FLAG_OR_SQL, _KEY_VALUE):
        for match in pattern.finditer(text):
            group = "quoted" if match["quote"] else "plain"
            if match[group] not in ("", "…", REDACTED, "null", "None") and not _REFERENCE.fullmatch(match[group]):
                yield match.span(group)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order; those that overlap are one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


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


def learn(config: Mapping[str, object]) -> None:
    """Make known to the scrubber what a configuration holds in clear: values of keys that hold secrets, and passwords within other values."""
    known(text for key in inline_secrets(config) if _may_be_secret(text := str(config[key])))
    for value in map(str, config.values()):
        inner = [found["secret"] for found in _URL_USERINFO.finditer(value)]
        inner += [(found["quoted"] if found["quote"] else found["plain"]) for found in _KEY_VALUE.finditer(value)]
        known(form for text in inner if _may_be_secret(text) for form in (text, unquote(text)))


def learn_environment(variables: Mapping[str, str]) -> None:
    """The same of environment variables, whose names say which are secrets; a shell's PWD is a folder."""
    learn({name: value for name, value in variables.items() if name not in ("PWD", "OLDPWD")})


def _may_be_secret(text: str) -> bool:
    return not (_REFERENCE.fullmatch(text) or text.lower() in _WORDS or re.fullmatch(r"\d{1,4}", text))


def known(values: Iterable[str]) -> None:
    """Make known to the scrubber values that are secret but never were a `Secret` (e.g. read from Connect)."""
    _known.update(v for v in values if v)


@cache
def _forms(value: str) -> tuple[str, ...]:
    """How a value may be written: as it is, in a URL, in JSON, in a Python literal, in HTML, in hex; the longest first."""
    data = value.encode(errors="surrogatepass")
    in_url = {quote(data, safe=safe) for safe in ("", "/", "!*'()", "!$&'()*+,;=:@/?")} | {quote_plus(data)}
    in_url |= {quote(form, safe="") for form in in_url}
    in_json = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    forms = {
        value,
        *in_url,
        *(_ESCAPE.sub(lambda escape: escape[0].lower(), form) for form in in_url),
        data.hex(),
        data.hex().upper(),
        *in_json,
        *(json.dumps(form)[1:-1] for form in in_json),
        repr(value)[1:-1],
        html.escape(value),
        html.escape(value, quote=False),
        html.escape(value).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    }
    return tuple(sorted(forms, key=len, reverse=True))


@cache
def _in_base64(value: str) -> tuple[str, ...]:
    """What is always found where base64 holds the value: it may begin at each of three places of its groups."""
    data = value.encode(errors="surrogatepass")
    return tuple({core for before in range(3) for core in _cores(data, before) if len(core) >= _SHORTEST_SCRUBBED})


def _cores(data: bytes, before: int) -> Iterator[str]:
    first, end = (
        -(-8 * before // 6),
        8 * (before + len(data)) // 6,
    )  # characters of six bits that are of the value alone
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(bytes(before) + data + bytes(2)).decode()[first:end]


def _word_around(text: str, start: int, end: int) -> tuple[int, int]:
    """The whole word of base64 of which a part is found."""
    while start and text[start - 1] in _BASE64:
        start -= 1
    while end < len(text) and text[end] in _BASE64:
        end += 1
    return start, end
