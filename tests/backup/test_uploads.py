"""Uploads of backups, against Adobe's S3Mock, which compares checksums as Amazon does."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cdcproof.backup import manifest
from cdcproof.backup import run as backup
from cdcproof.backup.folders import Directory
from cdcproof.backup.manifest import DatabaseBackup
from cdcproof.backup.remote import Remote
from cdcproof.backup.restore import run as restore
from cdcproof.clients.object_store.client import ObjectStore
from cdcproof.clients.object_store.uploads import Uploads
from cdcproof.core.errors import CdcproofError, OperationError, UnexpectedAnswerError, UnreachableError, UsageError
from cdcproof.core.progress import Progress
from cdcproof.pipeline.model import Pipeline
from tests.backup.made import NOW, STATE, committed
from tests.pipelines import pipeline_of
from tests.s3mock import S3Mock

pytest_plugins = ["tests.s3mock"]
PART = 5 << 20
"""The least that S3 takes of a part that is not the last."""


@pytest.fixture
def uploads(s3mock: S3Mock, request: pytest.FixtureRequest) -> Uploads:
    """A bucket for each test."""
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    return Uploads(s3mock.store(f"bucket-{name}"), PART)


@pytest.fixture
def remote(uploads: Uploads) -> Remote:
    return Remote(uploads, "w")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def large(folder: Path) -> Path:
    path = folder / "large.bak"
    path.write_bytes(os.urandom(1 << 20) * 6)
    return path


def test_what_is_uploaded_comes_back_the_same(uploads: Uploads, tmp_path: Path) -> None:
    small, big = tmp_path / "small", large(tmp_path)
    small.write_bytes(b"rows")
    for path in (small, big):
        uploads.put(path, path.name, sha256(path))
        uploads.get(path.name, tmp_path / f"{path.name}.back", path.stat().st_size)
        head = uploads.store.ask(lambda c, path=path: c.head_object(Bucket=uploads.store.bucket, Key=path.name))

        assert (tmp_path / f"{path.name}.back").read_bytes() == path.read_bytes()
        assert head["Metadata"] == {"sha256": sha256(path)}
    assert uploads.read("small") == "rows"
    assert uploads.abandoned("") == ()


def test_another_sha256_than_the_file_has_is_refused_and_leaves_nothing(uploads: Uploads, tmp_path: Path) -> None:
    small, big = tmp_path / "small", large(tmp_path)
    small.write_bytes(b"rows")
    wrong = hashlib.sha256(b"other rows").hexdigest()

    with pytest.raises(CdcproofError):
        uploads.put(small, "small", wrong)
    with pytest.raises(OperationError, match="was changed while it was uploaded"):
        uploads.put(big, "big", wrong)

    assert uploads.store.objects() == ()
    assert uploads.abandoned("") == ()


def test_a_store_that_kept_other_bytes_is_not_believed(
    uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As moto does, which compares nothing: the answer's checksum is of what arrived."""
    small = tmp_path / "small"
    small.write_bytes(b"rows")
    client = uploads.store._client()
    answers: list[Any] = [{"ChecksumSHA256": base64.b64encode(b"x" * 32).decode()}, {}]
    monkeypatch.setattr(client, "put_object", lambda **_: answers.pop(0))

    with pytest.raises(OperationError, match="other bytes"):
        uploads.put(small, "small", sha256(small))
    with pytest.raises(OperationError, match="reports no SHA-256"):
        uploads.put(small, "small", sha256(small))


def test_a_key_that_is_taken_is_not_written_over(uploads: Uploads, tmp_path: Path) -> None:
    first, second, third = tmp_path / "first", large(tmp_path), tmp_path / "third"
    first.write_bytes(b"first")
    third.write_bytes(b"third")
    uploads.put(first, "key", sha256(first))
    uploads.put(first, "key", sha256(first))  # again, as after an answer that was lost

    with pytest.raises(OperationError, match="has key already"):
        uploads.put(third, "key", sha256(third))
    assert uploads.read("key") == "first"
    with pytest.raises(OperationError, match="has key already"):  # S3Mock then loses what it had
        uploads.put(second, "key", sha256(second))
    assert uploads.abandoned("") == ()


def test_an_upload_that_fails_in_the_middle_is_aborted(
    uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = large(tmp_path)
    client = uploads.store._client()
    upload_part = client.upload_part

    def second_fails(**part: Any) -> Any:
        if part["PartNumber"] == 2:
            raise ConnectionError("the network is gone")
        return upload_part(**part)

    monkeypatch.setattr(client, "upload_part", second_fails)
    with pytest.raises(ConnectionError):
        uploads.put(big, "big", sha256(big))

    assert uploads.abandoned("") == ()
    assert uploads.store.objects() == ()


def test_a_bucket_that_is_not_there_is_named(s3mock: S3Mock, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a")
    with pytest.raises(UnexpectedAnswerError, match="no such bucket"):
        Uploads(ObjectStore("not-there", s3mock.endpoint)).put(path, "a", sha256(path))


def test_a_backup_goes_up_under_its_day_and_comes_back_whole(remote: Remote, tmp_path: Path) -> None:
    kept = committed(tmp_path / "here", "w", NOW)
    prefix = remote.upload(kept.folder, kept.manifest, kept.taken_at, lambda _: None)

    assert prefix == "2026/11/29/w_20261129_020000/"
    (found,) = remote.backups()
    assert found.complete
    remote.download("20261129_020000", tmp_path / "back", lambda _: None)
    assert manifest.verify(tmp_path / "back") == kept.manifest
    with pytest.raises(UsageError, match="20261129_020000"):
        remote.download("20261130_020000", tmp_path / "other", lambda _: None)


@pytest.mark.parametrize("failing", [0, 1, -1])
def test_a_backup_whose_upload_fails_leaves_nothing_there(
    remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    kept = committed(tmp_path, "w", NOW)
    names = [*(file.path for file in kept.manifest.files), "SHA256SUMS", "manifest.json"]
    put = Uploads.put

    def fails(self: Uploads, path: Path, key: str, digest: str) -> None:
        if key.endswith(names[failing]):
            raise UnreachableError("s3 does not answer")
        put(self, path, key, digest)

    monkeypatch.setattr(Uploads, "put", fails)
    with pytest.raises(UnreachableError):
        remote.upload(kept.folder, kept.manifest, kept.taken_at, lambda _: None)

    assert remote.uploads.store.objects() == ()


def test_what_a_killed_upload_left_goes_with_the_next_run(remote: Remote, tmp_path: Path) -> None:
    """Of our own at once, of other machines after a day; of other pipelines, and of whole backups, nothing."""
    path = tmp_path / "part"
    path.write_bytes(b"part")
    half, other = "2026/11/29/w_20261129_020000/", "2026/11/29/other_20261129_020000/"
    for key in (f"{half}pipeline.toml", f"{other}pipeline.toml"):
        remote.uploads.put(path, key, sha256(path))
    begun = {"Bucket": remote.uploads.store.bucket, "ChecksumAlgorithm": "SHA256"}
    for key in (f"{half}big.bak", f"{other}big.bak"):
        remote.uploads.store.ask(lambda client, key=key: client.create_multipart_upload(Key=key, **begun))
    whole = committed(tmp_path / "here", "w", NOW + timedelta(hours=1))
    remote.upload(whole.folder, whole.manifest, whole.taken_at, lambda _: None)
    before = len(remote.uploads.store.objects())

    assert remote.remove_unfinished([], time.time()) == ()
    assert len(remote.uploads.store.objects()) == before
    assert remote.remove_unfinished(["w_20261129_020000"], time.time()) == ("w_20261129_020000",)

    keys = [one.key for one in remote.uploads.store.objects()]
    assert not [key for key in keys if key.startswith(half)]
    assert f"{other}pipeline.toml" in keys
    assert [one.complete for one in remote.backups()] == [True]
    assert [one.key for one in remote.uploads.abandoned("")] == [f"{other}big.bak"]
    assert remote.remove_unfinished([], time.time() + 90_000) == ()  # another pipeline's are nobody's here


def test_a_backup_is_deleted_manifest_first(remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for hours in (0, 1):
        kept = committed(tmp_path, "w", NOW + timedelta(hours=hours))
        remote.upload(kept.folder, kept.manifest, kept.taken_at, lambda _: None)
    delete = Uploads.delete
    calls: list[list[str]] = []

    def once(self: Uploads, keys: list[str]) -> None:
        calls.append(list(keys))
        if len(calls) == 2:
            raise UnreachableError("s3 does not answer")
        delete(self, keys)

    monkeypatch.setattr(Uploads, "delete", once)
    with pytest.raises(UnreachableError):
        remote.delete(["w_20261129_020000"])
    monkeypatch.undo()

    assert calls[0] == ["2026/11/29/w_20261129_020000/manifest.json"]
    assert [(one.name, one.complete) for one in remote.backups()] == [
        ("w_20261129_020000", False),
        ("w_20261129_030000", True),
    ]


@contextmanager
def silent_server() -> Iterator[int]:
    """It takes every connection, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def serve() -> None:
            while True:
                try:
                    held.append(server.accept())
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize("kind", ["down", "slow"])
def test_a_store_that_does_not_answer_is_given_up(
    s3mock: S3Mock, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = committed(tmp_path, "w", NOW)
    with silent_server() as port:
        place = f"http://127.0.0.1:{port if kind == 'slow' else 1}"
        store = ObjectStore("b", place, timeout_seconds=(0.2, 0.2))
        with pytest.raises(UnreachableError, match="does not answer"):
            Remote(Uploads(store), "w").upload(kept.folder, kept.manifest, kept.taken_at, lambda _: None)

    assert Directory(tmp_path, "w").backups()[0].manifest == kept.manifest


@pytest.fixture
def pipeline(s3mock: S3Mock, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Its backups hold one file each side: what is uploaded is the point."""

    def save(work: backup._Work, side: str) -> None:
        place = work.unfinished.folder / f"{side}.sql"
        place.write_text(f"rows of the {side}")
        work.databases.append(DatabaseBackup(side, "postgresql", place.name, STATE))

    monkeypatch.setattr(backup, "_save_parts", lambda _: "")
    monkeypatch.setenv("SOURCE_PW", "x")
    monkeypatch.setattr(backup, "_save_database", save)
    return pipeline_of(
        "customers", source_type="postgresql", name="w", backup={"s3_endpoint": s3mock.endpoint, "keep_count": 1}
    )


def make(pipeline: Pipeline, directory: Path, bucket: str) -> backup.Outcome:
    return backup.run(backup.Request(pipeline, directory / "w.toml", directory, 7, bucket), Progress())


def test_a_backup_is_uploaded_restored_from_there_and_old_ones_go(
    pipeline: Pipeline, remote: Remote, tmp_path: Path
) -> None:
    old = committed(tmp_path / "old", "w", NOW.replace(year=2025))
    remote.upload(old.folder, old.manifest, old.taken_at, lambda _: None)

    outcome = make(pipeline, tmp_path / "here", remote.uploads.store.bucket)

    assert outcome.failures == ()
    assert outcome.manifest is not None
    assert [one.name for one in remote.backups()] == [outcome.manifest.name]
    there = tmp_path / "there"
    there.mkdir()
    request = restore.Request(
        pipeline, there, outcome.manifest.timestamp, bucket=remote.uploads.store.bucket, databases_only=True
    )
    failed = restore.run(request, Progress())  # the databases of this pipeline are nowhere
    assert len(failed.failures) == 1
    assert manifest.verify(there / outcome.manifest.name) == outcome.manifest
    assert [path.name for path in there.iterdir() if path.is_dir()] == [outcome.manifest.name]


def test_an_upload_that_fails_keeps_the_backup_here_and_says_so(
    pipeline: Pipeline, uploads: Uploads, tmp_path: Path
) -> None:
    outcome = make(pipeline, tmp_path, "no-such-bucket")

    assert outcome.exit_status == 1
    assert outcome.folder is not None
    assert manifest.verify(outcome.folder) == outcome.manifest
    assert outcome.log is not None
    lines = [line for line in outcome.log.read_text().splitlines() if "✗" in line]
    assert len(lines) == 1
    assert "upload to s3://no-such-bucket" in lines[0]
    assert "there is no such bucket" in lines[0]


def test_a_download_that_is_damaged_is_not_kept(pipeline: Pipeline, remote: Remote, tmp_path: Path) -> None:
    kept = committed(tmp_path / "here", "w", NOW)
    prefix = remote.upload(kept.folder, kept.manifest, kept.taken_at, lambda _: None)
    remote.uploads.store.ask(
        lambda c: c.put_object(
            Bucket=remote.uploads.store.bucket, Key=f"{prefix}pipeline_20261129_020000.toml", Body=b"?"
        )
    )
    there = tmp_path / "there"
    there.mkdir()
    request = restore.Request(pipeline, there, kept.timestamp, bucket=remote.uploads.store.bucket, databases_only=True)

    outcome = restore.run(request, Progress())

    assert "pipeline_20261129_020000.toml has 1 bytes" in outcome.failures[0]
    assert [path for path in there.iterdir() if path.is_dir()] == []
