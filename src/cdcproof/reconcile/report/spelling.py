"""Why the values of a column differ, where each could be the other's in another spelling: a cause to name once. Pure.

The values differ all the same: what reads the target reads another text than what reads the source.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from cdcproof.databases.table_read import ColumnRead
from cdcproof.databases.values import stored_value
from cdcproof.databases.values.types import ENCODED_BY_HASH, Kind
from cdcproof.reconcile.differences import Key

Value = str | int | None
"""A text, a number, a moment in microseconds, or NULL."""

_FIRST = 200
"""So many values are tried in each spelling; the likeliest one is then tried on all."""
_QUARTER_OF_AN_HOUR = 900_000_000
_MOST_OFFSET = 26 * 4 * _QUARTER_OF_AN_HOUR
"""From UTC-12 to UTC+14."""
_UUID = re.compile(r"\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?", re.IGNORECASE)
_TRUE = frozenset(("true", "t", "yes", "y", "on", "1", "-1"))
_FALSE = frozenset(("false", "f", "no", "n", "off", "0"))


class Spelling(NamedTuple):
    """What two values differ in, and what is the same of both where they differ in nothing else."""

    said: str
    same: Callable[[str], str]


def _as_boolean(text: str) -> str:
    word = text.strip().lower()
    return "true" if word in _TRUE else "false" if word in _FALSE else text


def _as_uuid(text: str) -> str:
    found = _UUID.fullmatch(text.strip())
    return "-".join(found.groups()).lower() if found else text


def _as_number(text: str) -> str:
    word = text.strip().replace(",", ".", 1)
    if not re.fullmatch(r"[+-]?\d{1,100}(\.\d{0,100})?", word):
        return text
    whole, _, fraction = word.lstrip("+-").partition(".")
    bare = f"{whole.lstrip('0') or '0'}.{fraction.rstrip('0')}"
    return f"-{bare}" if word.startswith("-") and bare != "0." else bare


_OF_TEXTS = (
    Spelling("in blanks at the end", lambda text: text.rstrip(" ")),
    Spelling("in hyphens, braces or the case of a uuid", _as_uuid),
    Spelling("in the word for true and false", _as_boolean),
    Spelling("in the case of letters", str.casefold),
    Spelling("in line ends (CR LF and LF)", lambda text: text.replace("\r\n", "\n").replace("\r", "\n")),
    Spelling("in white space around the text", str.strip),
    Spelling("in how a number is written", _as_number),
    Spelling(
        "in Unicode's composed and decomposed letters (NFC, NFD)", lambda text: unicodedata.normalize("NFC", text)
    ),
    Spelling("in case and white space", lambda text: " ".join(text.casefold().split())),
)


def of_column(source: ColumnRead, target: ColumnRead, pairs: Sequence[tuple[bytes | None, bytes | None]]) -> str:
    """What most of these differing values, of source and target, differ in; empty where nothing is known."""
    values = [
        (_value(source, ours), _value(target, theirs)) for ours, theirs in pairs if not _is_hashed(source, ours, theirs)
    ]
    best, most = "", 0
    is_best: Callable[[tuple[Value, Value]], bool] = _never
    for said, is_same in _tests(source):
        explained = sum(map(is_same, values[:_FIRST]))
        if explained > most:
            best, most, is_best = said, explained, is_same
    return _said(best, sum(map(is_best, values)), len(pairs))


def of_key(source: ColumnRead, place: int, missing: Sequence[Key], extra: Sequence[Key]) -> str:
    """What most keys that are missing differ in from keys that are extra, in one of their columns; empty where nothing is known."""
    if source.form.kind is not Kind.TEXT or not missing or not extra:
        return ""
    ours, theirs = ([_divided(source, place, key) for key in keys] for keys in (missing, extra))
    best, most = "", 0
    for spelling in _OF_TEXTS:
        here, there = (Counter((spelling.same(text), rest) for text, rest in keys) for keys in (ours, theirs))
        explained = (here & there).total()
        if explained > most:
            best, most = spelling.said, explained
    return _said(best, most, min(len(missing), len(extra)))


def _divided(read: ColumnRead, place: int, key: Key) -> tuple[str, Key]:
    """A key's column as text, and the rest of the key; a value that is no text, or known by its hash, is left there."""
    part = key[place]
    if part is None or _is_hashed(read, part):
        return "", key
    return stored_value.as_text(read, part), (*key[:place], *key[place + 1 :])


def _never(_: tuple[Value, Value]) -> bool:
    return False


def _value(read: ColumnRead, part: bytes | None) -> Value:
    """Canonical bytes as what distinguishes spellings."""
    if part is None:
        return None
    if read.form.kind in (Kind.TIMESTAMP, Kind.INSTANT, Kind.INTEGER):
        return int.from_bytes(part, signed=True)
    return stored_value.as_text(read, part)


def _tests(source: ColumnRead) -> Iterator[tuple[str, Callable[[tuple[Value, Value]], bool]]]:
    """Each spelling of the column's kind, and whether a pair of values is the same in it."""
    if source.form.kind is Kind.TEXT:
        yield "in NULL and the empty text", lambda pair: set(pair) == {None, ""}
        yield from ((one.said, _same_in(one)) for one in _OF_TEXTS)
    elif source.form.kind in (Kind.TIMESTAMP, Kind.INSTANT):
        yield "by quarters of an hour, as a time zone makes it", _is_an_offset_apart
    elif source.form.kind is Kind.INTEGER and source.column.type in ("boolean", "bit"):
        yield "in the number for true", lambda pair: None not in pair and bool(pair[0]) == bool(pair[1])


def _same_in(spelling: Spelling) -> Callable[[tuple[Value, Value]], bool]:
    return lambda pair: (
        isinstance(pair[0], str) and isinstance(pair[1], str) and spelling.same(pair[0]) == spelling.same(pair[1])
    )


def _is_an_offset_apart(pair: tuple[Value, Value]) -> bool:
    if not (isinstance(pair[0], int) and isinstance(pair[1], int)):
        return False
    apart = abs(pair[0] - pair[1])
    return apart % _QUARTER_OF_AN_HOUR == 0 and 0 < apart <= _MOST_OFFSET


def _is_hashed(read: ColumnRead, *parts: bytes | None) -> bool:
    """Whether one of the values is known by its hash alone."""
    return read.form.long and any(part is not None and part[:1] == ENCODED_BY_HASH for part in parts)


def _said(what: str, explained: int, of: int) -> str:
    """Of at least half, or nothing."""
    if not what or explained * 2 < of:
        return ""
    return f"differs only {what}" if explained == of else f"differs mostly {what}"
