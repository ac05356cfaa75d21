"""What cdcproof keeps between runs: each kind of file is one dataclass as JSON, written whole, and believed only where it is right.

A file that is damaged, cut off, of another version, too large or no file at all is one error that names it and what to do.
"""

# ruff: noqa: PLC0415  pydantic takes a tenth of a second, and what only writes does without
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from cdcproof.core import bounded
from cdcproof.core.errors import CdcproofError, ConfigError, OperationError
from cdcproof.core.files import write_whole

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of file: the dataclass in it, what follows its path in a complaint, and what to do with one that cannot be used.

    `version` stands under `version_key` beside the fields; 0 where a kind has never had another. `to_write` is what to do where
    there is no room. `takes_more` where keys that we do not know are passed over.
    """

    content: Callable[..., T]
    complaint: str
    remedy: str
    to_write: str = ""
    version: int = 0
    version_key: str = "version"
    mode: int = 0o600
    error: type[CdcproofError] = ConfigError
    takes_more: bool = False

    def text(self, value: T) -> str:
        """The file's contents."""
        return as_text({**({self.version_key: self.version} if self.version else {}), **asdict(value)})  # type: ignore[call-overload]

    def write(self, path: Path, value: T) -> None:
        """Write the file, whole or not at all. Raises `OperationError`."""
        try:
            write_whole(path, self.text(value), self.mode)
        except OSError as error:
            raise OperationError(f"{path} cannot be written: {error.strerror or error}.", self.to_write) from None

    def read(self, path: Path) -> T | None:
        """What is in the file; None where there is none. Raises `error` where it cannot be used."""
        try:
            return self.parse(bounded.read_bytes(path), path)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise self.error(f"{path} cannot be read: {error.strerror}.", "Let this account read it.") from None
        except OSError as error:
            self.refuse(path, error.strerror or str(error))

    def parse(self, text: str | bytes, path: Path) -> T:
        """What this text of the file holds. Raises `error` where it cannot be used."""
        try:
            read: T = _adapter(self.content).validate_json(
                self._without_version(text, path), strict=True, extra="ignore" if self.takes_more else "forbid"
            )
        except ValueError as error:
            self.refuse(path, _reason(error))
        return read

    def refuse(self, path: Path, why: str) -> NoReturn:
        """Raise the error of a file that cannot be used."""
        if issubclass(self.error, ConfigError):  # which puts the path before it
            raise self.error(f"{self.complaint}: {why}.", self.remedy, path) from None
        raise self.error(f"{path} {self.complaint}: {why}.", self.remedy) from None

    def _without_version(self, text: str | bytes, path: Path) -> str | bytes:
        if not self.version:
            return text
        from pydantic_core import from_json

        data = from_json(text)
        if not isinstance(data, dict) or self.version_key not in data:
            self.refuse(path, f"it is none of cdcproof's (no {self.version_key})")
        version = data.pop(self.version_key)
        if version != self.version or isinstance(version, bool):
            self.refuse(path, f"it has a format that this cdcproof does not read, {version} and not {self.version}")
        return json.dumps(data)


def matched(content: Callable[..., T], data: Any) -> T:
    """The dataclass of what JSON has of it, its types checked: for files that are more than one dataclass. Raises `ValueError` naming the place."""
    try:
        read: T = _adapter(content).validate_json(json.dumps(data), strict=True, extra="forbid")
    except ValueError as error:
        raise ValueError(_reason(error)) from None
    return read


def as_text(data: Mapping[str, Any]) -> str:
    """JSON for people and programs. A lone surrogate, which no file can hold, becomes a question mark."""
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace").decode("utf-8")


def _reason(error: ValueError) -> str:
    """Where a file is wrong and how, without what stands there: that may be a secret."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


@cache
def _adapter(content: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(content)
