"""`restore`: the databases of a backup beside the old ones, proven, swapped in at the end; the connectors' positions as that demands.

The order is such that whoever starts the pipeline after a restore that was killed loses nothing in silence: what is delivered again or read again is
arranged first, the databases take their names then, and what is passed over is passed over last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from cdcproof.backup import facts, folders, manifest
from cdcproof.backup.facts import Restored
from cdcproof.backup.folders import Directory
from cdcproof.backup.log import Log
from cdcproof.backup.manifest import DatabaseBackup, Manifest
from cdcproof.backup.parts.databases import maintenance
from cdcproof.backup.parts.offsets import Saved, SavedParts
from cdcproof.backup.parts.positions import Decision, decide
from cdcproof.backup.restore import database as restore_database
from cdcproof.backup.restore import state as restore_state
from cdcproof.backup.restore.connectors import Connectors, others, seen
from cdcproof.backup.restore.plan import Plan, SidePlan, chosen, saved_parts, unlike
from cdcproof.backup.restore.state import RestoreState
from cdcproof.backup.run import remote_of
from cdcproof.clients.connect.client import ConnectorStates
from cdcproof.clients.kafka.client import Kafka
from cdcproof.connectors.states import STOPPED
from cdcproof.core.acts import write_down
from cdcproof.core.errors import CdcproofError, ConfigError, CouldNotLookError, UsageError
from cdcproof.core.progress import Progress
from cdcproof.databases.connections import connect_to_restore
from cdcproof.databases.contracts.backup import differences
from cdcproof.pipeline.model import Pipeline


def _nobody(step: str) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Request:
    """What is to be restored, and what of. `database` and `engine` choose among the databases of the backup; both empty: all of them.

    `stop_connectors`: a running pipeline is stopped, and not refused. `databases_only`: the connectors are not positioned and not started.
    `connectors_only`: no database is restored. `may_act`: else the plan is made, and nothing done. `on_step` is given each step before it is taken.
    """

    pipeline: Pipeline
    directory: Path
    timestamp: str
    database: str = ""
    engine: str = ""
    bucket: str = ""
    stop_connectors: bool = False
    databases_only: bool = False
    connectors_only: bool = False
    may_act: bool = True
    deadline_seconds: float = 120.0
    on_step: Callable[[str], None] = _nobody


@dataclass(frozen=True)
class Outcome:
    """How it ended. `plan` is None where it came to none; `aside` are the old databases by side, under their new names."""

    plan: Plan | None
    failures: tuple[str, ...]
    log: Path | None
    aside: dict[str, str] = field(default_factory=dict)

    @property
    def exit_status(self) -> int:
        """0 where all was done."""
        return 1 if self.failures else 0


@dataclass
class _Work:
    request: Request
    log: Log
    directory: Directory
    lock: int
    began: datetime
    state: RestoreState | None = None
    aside: dict[str, str] = field(default_factory=dict)
    is_changing: bool = False
    """From the first position or name that is changed, to the end."""

    def write_down(self, what: str) -> None:
        """Into acts.log, before it is done."""
        write_down(self.request.pipeline.paths.reports, "restore", what)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step, whose failure ends the restore."""
        self.request.on_step(name)
        self.log.waiting(name)
        yield


def run(request: Request, progress: Progress) -> Outcome:
    """Restore. Raises `UsageError` for what cannot be meant or may not be done; everything else is a line of the log."""
    if request.databases_only and request.connectors_only:
        raise UsageError("--databases-only and --connectors-only leave nothing to restore.", "Give one of them.")
    began = datetime.now(UTC).replace(microsecond=0)
    path = request.directory / f"restore_{began:{folders.FORM}}.log"
    log = Log(path if request.directory.is_dir() and request.may_act else None, progress)
    directory = Directory(request.directory, request.pipeline.name)
    plan: Plan | None = None
    aside: dict[str, str] = {}
    try:
        with directory.locked() as lock:
            work = _Work(request, log, directory, lock, began, restore_state.read(directory))
            aside = work.aside
            with work.step("verify"):
                folder, kept = _backup(work)
            with work.step("plan"):
                plan = _plan(work, folder, kept)
            for line in plan.lines():
                log.note(line)
            _demand_permission(request, plan)
            try:
                _carry_out(work, plan)
            except CdcproofError:
                if work.is_changing:
                    log.note(
                        "The connectors are stopped. Once the cause below is gone, give the same command again: it finishes."
                    )
                raise
    except CdcproofError as error:
        if isinstance(error, UsageError) and not isinstance(error, ConfigError):
            raise
        log.failed(error.message, error.remedy)
    except OSError as error:
        log.failed(f"{error.filename or 'a file'}: {error.strerror or error}")
    return Outcome(plan, tuple(log.failures), log.path, dict(aside))


def _backup(work: _Work) -> tuple[Path, Manifest]:
    """The backup, from here or from the bucket, every file of it compared with its hash."""
    request, directory = work.request, work.directory
    here = {one.timestamp: one for one in directory.backups()}
    if request.timestamp not in here and request.bucket:
        remote = remote_of(request.pipeline, request.bucket)
        name = f"{request.pipeline.name}_{request.timestamp}"
        unfinished = directory.path / f".{name}{folders.UNFINISHED}"
        with ExitStack() as stack:
            stack.callback(_remove, unfinished)
            _remove(unfinished)
            unfinished.mkdir(mode=0o700)
            remote.download(request.timestamp, unfinished, work.log.waiting)
            manifest.verify(unfinished)
            unfinished.rename(directory.path / name)
        work.log.done(f"{name} is downloaded from {remote.place}")
    kept = directory.of(request.timestamp)
    try:
        whole = manifest.verify(kept.folder)
    except ConfigError as error:
        if not request.bucket:
            raise
        raise ConfigError(
            error.message,
            f"Move {kept.folder} away and give the command again: the copy in {request.bucket} is taken then.",
        ) from None
    work.log.done(f"{whole.name} is whole: {len(whole.files)} files have their SHA-256")
    if whole.pipeline != request.pipeline.name:
        raise UsageError(f"{whole.name} is of the pipeline {whole.pipeline}, and this is {request.pipeline.name}.")
    return kept.folder, whole


def _plan(work: _Work, folder: Path, whole: Manifest) -> Plan:
    request = work.request
    found = () if request.connectors_only else chosen(whole, request.database, request.engine)
    if why := unlike(request.pipeline, found):
        raise UsageError(why, "Restore by the pipeline file of the backup, which is in it.")
    sides = tuple(_side(work, one) for one in found)
    has_connectors = "connectors" in whole.parts or not request.databases_only
    parts = saved_parts(folder, whole) if has_connectors else SavedParts({}, Saved())
    running: dict[str, str] = {}
    lost: tuple[str, ...] = ()
    decision: Decision | None = None
    connectors = Connectors(request.pipeline, work.log, request.deadline_seconds)
    now = _connectors_now(work, connectors)
    theirs = others(now, request.pipeline, {one.side for one in sides}, parts.connectors)
    if request.databases_only:
        own = [one.name for one in request.pipeline.connectors]
        running = {name: one.state for name in own if (one := now.get(name)) and one.state != STOPPED}
    else:
        running, lost = seen(connectors, parts.connectors)
        names = {one.side for one in sides}
        if (
            request.connectors_only
        ):  # what was restored since the backup, with the connectors left alone, counts as restored
            names = {side for side in ("source", "target") if not facts.is_same(request.pipeline, whole, side)[0]}
        decision = decide(
            facts.gather(
                request.pipeline,
                whole,
                parts,
                Kafka(request.pipeline.kafka),
                Restored("source" in names, "target" in names, lost),
            )
        )
    return Plan(folder, whole, sides, parts, running, lost, decision, theirs)


def _connectors_now(work: _Work, connectors: Connectors) -> ConnectorStates:
    """All of Connect; none, with a note, where it does not answer and the connectors are left alone anyway.

    One that runs would go on in a restored database from a position of the old one.
    """
    try:
        return connectors.connect().states([one.name for one in work.request.pipeline.connectors])
    except CouldNotLookError as error:
        if not work.request.databases_only:
            raise
        work.log.note(f"Whether connectors run is not known: {error.message}")
        return ConnectorStates(())


def _side(work: _Work, backup: DatabaseBackup) -> SidePlan:
    pipeline = work.request.pipeline
    database = (pipeline.source if backup.side == "source" else pipeline.target).database
    with connect_to_restore(maintenance(pipeline, backup.side)) as server:
        there = server.databases()
        beside = server.name_with(database, f"_restore_{work.request.timestamp}")
        aside = server.name_with(database, f"_before_{work.began:{folders.FORM}}")
    return SidePlan(backup, database, database in there, beside, aside)


def _demand_permission(request: Request, plan: Plan) -> None:
    """Raise where this may not be done, or not now. Nothing was changed so far."""
    if plan.running and not request.stop_connectors:
        running = ", ".join(f"{name} is {state}" for name, state in plan.running.items())
        raise UsageError(
            f"The pipeline runs: {running}. A restore under a running pipeline would be written over. Nothing was done.",
            "Add --stop-connectors, and they are stopped first and started again.",
        )
    active = {name: state for name, state in plan.others.items() if state != STOPPED}
    if active:
        raise UsageError(
            f"Connectors of another pipeline use these databases: {', '.join(f'{n} is {s}' for n, s in active.items())}. Nothing was done.",
            "Stop them first; after the restore each needs a new snapshot of a restored source, as after any restore.",
        )
    if not request.may_act:
        raise UsageError(
            f"This restore changes the live pipeline {request.pipeline.name}, as it says above. Nothing was done.",
            "Add --allow-acts.",
        )


def _carry_out(work: _Work, plan: Plan) -> None:
    request, log = work.request, work.log
    connectors = Connectors(request.pipeline, log, request.deadline_seconds)
    connectors.demand_means(plan)
    if plan.running:
        with work.step("stop connectors"):
            connectors.stop(plan)
    todo = [one for one in plan.sides if not _is_done(work, one)]
    _remember(work, todo)
    made: list[SidePlan] = []
    try:
        for one in todo:
            made.append(one)
            with work.step(f"restore {one.side}"):
                work.write_down(f"restore {one.backup.place} as database {one.beside} of the {one.side}")
                restore_database.make(request.pipeline, one, plan.folder, work.lock)
                log.done(f"{one.side}: restored as {one.beside}")
            with work.step(f"prove {one.side}"):
                log.done(f"{one.side}: {restore_database.prove(request.pipeline, one, one.beside, log)}")
    except BaseException as error:
        _drop(work, made)
        if isinstance(error, Exception):
            connectors.start_again(plan)
        raise
    work.is_changing = True
    if plan.decision:
        with work.step("positions"):
            connectors.position(plan)
    for one in todo:
        with work.step(f"swap {one.side}"):
            old = f", and the one that is there {one.aside}" if one.exists else ""
            work.write_down(f"call the {one.side}'s database {one.beside} {one.database}{old}")
            restore_database.swap(request.pipeline, one)
            assert work.state is not None  # noqa: S101  remembered above
            work.state = replace(work.state, swapped=(*work.state.swapped, one.side))
            restore_state.write(work.directory, work.state)
            kept = ""
            if one.exists:
                work.aside[one.side] = one.aside
                kept = f"; the old one is kept as {one.aside}"
            log.done(f"{one.side}: {one.database} is the restored one{kept}")
    if plan.decision:
        with work.step("finish positions"):
            connectors.finish(plan)
    if plan.decision and plan.decision.start:
        with work.step("start"):
            connectors.start(plan)
    restore_state.forget(work.directory)


def _is_done(work: _Work, one: SidePlan) -> bool:
    """Whether an earlier run of this restore had given the database its name already, and nobody has written to it since."""
    state = work.state
    if not state or state.timestamp != work.request.timestamp or one.side not in state.swapped or not one.exists:
        return False
    found = restore_database.sums(work.request.pipeline, one.side, one.database, work.log)
    if differences(one.backup.state.tables, found):
        return False
    work.log.done(f"{one.side}: {one.database} is the restored one already, by a run that was ended")
    return True


def _remember(work: _Work, todo: list[SidePlan]) -> None:
    """Clear away what an earlier run left, and write down what this one makes, before it makes it."""
    if work.state:
        work.log.note(f"a restore of {work.state.timestamp} was ended before it was finished")
        for side, name in work.state.beside.items():
            work.write_down(f"drop the {side}'s database {name}, which an earlier restore did not finish")
            restore_database.drop(work.request.pipeline, side, name)
    same = work.state is not None and work.state.timestamp == work.request.timestamp
    swapped = work.state.swapped if work.state and same else ()
    done = tuple(side for side in swapped if side not in {one.side for one in todo})
    work.state = RestoreState(work.request.timestamp, {one.side: one.beside for one in todo}, done)
    restore_state.write(work.directory, work.state)


def _drop(work: _Work, made: list[SidePlan]) -> None:
    """Of a restore that failed nothing is left: the old databases were not touched."""
    with suppress(CdcproofError, OSError):  # the next run does it
        for one in made:
            work.write_down(f"drop the {one.side}'s database {one.beside}")
            restore_database.drop(work.request.pipeline, one.side, one.beside)
        restore_state.forget(work.directory)


def _remove(folder: Path) -> None:
    with suppress(OSError):
        folders.remove(folder)
