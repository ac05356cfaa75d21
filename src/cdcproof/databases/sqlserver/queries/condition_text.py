"""What in a condition in T-SQL SQL Server calls nondeterministic, by its text: SQL Server shows no parse tree. Pure; nothing is asked here.

Microsoft's reference, "Deterministic and nondeterministic functions" and the pages of the functions' groups. What only goes by settings of the
session, as the language of a date, is none of it: every session of ours has the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cdcproof.databases.contracts.condition import LITERAL_DATE, LITERAL_VALUE, OWN_ROW, Unsteady

_CLOCK = ("goes with the clock", LITERAL_DATE)
_LOT = ("is drawn by lot at each look", OWN_ROW)
_SESSION = ("depends on the session", LITERAL_VALUE)
_SERVER = ("asks for something else than the row", LITERAL_VALUE)
_INDEX = ("goes by the full-text index, which is filled later than the row is written", OWN_ROW)
_FUNCTIONS = {
    **dict.fromkeys(
        [
            "GETDATE",
            "GETUTCDATE",
            "SYSDATETIME",
            "SYSDATETIMEOFFSET",
            "SYSUTCDATETIME",
            "CURRENT_TIMEZONE",
            "CURRENT_TIMEZONE_ID",
        ],
        _CLOCK,
    ),
    **dict.fromkeys(
        [
            "NEWID",
            "NEWSEQUENTIALID",
            "CRYPT_GEN_RANDOM",
            "ENCRYPTBYKEY",
            "ENCRYPTBYPASSPHRASE",
            "ENCRYPTBYCERT",
            "ENCRYPTBYASYMKEY",
        ],
        _LOT,
    ),
    **dict.fromkeys(
        [
            "APP_NAME",
            "APPLOCK_MODE",
            "APPLOCK_TEST",
            "CONNECTIONPROPERTY",
            "CONTEXT_INFO",
            "CURRENT_REQUEST_ID",
            "CURRENT_TRANSACTION_ID",
            "CURSOR_STATUS",
            "ERROR_LINE",
            "ERROR_MESSAGE",
            "ERROR_NUMBER",
            "ERROR_PROCEDURE",
            "ERROR_SEVERITY",
            "ERROR_STATE",
            "GETANSINULL",
            "GET_FILESTREAM_TRANSACTION_CONTEXT",
            "HAS_DBACCESS",
            "HAS_PERMS_BY_NAME",
            "HOST_ID",
            "HOST_NAME",
            "IS_MEMBER",
            "IS_OBJECTSIGNED",
            "IS_ROLEMEMBER",
            "IS_SRVROLEMEMBER",
            "ORIGINAL_LOGIN",
            "PERMISSIONS",
            "ROWCOUNT_BIG",
            "SCOPE_IDENTITY",
            "SESSION_CONTEXT",
            "SESSIONPROPERTY",
            "SUSER_ID",
            "SUSER_NAME",
            "SUSER_SID",
            "SUSER_SNAME",
            "TRIGGER_NESTLEVEL",
            "USER_ID",
            "USER_NAME",
            "XACT_STATE",
        ],
        _SESSION,
    ),
    **dict.fromkeys(
        [
            "CHANGE_TRACKING_CURRENT_VERSION",
            "CHANGE_TRACKING_IS_COLUMN_IN_MASK",
            "CHANGE_TRACKING_MIN_VALID_VERSION",
            "COLUMNPROPERTY",
            "COL_LENGTH",
            "COL_NAME",
            "DATABASEPROPERTYEX",
            "DATABASE_PRINCIPAL_ID",
            "DB_ID",
            "DB_NAME",
            "FILEGROUPPROPERTY",
            "FILEPROPERTY",
            "FILEPROPERTYEX",
            "FULLTEXTCATALOGPROPERTY",
            "FULLTEXTSERVICEPROPERTY",
            "IDENT_CURRENT",
            "IDENT_INCR",
            "IDENT_SEED",
            "INDEXKEY_PROPERTY",
            "INDEXPROPERTY",
            "INDEX_COL",
            "MIN_ACTIVE_ROWVERSION",
            "OBJECTPROPERTY",
            "OBJECTPROPERTYEX",
            "OBJECT_DEFINITION",
            "OBJECT_ID",
            "OBJECT_NAME",
            "OBJECT_SCHEMA_NAME",
            "SCHEMA_ID",
            "SCHEMA_NAME",
            "SERVERPROPERTY",
            "STATS_DATE",
            "TYPEPROPERTY",
            "TYPE_ID",
            "TYPE_NAME",
        ],
        _SERVER,
    ),
    **dict.fromkeys(("CONTAINS", "FREETEXT"), _INDEX),
}
"""Built-in functions, by why their answer may change and what to write instead."""
_WORDS = {
    "SELECT": ("begins a subquery, which reads other rows: they may change while this one stays", OWN_ROW),
    **dict.fromkeys(("CURRENT_TIMESTAMP", "CURRENT_DATE"), _CLOCK),
    **dict.fromkeys(("CURRENT_USER", "SESSION_USER", "SYSTEM_USER", "USER"), _SESSION),
}
"""What stands without brackets. None of them can be the name of a column, unless in quotes."""
_SEQUENCE = ("takes another number at each look", LITERAL_VALUE)
_SOME = ("shows some rows of many, and which ones may change", OWN_ROW)
_NO_VALUE = ("is no value of the row", OWN_ROW)

_LEXEME = re.compile(
    r"""(?P<skipped>--[^\n]*|'(?:[^']|'')*'|\s+)|(?P<comment>/\*)"""
    r"""|(?P<quoted>\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*")|(?P<word>@@\w+|[\w@#$]+|%%\w+%%)|(?P<sign>.)""",
    re.DOTALL,
)


class Word(NamedTuple):
    """A word, a quoted name as it is meant, or a sign."""

    text: str
    is_name: bool = False


class Text(NamedTuple):
    """What the text alone shows, and names of schema and function that the server has to be asked about."""

    unsteady: tuple[Unsteady, ...]
    functions: tuple[tuple[str, ...], ...]


def read(predicate: str) -> Text:
    """Read a condition."""
    words = list(_words(predicate))
    return _read(words, [one for at in range(len(words)) if (one := _judged(words, at))])


def read_view(definition: str) -> Text:
    """Read a view from behind its AS. All of it counts: what it only shows may stand in a condition on it, or be compared."""
    words = list(_words(definition))
    start = next((at for at, word in enumerate(words) if word.text.upper() == "AS" and not word.is_name), -1) + 1
    words = words[start:]
    found = [one for at in range(len(words)) if (one := _cut(words, at) or _judged(words, at))]
    return _read(words, [one for one in found if one.part != "SELECT"])


def names(definition: str) -> frozenset[str]:
    """All names in a text, in small letters: whether a server distinguishes those, is its collation's affair."""
    return frozenset(word.text.lower() for word in _words(definition))


def _read(words: Sequence[Word], found: Sequence[Unsteady]) -> Text:
    functions = [name for at in range(len(words)) if len(name := _called(words, at)) > 1]
    return Text(tuple(dict.fromkeys(found)), tuple(dict.fromkeys(functions)))


def _cut(words: Sequence[Word], at: int) -> Unsteady | None:
    """What shows some rows of many: equal places in an order are shared out by lot."""
    if words[at].is_name or (at and words[at - 1] == Word(".")):
        return None
    word, behind = words[at].text.upper(), [one.text.upper() for one in words[at + 1 : at + 5]]
    number = [one for one in behind if one not in ("(", ")")][:2]
    if word == "TOP" and number != ["100", "PERCENT"]:
        return Unsteady("TOP", *_SOME)
    if word == "TABLESAMPLE":
        return Unsteady("TABLESAMPLE", "reads other rows at each look", OWN_ROW)
    return Unsteady("OFFSET", *_SOME) if word == "OFFSET" and behind[1:2] in (["ROW"], ["ROWS"]) else None


def nondeterministic(function: Sequence[str]) -> Unsteady:
    """Of a function that SQL Server knows to be so."""
    return Unsteady(
        f"{'.'.join(function)}()",
        "is nondeterministic to SQL Server",
        "If it answers by its arguments alone, alter it to be WITH SCHEMABINDING; else write the condition without it.",
    )


def _words(text: str) -> Iterator[Word]:
    """Without comments, blanks and constants; comments nest."""
    at = 0
    while at < len(text):
        found = _LEXEME.match(text, at)
        if found is None:  # the last alternative takes any character
            return
        at = found.end()
        if found["comment"]:
            at = _after_comment(text, at)
        elif found["quoted"]:
            end = found["quoted"][-1]
            yield Word(found["quoted"][1:-1].replace(end * 2, end), is_name=True)
        elif not found["skipped"]:
            yield Word(found["word"] or found["sign"])


def _after_comment(text: str, at: int) -> int:
    depth = 1
    while depth and (end := re.compile(r"/\*|\*/").search(text, at)):
        depth += 1 if end[0] == "/*" else -1
        at = end.end()
    return at if not depth else len(text)


def _called(words: Sequence[Word], at: int) -> tuple[str, ...]:
    """The name, in its parts, of what is called where a name begins; nothing elsewhere."""
    if at and words[at - 1] == Word("."):
        return ()
    parts: list[str] = []
    while at + 1 < len(words) and (words[at].is_name or re.match(r"[^\W\d]|#", words[at].text)):
        parts.append(words[at].text)
        if words[at + 1] == Word("("):
            return tuple(parts)
        if words[at + 1] != Word("."):
            return ()
        at += 2
    return ()


def _judged(words: Sequence[Word], at: int) -> Unsteady | None:
    """What a word begins, where its answer may change."""
    if words[at].is_name or (at and words[at - 1] == Word(".")):
        return None
    word, behind = words[at].text.upper(), [one.text.upper() for one in words[at + 1 : at + 3]]
    if behind[:1] == ["("]:
        reason = _LOT if word == "RAND" and behind == ["(", ")"] else _FUNCTIONS.get(word, _WORDS.get(word))
        return Unsteady(word if word in _WORDS else f"{word}()", *reason) if reason else None
    if word == "NEXT" and behind == ["VALUE", "FOR"]:
        return Unsteady("NEXT VALUE FOR", *_SEQUENCE)
    reason = _NO_VALUE if word.startswith(("@@", "%%")) else _WORDS.get(word)
    return Unsteady(word, *reason) if reason and behind[:1] != ["."] else None
