"""`backup`: one backup of one pipeline, whole or not at all, without stopping it.

Offsets come first and databases last: what happens between is delivered again after a restore, and never skipped. The target comes before the source,
so that it holds nothing that the source does not have yet: a snapshot of the source gives it what came between, and only what was deleted
between stays. Every step is tried, so that the log names all that is wrong; where one fails nothing is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdcproof import __version__
from cdcproof.backup import folders, manifest
from cdcproof.backup.folders import Directory, Kept, Unfinished
from cdcproof.backup.log import Log
from cdcproof.backup.manifest import DatabaseBackup, Manifest
from cdcproof.backup.parts import connectors, databases, offsets, registry, schema_history
from cdcproof.backup.parts.databases import Orders
from cdcproof.backup.parts.part import MOST_PART_BYTES, Part
from cdcproof.backup.remote import Remote
from cdcproof.backup.retention import Candidate, to_delete
from cdcproof.clients.connect.client import Connect
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.object_store.client import ObjectStore
from cdcproof.clients.object_store.uploads import Uploads
from cdcproof.clients.schema_registry import Registry
from cdcproof.core import bounded
from cdcproof.core.errors import OperationError, UsageError
from cdcproof.core.progress import Progress
from cdcproof.observations.disks import size
from cdcproof.pipeline.model import Pipeline

_CONNECT_SECONDS = (3.0, 30.0)
_LOGS_KEPT_DAYS = 90
_PRODUCTS = {"sqlserver": "SQL Server", "postgresql": "PostgreSQL"}


def _nobody(step: str) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Request:
    """What is to be backed up, and where to.

    `pipeline` is located: its addresses are where it runs. `pipeline_file` is the file that it was read from. `bucket` is empty where nothing is
    uploaded. `on_step` is called with the name of each step before it is taken.
    """

    pipeline: Pipeline
    pipeline_file: Path
    directory: Path
    keep_days: float
    bucket: str = ""
    on_step: Callable[[str], None] = _nobody


@dataclass(frozen=True)
class Outcome:
    """How it ended. `folder` and `manifest` are None where no backup was made; `failures` are the lines with ✗."""

    folder: Path | None
    manifest: Manifest | None
    failures: tuple[str, ...]
    log: Path | None

    @property
    def exit_status(self) -> int:
        """0 where nothing failed, the upload included."""
        return 1 if self.failures else 0


@dataclass
class _Work:
    """A backup while it is made: what has been written so far."""

    request: Request
    log: Log
    unfinished: Unfinished
    began: datetime
    parts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    databases: list[DatabaseBackup] = field(default_factory=list)

    @property
    def timestamp(self) -> str:
        return f"{self.began:{folders.FORM}}"

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        self.request.on_step(what)
        with self.log.step(what):
            yield

    def write(self, kind: str, name: str, part: Part) -> None:
        """One file of `kind`, and its line in the log."""
        stem, _, ending = name.rpartition(".")
        place = f"{stem}_{self.timestamp}.{ending}"
        if len(part.text.encode()) > MOST_PART_BYTES:
            raise OperationError(
                f"The part {kind} has more than {MOST_PART_BYTES >> 20} MiB: no restore could read it back.",
                "A schema history is short again after a snapshot with snapshot.mode=recovery into a new topic.",
            )
        path = self.unfinished.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(part.text, encoding="utf-8")
        self.parts[kind] = place
        self.notes += part.notes
        self.log.done(f"{kind.replace('_', ' ')}: {part.line}")
        for note in part.notes:
            self.log.note(note)


def run(request: Request, progress: Progress) -> Outcome:
    """Make a backup, upload it where a bucket is named, and delete what is too old. Never raises our errors: they are lines of the log."""
    began = datetime.now(UTC).replace(microsecond=0)
    directory = Directory(request.directory, request.pipeline.name)
    with suppress(OSError):  # the lock says why it cannot be made
        request.directory.mkdir(parents=True, exist_ok=True)
    path = request.directory / f"backup_{began:{folders.FORM}}.log"
    log = Log(path if request.directory.is_dir() else None, progress)
    kept: Kept | None = None
    try:
        with log.step(f"backup of {request.pipeline.name}"), directory.locked() as lock:
            request.on_step("lock")
            for name in directory.remove_unfinished():
                log.note(f"{name} was not finished by an earlier run, and was removed")
            kept = _made(request, directory, log, directory.free_moment(began), lock)
            if kept:
                if request.bucket:
                    _upload(request, directory, kept, log)
                _clean_up(request, directory, log)
    except BaseException as error:
        log.failed(
            f"the backup was ended: {'interrupted' if isinstance(error, KeyboardInterrupt) else type(error).__name__}"
        )
        raise
    folder, made = (kept.folder, kept.manifest) if kept else (None, None)
    return Outcome(folder, made, tuple(log.failures), log.path)


def _made(request: Request, directory: Directory, log: Log, began: datetime, lock: int) -> Kept | None:
    """The backup, renamed and whole; None where a step failed."""
    with directory.begin(began, lock) as unfinished:
        work = _Work(request, log, unfinished, began)
        cluster = _save_parts(work)
        for side in ("target", "source"):
            _save_database(work, side)
        if log.failures:
            log.failed("no backup was kept: it would not be whole")
            return None
        with work.step("verify"):
            complete = Manifest(
                unfinished.final.name,
                request.pipeline.name,
                work.timestamp,
                _text(began),
                _text(datetime.now(UTC)),
                __version__,
                cluster,
                tuple(work.databases),
                work.parts,
                manifest.stored_files(unfinished.folder),
                tuple(work.notes),
            )
            folders.commit(unfinished, complete)
            request.on_step("committed")
            log.done(f"{unfinished.final}: {len(complete.files)} files, {size(complete.size_bytes)}, verified")
            return Kept(unfinished.final, began, complete)
    return None


def _save_parts(work: _Work) -> str:
    """Everything but the databases; the Kafka cluster's id."""
    pipeline, cluster = work.request.pipeline, ""
    connect = Connect(pipeline.connect, _CONNECT_SECONDS)
    kafka = Kafka(pipeline.kafka)
    saved: Mapping[str, connectors.SavedConnector] = {}
    with work.step("connectors"):
        cluster = connect.version().kafka_cluster_id
        part = connectors.save(connect.states([one.name for one in pipeline.connectors]), pipeline)
        saved = connectors.read(part.text)
        work.write("connectors", "kafka-connect/connectors.json", part)
    if saved:
        with work.step("offsets"):
            topics = tuple(table.topic for table in pipeline.tables)
            work.write("offsets", "kafka-connect/offsets.json", offsets.save(connect, kafka, saved, topics))
    history = schema_history.topics(saved.values())
    if history:
        with work.step("schema history"):
            work.write("schema_history", "kafka/schema_history.jsonl", schema_history.save(kafka, history))
    if pipeline.registry:
        with work.step("registry"):
            work.write("registry", "registry/subjects.json", registry.save(Registry(pipeline.registry)))
    with work.step("pipeline file"):
        file = work.request.pipeline_file
        work.write(
            "pipeline",
            "pipeline.toml",
            Part(bounded.read_text(file, bounded.MOST_WRITTEN_BY_HAND_BYTES, encoding="utf-8-sig"), file.name),
        )
    return cluster


def _save_database(work: _Work, side: str) -> None:
    pipeline = work.request.pipeline
    database = databases.address(pipeline, side)
    what = f"{side}: {_PRODUCTS[database.type]} database {database.database}"
    with work.step(what):
        server = pipeline.backup.server_directory or str(work.request.directory)
        orders = Orders(
            work.unfinished.folder,
            str(databases.server_path(server, work.unfinished.folder.name)),
            work.timestamp,
            lambda table: work.log.waiting(f"{side}: {table}"),
            (work.unfinished.lock,),
        )
        made = databases.back_up(pipeline, side, orders)
        work.databases.append(made)
        written = sum(path.stat().st_size for path in _below(work.unfinished.folder / made.place))
        moving = [table.name for table in made.state.tables if not table.exact]
        work.log.done(f"{what}: {len(made.state.tables)} tables, {made.rows:,} rows, {size(written)}")
        if moving:
            work.log.note(f"Written to meanwhile, so that a restore cannot prove their contents: {', '.join(moving)}.")


def _upload(request: Request, directory: Directory, kept: Kept, log: Log) -> None:
    remote = remote_of(request.pipeline, request.bucket)
    request.on_step("upload")
    with log.step(f"upload to {remote.place}"):
        assert kept.manifest is not None  # noqa: S101  just made
        own = [one.folder.name for one in directory.backups()]
        for name in remote.remove_unfinished(own, time.time()):
            log.note(f"{name} was not uploaded whole by an earlier run, and was removed there")
        prefix = remote.upload(kept.folder, kept.manifest, kept.taken_at, log.waiting)
        request.on_step("uploaded")
        log.done(f"uploaded to s3://{request.bucket}/{prefix}")
        old = to_delete(
            remote.candidates(), kept.taken_at, request.pipeline.backup.s3_keep_days, request.pipeline.backup.keep_count
        )
        if old:
            remote.delete(old)
            log.done(f"deleted there, older than {request.pipeline.backup.s3_keep_days:g} days: {', '.join(old)}")


def _clean_up(request: Request, directory: Directory, log: Log) -> None:
    request.on_step("retention")
    with log.step("deletion of old backups"):
        now = datetime.now(UTC)
        found = {one.folder.name: one for one in directory.backups()}
        candidates = [
            Candidate(name, one.taken_at, one.manifest is not None, one.is_remnant) for name, one in found.items()
        ]
        old = to_delete(candidates, now, request.keep_days, request.pipeline.backup.keep_count)
        for name in old:
            folders.remove(found[name].folder)
        if old:
            log.done(f"deleted, older than {request.keep_days:g} days or not whole: {', '.join(old)}")
        limit = (now - timedelta(days=max(request.keep_days, _LOGS_KEPT_DAYS))).timestamp()
        for path in request.directory.glob("backup_*_*.log"):
            if path.stat().st_mtime < limit:
                path.unlink()


def remote_of(pipeline: Pipeline, bucket: str) -> Remote:
    """The pipeline's backups in this bucket, at the endpoint of the pipeline file."""
    return Remote(Uploads(ObjectStore(bucket, pipeline.backup.s3_endpoint or "")), pipeline.name)


def directory_of(pipeline: Pipeline, named: str) -> Path:
    """Where the backups are: as BACKUP_DIR says, else the pipeline file. Raises `UsageError` where neither does."""
    directory = Path(named) if named else pipeline.paths.backups
    if directory is None:
        raise UsageError(
            "The pipeline file names no backup directory.",
            'Add backups = "/var/backups/cdc" to [paths], or set BACKUP_DIR.',
        )
    return directory.absolute()


def _below(path: Path) -> list[Path]:
    return [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
