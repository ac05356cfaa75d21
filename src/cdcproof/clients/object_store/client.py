"""The client of an object store that speaks S3 (Amazon's, or any other by its endpoint): the only module that imports boto3.

Credentials come from boto3's own chain: ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``, a profile, or the machine's role.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cdcproof.core import tls
from cdcproof.core.errors import (
    CdcproofError,
    CouldNotLookError,
    DeadlineError,
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
)
from cdcproof.core.secrets import known, scrub
from cdcproof.core.waiting import within

T = TypeVar("T")

TIMEOUT_SECONDS = (3.0, 20.0)
"""To connect, and between two bytes of an answer."""
_ATTEMPTS = 3
_LIST_SECONDS = 120.0
"""How long a whole list may take: a million keys are a thousand pages."""
_REFUSALS = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "RequestTimeTooSkewed",
    }
)
_AUTHORITY, _HOST = "AWS_CA_BUNDLE in the environment", "backup.s3_endpoint"
_ABSENCES = frozenset({"404", "NoSuchKey", "NotFound"})


@dataclass(frozen=True)
class StoredObject:
    """An object as the store lists it: its whole key, its length, and when it was last written (Unix seconds)."""

    key: str
    size_bytes: int
    changed_at: float


class ObjectStore:
    """One bucket. `endpoint_url` is empty for Amazon's own.

    Every method raises `UnreachableError`, `RefusedError` (credentials, rights) or `UnexpectedAnswerError` (no such bucket, an
    answer that is not S3's), never the client's exception. Where boto3 is not installed, a `CouldNotLookError` says how to get it.
    """

    def __init__(
        self,
        bucket: str,
        endpoint_url: str = "",
        region: str = "",
        timeout_seconds: tuple[float, float] = TIMEOUT_SECONDS,
    ) -> None:
        self.bucket = bucket
        self.endpoint_url = endpoint_url
        self._region = region
        self._timeout_seconds = timeout_seconds
        self._opened: Any = None

    @property
    def place(self) -> str:
        """The bucket, and where it is, for messages."""
        return f"s3://{self.bucket}{f' at {self.endpoint_url}' if self.endpoint_url else ''}"

    def objects(self, prefix: str = "") -> tuple[StoredObject, ...]:
        """Every object whose key begins with `prefix`, by its key: all pages of the list."""
        try:
            return within(
                _LIST_SECONDS,
                lambda: self.ask(lambda client: tuple(self._listed(client, prefix))),
                what="the list of objects",
            )
        except DeadlineError:
            raise UnreachableError(
                f"{self.place}: the list of objects below {prefix!r} was not complete after {_LIST_SECONDS:g} s."
            ) from None

    def head(self, key: str) -> StoredObject | None:
        """The object of this key; None where there is none."""
        try:
            found = self.ask(lambda client: client.head_object(Bucket=self.bucket, Key=key))
        except _AbsentError:
            self.objects_exist()  # a HEAD says 404 for a bucket that is not there as well, and no more
            return None
        return StoredObject(key, int(found["ContentLength"]), found["LastModified"].timestamp())

    def objects_exist(self) -> bool:
        """Whether the bucket has any object. Raises `UnexpectedAnswerError` for a bucket that is not there."""
        return bool(self.ask(lambda client: client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)).get("KeyCount"))

    def ask(self, question: Callable[[Any], T]) -> T:
        """Ask boto3's client something, and get our errors."""
        exceptions = _module("botocore.exceptions")
        try:
            return question(self._client())
        except exceptions.ClientError as error:
            raise self._ours(error.response) from None
        except exceptions.NoCredentialsError:
            raise RefusedError(
                f"There are no credentials for {self.place}.",
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or AWS_PROFILE.",
            ) from None
        except (exceptions.PartialCredentialsError, exceptions.ProfileNotFound) as error:
            raise RefusedError(f"The credentials for {self.place} are not whole: {scrub(str(error))}") from None
        except exceptions.SSLError as error:
            raise self._unverified(error) from None
        except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
            raise UnreachableError(f"{self.place} does not answer: {scrub(str(error))}") from None
        except (
            exceptions.BotoCoreError,
            _module("botocore.parsers").ResponseParserError,
            ValueError,
            KeyError,
        ) as error:
            raise UnexpectedAnswerError(f"{self.place} does not answer as S3 does: {scrub(str(error))}") from None

    def _unverified(self, error: Exception) -> RefusedError:
        host = urlsplit(self.endpoint_url).hostname or self.place
        if found := tls.cause(error):
            return RefusedError(*_at(self.place, tls.not_verified(found, host, _AUTHORITY, _HOST)))
        if "doesn't match" in str(error):  # botocore lets urllib3 compare the names
            return RefusedError(*_at(self.place, tls.another_name(host, _HOST)))
        return RefusedError(f"{self.place} refuses TLS: {scrub(str(error))}")

    def _listed(self, client: Any, prefix: str) -> Iterator[StoredObject]:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            if "Name" not in page:  # a page of another server would pass for an empty list
                raise UnexpectedAnswerError(f"{self.place} does not answer as S3 does: its list names no bucket.")
            for entry in page.get("Contents", ()):
                yield StoredObject(str(entry["Key"]), int(entry["Size"]), entry["LastModified"].timestamp())

    def _client(self) -> Any:
        if self._opened is None:
            boto3, config = _module("boto3"), _module("botocore.config")
            to_connect, between_bytes = self._timeout_seconds
            session = boto3.session.Session(region_name=self._region or None)
            self._opened = session.client(
                "s3",
                endpoint_url=self.endpoint_url or None,
                region_name=session.region_name or "us-east-1",
                config=config.Config(
                    connect_timeout=to_connect,
                    read_timeout=between_bytes,
                    retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
                    s3={"addressing_style": "path"} if self.endpoint_url else {},
                ),
            )
            _keep_secret(session)
        return self._opened

    def _ours(self, answer: dict[str, Any]) -> CdcproofError:
        code = str(answer.get("Error", {}).get("Code", ""))
        said = scrub(str(answer.get("Error", {}).get("Message", "")) or code)
        if code in _ABSENCES:
            return _AbsentError(f"{self.place} has no such object.")
        if code == "NoSuchBucket":
            return UnexpectedAnswerError(
                f"{self.place}: there is no such bucket.", "Correct the bucket's name, or its endpoint."
            )
        if code in _REFUSALS:
            return RefusedError(
                f"{self.place} refuses: {said} ({code}).",
                "Check the credentials, the clock, and that they may list (s3:ListBucket) and read (s3:GetObject) this bucket.",
            )
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        kind = UnreachableError if status >= 500 else UnexpectedAnswerError
        return kind(f"{self.place} answered HTTP {status}: {said} ({code}).")


def _at(place: str, wrong: tuple[str, str]) -> tuple[str, str]:
    return f"{place}: {wrong[0]}.", wrong[1]


class _AbsentError(UnexpectedAnswerError):
    """The store has no object of this key."""


def _module(name: str) -> Any:
    """A part of boto3, which is loaded only where an object store is asked."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("boto3", "botocore"):
            raise
        raise CouldNotLookError(
            "Object stores are reached through boto3, which is not installed here.",
            "Install it with: pip install 'cdcproof[s3]'",
        ) from None


def _keep_secret(session: Any) -> None:
    """Let no message show the keys that boto3 has found."""
    found = session.get_credentials()
    known(value for value in (getattr(found, "secret_key", None), getattr(found, "token", None)) if value)
