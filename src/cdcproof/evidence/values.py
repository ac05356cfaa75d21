"""Values as JSON and back: what a check was given must come back equal, elsewhere and later, and without secrets.

JSON has lists, texts and numbers; everything else is an object with the key ``!``, which names what it is. A list is a tuple, since
frozen data holds tuples. A class is known by its name alone, so that it may move from one module to another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, KeysView, Mapping, ValuesView
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints
from uuid import UUID

from pydantic import BaseModel

from cdcproof.core.secrets import redact, scrub

_TAG = "!"
_TEXTS: Mapping[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "float": (float, repr, float),  # those that JSON does not have: NaN and the infinite ones
    "Path": (Path, str, Path),
    "datetime": (datetime, datetime.isoformat, datetime.fromisoformat),
    "date": (date, date.isoformat, date.fromisoformat),
    "time": (time, time.isoformat, time.fromisoformat),
    "Decimal": (Decimal, str, Decimal),
    "UUID": (UUID, str, UUID),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
}
"""Name to the class, and to how its values are written as text and read."""
_COLLECTIONS: Mapping[str, type] = {"list": list, "set": set, "frozenset": frozenset}


class NotWritableError(Exception):
    """A value of a class that has no form in JSON here."""


class NotReadableError(Exception):
    """JSON that this version cannot read: it was written by another one, or by hand."""


@dataclass(frozen=True)
class Written:
    """A value as JSON. `redacted`: something in it was secret, and is not what it was."""

    data: Any
    redacted: bool


class Values:
    """Writes and reads values of these classes. `named` are objects that are written once, elsewhere: by their name alone.

    `former` is the name of a class that is no more to what makes of its fields, by their names, the value that has taken its place.
    """

    def __init__(
        self,
        classes: Iterable[type],
        named: Mapping[str, object] | None = None,
        former: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self._classes = {name_of(one): one for one in classes}
        self._named = dict(named or {})
        self._former = dict(former or {})

    def write(self, value: object) -> Written:
        """Raises `NotWritableError`."""
        writer = _Writer(frozenset(self._classes.values()), self._named)
        data = writer.write(value)
        return Written(data, writer.redacted)

    def read(self, data: Any) -> Any:
        """Read what `write` wrote. Raises `NotReadableError`."""
        try:
            return self._read(data)
        except NotReadableError:
            raise
        except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise NotReadableError(
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            ) from None

    def _read(self, data: Any) -> Any:
        if isinstance(data, list):
            return tuple(map(self._read, data))
        if not isinstance(data, dict):
            return data
        if _TAG in data:
            return self._tagged(data[_TAG], data)
        return {key: self._read(value) for key, value in data.items()}

    def _tagged(self, kind: str, data: Mapping[str, Any]) -> Any:
        if kind in _TEXTS:
            return _TEXTS[kind][2](data["is"])
        if kind in _COLLECTIONS:
            return _COLLECTIONS[kind](map(self._read, data["is"]))
        if kind == "map":
            return {self._read(key): self._read(value) for key, value in data["is"]}
        if kind == "timedelta":
            return timedelta(*data["is"])
        if kind == "named":
            return self._named[data["is"]]
        return self._made(kind, data)

    def _made(self, kind: str, data: Mapping[str, Any]) -> Any:
        if kind in self._former:
            return self._former[kind](**{key: self._read(value) for key, value in data.items() if key != _TAG})
        found = self._classes.get(kind)
        if found is None:
            raise NotReadableError(f"nothing of the class {kind} is known here")
        if issubclass(found, Enum):
            return found(data["is"])
        values = {key: self._read(value) for key, value in data.items() if key != _TAG}
        if not issubclass(found, BaseModel):
            return found(**values)
        keys = {name: key for name, key, _ in _fields_of(found)}
        exact = {name: values[key] for name, key in keys.items() if key in values}
        return found.model_validate(values).model_copy(update=exact)  # 26 hours stay 26, not 26.0


class _Writer:
    def __init__(self, classes: Collection[type], named: Mapping[str, object]) -> None:
        self._classes = classes
        self._named = {id(value): name for name, value in named.items()}
        self.redacted = False

    def write(self, value: object) -> Any:
        if id(value) in self._named:
            return {_TAG: "named", "is": self._named[id(value)]}
        if value is None or type(value) in (bool, int) or (type(value) is float and math.isfinite(value)):
            return value
        if type(value) is str:
            return self._text(value)
        if type(value) is tuple or isinstance(value, (KeysView, ValuesView)):
            return [self.write(one) for one in value]
        if isinstance(value, Mapping):
            return self._mapping(value)
        return self._object(value)

    def _object(self, value: object) -> dict[str, Any]:
        if isinstance(value, Enum):
            self._demand_known(value)
            return {_TAG: name_of(type(value)), "is": value.value}
        if isinstance(value, BaseModel) or (is_dataclass(value) and not isinstance(value, type)):
            return self._fields(value)
        if type(value) is timedelta:
            return {_TAG: "timedelta", "is": [value.days, value.seconds, value.microseconds]}
        return self._other(value)

    def _other(self, value: object) -> dict[str, Any]:
        for name, (known, written, _) in _TEXTS.items():
            if type(value) is known or (name == "Path" and isinstance(value, known)):
                return {_TAG: name, "is": self._text(written(value))}
        for name, known in _COLLECTIONS.items():
            if type(value) is known and isinstance(value, Collection):
                written_ones = [self.write(one) for one in value]
                return {_TAG: name, "is": written_ones if known is list else sorted(written_ones, key=repr)}
        raise NotWritableError(f"a value of the class {type(value).__name__}")

    def _mapping(self, value: Mapping[Any, Any]) -> dict[str, Any]:
        if all(type(key) is str for key in value) and _TAG not in value:
            return {self._text(key): self.write(one) for key, one in value.items()}
        return {_TAG: "map", "is": [[self.write(key), self.write(one)] for key, one in value.items()]}

    def _fields(self, value: Any) -> dict[str, Any]:
        self._demand_known(value)
        written: dict[str, Any] = {_TAG: name_of(type(value))}
        for name, key, is_shown in _fields_of(type(value)):
            one = getattr(value, name)
            if not is_shown and isinstance(one, Mapping):  # a configuration, whose keys say what is secret in it
                shown = redact(one)
                self.redacted |= shown != dict(one)
                one = shown
            written[key] = self.write(one)
        return written

    def _demand_known(self, value: object) -> None:
        if type(value) not in self._classes:
            raise NotWritableError(f"a value of the class {type(value).__name__}")

    def _text(self, text: str) -> str:
        scrubbed = scrub(text)
        self.redacted |= scrubbed != text
        return scrubbed


def _fields_of(known: Any) -> Iterator[tuple[str, str, bool]]:
    """Attribute, the key that makes it again, and whether it may be shown."""
    if issubclass(known, BaseModel):
        for name, field in known.model_fields.items():
            yield name, field.alias or name, True
    else:
        for one in fields(known):
            if one.init:
                yield one.name, one.name, one.repr


def name_of(one: type) -> str:
    """What a class is called here; a table of the pipeline file may have the name of what was observed."""
    return f"pipeline {one.__name__}" if issubclass(one, BaseModel) else one.__name__


def classes_within(roots: Iterable[type]) -> frozenset[type]:
    """These classes, and all that their fields are declared to hold, of those that are data of ours."""
    found: set[type] = set()
    left: list[Any] = list(roots)
    while left:
        one = left.pop()
        if get_args(one):
            left.extend(get_args(one))
        elif isinstance(one, type) and one not in found and _is_data(one):
            found.add(one)
            left.extend([] if issubclass(one, Enum) else get_type_hints(one).values())
    return frozenset(found)


def _is_data(one: type) -> bool:
    return issubclass(one, (BaseModel, Enum)) or is_dataclass(one)
