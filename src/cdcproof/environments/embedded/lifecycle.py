"""Bring the embedded pipeline up, take it down, and break it on purpose.

`up` looks at what there is and does what is missing, so that it also is the remedy for everything that can go wrong
between two of its lines: whatever is interrupted, the next `up` finishes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

from cdcproof.core.errors import OperationError, UsageError
from cdcproof.core.locking import only_one
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import side_by_side
from cdcproof.environments.embedded import artifacts, connectors, folders, passwords, services, state
from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.data import databases, replication, stores
from cdcproof.environments.embedded.data.databases import Side
from cdcproof.environments.embedded.processes import logs as logs_
from cdcproof.environments.embedded.processes import ports as ports_
from cdcproof.environments.embedded.processes import running, supervision
from cdcproof.environments.embedded.services import java, postgres_cluster
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.services.service import log_file
from cdcproof.environments.embedded.state import Instance

_MONITORING_TRIES = 2
"""Its port may be taken while it starts, by another instance's."""


def up(
    name: str, progress: Progress, *, wanted_ports: Mapping[str, int] | None = None, monitoring: bool = False
) -> Instance:
    """Start what is not running, repair what is, and return when both connectors replicate.

    `wanted_ports` names ports by service; `monitoring` stays until `down`. Raises `OperationError` naming the service that does not start.
    """
    with _changing(name, progress):
        known = state.load(name)
        parts, java_ = _ready(progress)
        here = str(folders.checkout())
        if known and known.checkout not in ("", here):
            progress.done(f"the instance {name!r} was made by {known.checkout}; for one of your own: --instance NAME")
        instance = supervision.adopt(known or Instance(name, {}, checkout=here))
        if instance.parts not in ("", parts.digest):
            progress.done("its parts have another version now: everything is started anew")
            supervision.stop(instance, services.STOP_ORDER, progress)
            known = None
        monitored = monitoring or (instance.monitoring and not instance.stopped)
        instance = replace(instance, stopped=False, parts=parts.digest, monitoring=monitored)
        instance = _find_ports(instance, wanted_ports or {}, progress)
        died = [s for s in instance.processes if not instance.is_alive(s)] if known and not known.stopped else []
        for service in died:
            progress.done(f"{service} is not running any more: starting it again")
            instance = instance.with_restart(service, "found dead")
        lost = stores.gone(instance)
        instance = stores.rid_of_orphans(instance, lost, progress)
        state.save(instance)
        passwords.make(instance)
        sides = _preparations(instance)
        instance = supervision.start(instance, services.CORE, parts, java_, progress, preparations=sides)
        beside = [service for service in services.wanted(instance) if service not in services.CORE]
        for service in beside:
            if not instance.is_alive(service):
                with suppress(OperationError):  # which is met again, and reported, below
                    instance = supervision.launch(instance, service, parts, java_)
        instance = replication.establish(instance, progress, new=died, lost=lost)
        for service in beside:
            instance = _start_if_it_will(instance, service, parts, java_, progress)
    return instance


def down(name: str, progress: Progress) -> bool:
    """Stop every process of the instance; whether there was anything to stop. Data and ports stay."""
    return _stop(name, progress, for_good=False)


def stop_services(name: str, progress: Progress) -> None:
    """Stop every process, as `docker compose stop` does: the instance is still there, and its connectors stay as they are."""
    with _changing(name, progress):
        supervision.stop(supervision.adopt(state.running(name)), services.STOP_ORDER, progress)


def start_services(name: str, progress: Progress) -> Instance:
    """Start what does not run, and wait until it answers. Unlike `up`, it leaves the connectors as they are: paused, or changed."""
    with _changing(name, progress):
        instance = supervision.adopt(state.running(name))
        stores.require_all(instance)
        parts, java_ = _ready(progress)
        instance = supervision.start(instance, services.CORE, parts, java_, progress)
        for service in services.wanted(instance):
            if service not in services.CORE and not instance.is_alive(service):
                instance = _start_if_it_will(instance, service, parts, java_, progress)
    return instance


def remove(name: str, progress: Progress) -> bool:
    """Stop the instance and delete all it kept: data, ports, passwords, logs; whether there was anything running."""
    found = _stop(name, progress, for_good=True)
    own = folders.folders(name)
    for folder in (own.postgres, own.state):
        shutil.rmtree(folder, ignore_errors=True)
    return found


def remove_shared() -> None:
    """Delete what all instances share outside the cache, unless one is left: also of another state folder, which is not known here."""
    if folders.server_account() is None or running.marked(""):
        return
    for folder in folders.shared_folders():
        if folder.exists() and all(postgres_cluster.is_shared(entry) for entry in folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)


def restart(name: str, service: str, progress: Progress) -> Instance:
    """Stop one service and start it again."""
    with _changing(name, progress):
        instance = supervision.adopt(state.running(name))
        _must_be_there(instance, service)
        stores.require_all(instance)
        parts, java_ = _ready(progress)
        supervision.stop(instance, ((service,),), progress)
        instance = instance.with_restart(service, "restarted")
        instance = supervision.start(instance, (service,), parts, java_, progress)
        if service in services.CORE and all(instance.is_alive(s) for s in services.CORE):
            side_by_side(_preparations(instance))
            instance = replication.establish(instance, progress, new=(service,))
    return instance


def kill(name: str, service: str) -> None:
    """SIGKILL to a service, as a fault would."""
    _must_be_known(service)
    process = state.running(name).processes.get(service)
    if process:
        running.kill(process)


def logs(name: str, service: str, lines: int) -> str:
    """The end of a service's log, also of an instance that was stopped."""
    _must_be_known(service)
    instance = state.load(name) or state.running(name)
    return services.last_lines(instance, service, lines)


def followed_log(name: str, service: str, lines: int) -> Iterator[str]:
    """The end of a service's log, then what is written, for ever."""
    _must_be_known(service)
    return logs_.follow(log_file(state.load(name) or state.running(name), service), lines)


def reset(name: str, progress: Progress) -> Instance:
    """Both databases as after the first start, new topics, a new snapshot; the processes stay as they are."""
    with _changing(name, progress):
        instance = state.running(name)
        connectors.delete(instance)
        side_by_side({side: partial(databases.empty, instance, side) for side in databases.SERVICES})
        instance = replace(instance, generation=instance.generation + 1, prepared=False)
        state.save(instance)
        side_by_side(_preparations(instance))
        return replication.establish(instance, progress)


def _stop(name: str, progress: Progress, *, for_good: bool) -> bool:
    if not folders.folders(name).state.exists():
        return False
    with _changing(name, progress):
        try:
            known = state.load(name)
        except OperationError as error:
            progress.done(error.message)
            known = None
        instance = supervision.adopt(known or Instance(name, {}))
        found = any(instance.is_alive(service) for service in services.ROLES)
        if for_good:
            supervision.stop_for_good(instance, progress)
        else:
            supervision.stop(instance, services.STOP_ORDER, progress)
        state.save(replace(instance, stopped=True, processes={}))
    return found


def _ready(progress: Progress) -> tuple[Parts, Java]:
    cache = folders.cache_folder()
    postgres_cluster.ready()
    return artifacts.ready(cache, progress), java.ready(cache)


def _preparations(instance: Instance) -> dict[str, Callable[[], None]]:
    """What has to be done with the databases before anything can be replicated, by service."""
    return {service: partial(_prepare, instance, side) for side, service in databases.SERVICES.items()}


def _prepare(instance: Instance, side: Side) -> None:
    databases.prepare(instance, side)
    if side == "source" and not instance.prepared:
        databases.insert_rows(instance, databases.SEED)


def _start_if_it_will(instance: Instance, service: str, parts: Parts, java_: Java, progress: Progress) -> Instance:
    """Monitoring that does not start is said, and no reason to call the pipeline down."""
    for _ in range(_MONITORING_TRIES):
        try:
            return supervision.start(instance, (service,), parts, java_, progress)
        except OperationError as error:
            failure = str(error)
        found = state.load(instance.name) or instance
        instance = _find_ports(found, {}, progress)
        if instance.ports == found.ports:
            break
        state.save(instance)
    progress.done(failure)
    return instance


def _find_ports(instance: Instance, wanted: Mapping[str, int], progress: Progress) -> Instance:
    """Every service with a port that it can have; where one must move, whatever knows its address is stopped."""
    unknown = sorted(set(wanted) - set(services.PORTS))
    if unknown:
        raise UsageError(f"There is no port {unknown[0]!r}.", f"Choose from: {', '.join(services.PORTS)}.")
    asked = {name: port for name, port in wanted.items() if instance.ports.get(name) != port}
    for name, port in asked.items():
        if not ports_.is_free(port):
            raise UsageError(f"Port {port}, asked for {name}, is in use.", "Name another one, or none.")
    blocked = {
        port: instance.ports[port]
        for service in services.wanted(instance)
        if not instance.is_alive(service)
        for port in services.ports_of(service)
        if port in instance.ports and not ports_.is_free(instance.ports[port])
    }
    for name, port in blocked.items():
        progress.done(f"port {port} of {name} is in use by something else: choosing another one")
    new = {
        name: asked.get(name, preferred)
        for name, preferred in services.PORTS.items()
        if name in asked or name in blocked or name not in instance.ports
    }
    if not new:
        return instance
    moves_core = any(name in services.CORE for name in new)
    supervision.stop(instance, services.STOP_ORDER if moves_core else services.STOP_ORDER[:1], progress)
    kept = {name: port for name, port in instance.ports.items() if name not in new}
    return replace(instance, ports={**kept, **ports_.choose(new, kept.values())})


@contextmanager
def _changing(name: str, progress: Progress) -> Iterator[None]:
    made = folders.make(name)
    try:
        with only_one(made.lock, f"changing the instance {name!r}", progress):
            yield
    except OSError as error:
        raise OperationError(
            f"A file of the instance {name!r} cannot be read or written: {error.strerror or error}: {error.filename}.",
            folders.way_out(error),
        ) from None


def _must_be_there(instance: Instance, service: str) -> None:
    """A service that `status` lists."""
    _must_be_known(service)
    if service not in services.wanted(instance):
        why = services.missing().get(service)
        raise UsageError(
            f"{service} is no service of this instance: {why or 'monitoring was not asked for'}.",
            f"cdcproof up --monitoring{instance.option}",
        )


def _must_be_known(service: str) -> None:
    if service not in services.ROLES:
        raise UsageError(f"There is no service {service!r}.", f"Choose from: {', '.join(services.ROLES)}.")
