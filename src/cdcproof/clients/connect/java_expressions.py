"""Java's regular expressions, as far as Python can read them. Pure.

Connect and Debezium match whole names. What Java writes in another way than Python is translated; what has no
counterpart raises `UnreadableError`, so that a caller can name the expression instead of finding no match.
"""

from __future__ import annotations

import re
from functools import cache

_CLASSES = {
    "Alpha": "a-zA-Z",
    "Lower": "a-z",
    "Upper": "A-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "XDigit": "0-9a-fA-F",
    "Blank": r" \t",
    "Space": r"\s",
    "Graph": "!-~",
    "Print": " -~",
    "Punct": r"!-/:-@\[-`{-~",
    "ASCII": r"\x00-\x7f",
}
"""Java's POSIX classes (`java.util.regex.Pattern`), as the inside of a class of Python's."""

_TOKEN = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|\Z)"
    r"|\\(?P<sign>[pP])\{(?P<kind>[^}]*)\}"
    r"|\\k<(?P<back>\w+)>"
    r"|\\(?P<escape>.)"
    r"|\(\?<(?P<group>[a-zA-Z]\w*)>"
    r"|(?P<other>&&|.)",
    re.DOTALL,
)
_REFERENCE = re.compile(r"\\(?P<literal>.)|\$\{(?P<name>\w+)\}|\$(?P<number>\d+)|(?P<stray>[$\\])", re.DOTALL)


class UnreadableError(ValueError):
    """An expression, or a replacement, that Java may read and this program does not."""


def match(expression: str, text: str, *, ignore_case: bool = False) -> re.Match[str] | None:
    """The match of the whole text. Raises `UnreadableError`."""
    return _compiled(expression, ignore_case).fullmatch(text)


def filled(found: re.Match[str], replacement: str) -> str:
    """Java's replacement: ``$1``, ``${name}``, and a backslash before what is meant literally. Raises `UnreadableError`."""

    def one(reference: re.Match[str]) -> str:
        if reference["stray"]:
            raise UnreadableError(f"the replacement {replacement!r} ends with {reference['stray']!r} alone")
        if reference["literal"]:
            return reference["literal"]
        if reference["name"]:
            if reference["name"] not in found.re.groupindex:
                raise UnreadableError(
                    f"the replacement {replacement!r} names a group that the expression does not have"
                )
            return found[reference["name"]] or ""
        # Java takes as many digits as still name a group; the first always counts
        digits = reference["number"]
        taken = next((n for n in range(len(digits), 1, -1) if int(digits[:n]) <= found.re.groups), 1)
        if int(digits[:taken]) > found.re.groups:
            raise UnreadableError(f"the replacement {replacement!r} names a group that the expression does not have")
        return (found[int(digits[:taken])] or "") + digits[taken:]

    return _REFERENCE.sub(one, replacement)


@cache
def _compiled(expression: str, ignore_case: bool) -> re.Pattern[str]:
    flags = re.ASCII | (re.IGNORECASE if ignore_case else 0)
    try:
        return re.compile(_translated(expression), flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise UnreadableError(f"the expression {expression!r} cannot be read here ({error})") from None


def _translated(expression: str) -> str:
    parts: list[str] = []
    inside = False  # of a class in brackets
    for token in _TOKEN.finditer(expression):
        if token["quoted"] is not None:
            parts.append(re.escape(token["quoted"]))
        elif token["sign"]:
            parts.append(_class(token["kind"], expression, negated=token["sign"] == "P", inside=inside))
        elif token["back"]:
            parts.append(f"(?P={token['back']})")
        elif token["escape"]:
            parts.append({"z": r"\Z", "h": r"\t " if inside else r"[\t ]"}.get(token["escape"], token[0]))
        elif token["group"] and not inside:
            parts.append(f"(?P<{token['group']}>")
        elif inside and token["other"] in ("&&", "["):
            raise UnreadableError(f"the expression {expression!r} joins classes in a way that is not read here")
        else:
            inside = token[0] == "[" or (inside and token[0] != "]")
            parts.append(token[0])
    return "".join(parts)


def _class(kind: str, expression: str, *, negated: bool, inside: bool) -> str:
    found = _CLASSES.get(kind)
    if found is None or (negated and inside):
        raise UnreadableError(f"the expression {expression!r} has a class of characters that is not read here")
    return found if inside else f"[{'^' if negated else ''}{found}]"
