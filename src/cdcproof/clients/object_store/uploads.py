"""Writing to an object store, so that what arrived is what was sent: the store compares the SHA-256 of every part.

The SHA-256 that a store reports for an object of several parts is of the parts' hashes, with ``-N`` behind: it is computed here as well
and compared. The file's own is kept as the object's metadata.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdcproof.clients.object_store.client import ObjectStore
from cdcproof.core import bounded
from cdcproof.core.errors import (
    CdcproofError,
    DeadlineError,
    OperationError,
    UnexpectedAnswerError,
    UnreachableError,
)
from cdcproof.core.waiting import within

PART_BYTES = 16 << 20
_MOST_PARTS = 10_000
_DELETED_AT_ONCE = 1_000
_BLOCK_BYTES = 1 << 20
_READ_SECONDS = 120.0
"""How long a small object may take."""
_TAKEN = re.compile(r"answered HTTP (412|304)")
"""A precondition that does not hold: Amazon's answer, and S3Mock's to the end of an upload in parts."""


class TakenError(OperationError):
    """The store has another object of this key."""


@dataclass(frozen=True)
class Abandoned:
    """An upload in parts that was begun and not ended: no list shows it, and its parts are paid for."""

    key: str
    upload: str
    begun_at: float
    """Unix seconds."""


@dataclass(frozen=True)
class Uploads:
    """Writes to one bucket. Errors as `ObjectStore`, and `OperationError` where the store has something else than was sent."""

    store: ObjectStore
    part_bytes: int = PART_BYTES

    def put(self, path: Path, key: str, sha256: str) -> None:
        """Upload a file whose SHA-256 (in hexadecimal digits) this is. Raises `OperationError` where the key is taken."""
        size = path.stat().st_size
        try:
            if size <= self.part_bytes:
                self._put_whole(path, key, sha256)
            else:
                self._put_parts(path, key, sha256, max(self.part_bytes, -(-size // _MOST_PARTS)))
        except UnexpectedAnswerError as error:
            if not _TAKEN.search(error.message):
                raise
            if not self._has(key, sha256):  # else the answer to an earlier try was lost
                raise TakenError(
                    f"{self.store.place} has {key} already: another backup of this name was uploaded."
                ) from None

    def _has(self, key: str, sha256: str) -> bool:
        try:
            found = self.store.ask(lambda client: client.head_object(Bucket=self.store.bucket, Key=key))
        except UnexpectedAnswerError:
            return False
        return bool(found.get("Metadata", {}).get("sha256") == sha256)

    def get(self, key: str, path: Path, most_bytes: int) -> None:
        """Download an object into a new file. Raises `OSError` where that cannot be written, `UnexpectedAnswerError` where it is longer."""

        def download(client: Any) -> None:
            with path.open("xb") as file:
                for block in self._blocks(client, key, most_bytes):
                    file.write(block)

        self.store.ask(download)

    def read(self, key: str) -> str:
        """A small object as text."""
        try:
            body = within(
                _READ_SECONDS,
                lambda: self.store.ask(lambda client: b"".join(self._blocks(client, key, bounded.MOST_BYTES))),
                what=key,
            )
            return body.decode()
        except DeadlineError:
            raise UnreachableError(f"{self.store.place}: {key} was not complete after {_READ_SECONDS:g} s.") from None
        except UnicodeDecodeError:
            raise UnexpectedAnswerError(f"{self.store.place}: {key} is no text.") from None

    def _blocks(self, client: Any, key: str, most_bytes: int) -> Iterator[bytes]:
        body, read = client.get_object(Bucket=self.store.bucket, Key=key)["Body"], 0
        while block := body.read(_BLOCK_BYTES):
            read += len(block)
            if read > most_bytes:
                raise UnexpectedAnswerError(
                    f"{self.store.place}: {key} has more than the {most_bytes:,} bytes that it may have.",
                    "Take another backup, and look who writes to this bucket.",
                )
            yield bytes(block)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete these objects, in this order. Raises `OperationError` naming one that could not be."""
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            some = [{"Key": key} for key in keys[start : start + _DELETED_AT_ONCE]]
            answer = self._deleted(some)
            for error in answer.get("Errors", ()):
                raise OperationError(
                    f"{self.store.place}: {error.get('Key')} could not be deleted: {error.get('Message')}.",
                    "Grant s3:DeleteObject on this bucket.",
                )

    def _deleted(self, keys: Sequence[dict[str, str]]) -> dict[str, Any]:
        wanted = {"Objects": list(keys), "Quiet": True}
        answer: dict[str, Any] = self.store.ask(
            lambda client: client.delete_objects(Bucket=self.store.bucket, Delete=wanted)
        )
        return answer

    def abandoned(self, prefix: str) -> tuple[Abandoned, ...]:
        """Uploads in parts that nobody has ended, of keys that begin so."""

        def listed(client: Any) -> list[Abandoned]:
            pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=self.store.bucket, Prefix=prefix)
            return [
                Abandoned(str(one["Key"]), str(one["UploadId"]), one["Initiated"].timestamp())
                for page in pages
                for one in page.get("Uploads", ())
            ]

        return tuple(self.store.ask(listed))

    def abort(self, upload: Abandoned) -> None:
        """Have the store forget the parts of an upload."""
        self.store.ask(
            lambda client: client.abort_multipart_upload(
                Bucket=self.store.bucket, Key=upload.key, UploadId=upload.upload
            )
        )

    def _put_whole(self, path: Path, key: str, sha256: str) -> None:
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        body = path.read_bytes()
        answer = self.store.ask(
            lambda client: client.put_object(
                Bucket=self.store.bucket,
                Key=key,
                Body=body,
                ChecksumSHA256=checksum,
                IfNoneMatch="*",
                Metadata={"sha256": sha256},
            )
        )
        self._demand_sent(key, answer, checksum)

    def _put_parts(self, path: Path, key: str, sha256: str, part_bytes: int) -> None:
        place = {"Bucket": self.store.bucket, "Key": key}
        begun = self.store.ask(
            lambda client: client.create_multipart_upload(
                **place, ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE", Metadata={"sha256": sha256}
            )
        )
        upload = {**place, "UploadId": begun["UploadId"]}
        whole = hashlib.sha256()
        parts = []
        try:
            for number, part in enumerate(_parts(path, part_bytes), 1):
                whole.update(part)
                parts.append(self._put_part(upload, number, part))
            _demand_unchanged(path, whole.hexdigest(), sha256)
            answer = self.store.ask(
                lambda client: client.complete_multipart_upload(
                    **upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
                )
            )
        except BaseException:
            with suppress(CdcproofError):  # the next run finds it again
                self.abort(Abandoned(key, upload["UploadId"], 0.0))
            raise
        digests = b"".join(base64.b64decode(part["ChecksumSHA256"]) for part in parts)
        composite = base64.b64encode(hashlib.sha256(digests).digest()).decode() + f"-{len(parts)}"
        self._demand_sent(key, answer, composite)

    def _put_part(self, upload: dict[str, str], number: int, part: bytes) -> dict[str, Any]:
        checksum = base64.b64encode(hashlib.sha256(part).digest()).decode()
        answer = self.store.ask(
            lambda client: client.upload_part(**upload, PartNumber=number, Body=part, ChecksumSHA256=checksum)
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    def _demand_sent(self, key: str, answer: dict[str, Any], checksum: str) -> None:
        """A store that reports no checksum has compared none, and is asked for none: such a one proves nothing."""
        reported = answer.get("ChecksumSHA256")
        if reported == checksum:
            return
        self.delete([key])
        if not reported:
            raise OperationError(
                f"{self.store.place} reports no SHA-256 of {key}, so that it is not known what arrived there.",
                "Use a store that compares checksums, as Amazon S3 does.",
            )
        raise OperationError(f"{self.store.place} has other bytes of {key} than were sent: its SHA-256 is {reported}.")


def _demand_unchanged(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise OperationError(f"{path} was changed while it was uploaded.", "Take another backup.")


def _parts(path: Path, part_bytes: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(part_bytes):
            yield part
