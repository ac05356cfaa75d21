"""The processes of an instance as a whole: start those that are missing, stop them in order, find lost ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from cdcproof.core.errors import CouldNotLookError, DeadlineError, OperationError
from cdcproof.core.patience import busy, stretched
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import wait_until
from cdcproof.environments.embedded import folders, services, state
from cdcproof.environments.embedded.artifacts import Parts
from cdcproof.environments.embedded.processes import ports, running
from cdcproof.environments.embedded.processes.running import Process
from cdcproof.environments.embedded.services import class_archives, postgres
from cdcproof.environments.embedded.services.java import Java
from cdcproof.environments.embedded.state import Instance

START_SECONDS = 90.0
"""On a machine that is not busy with other work."""
_STOP_SECONDS = 60.0
_NEEDED_TO_STOP = {"kafka-connect": "kafka", "kafka": "zookeeper"}
"""What a service wants to take leave of; without it, it would wait for that in vain."""
_HOPELESS_STOP_SECONDS = 2.0
_TRIES = 3
"""A service that dies while it starts is tried again: a broker that was killed must first be forgotten by ZooKeeper."""
_LOG_LINES = 5


def start(
    instance: Instance,
    names: tuple[str, ...],
    parts: Parts,
    java_: Java,
    progress: Progress,
    *,
    preparations: Mapping[str, Callable[[], None]] | None = None,
) -> Instance:
    """Start those of the services that do not run, side by side, and wait until all answer.

    `preparations` are done with a service as soon as it answers, while others still start.
    """
    guard = Lock()
    tries = dict.fromkeys(names, 0)
    preparing: dict[str, Future[None]] = {}

    def start_one(service: str) -> None:
        nonlocal instance
        tries[service] += 1
        process = _started(instance, service, parts, java_)
        with guard:
            instance = instance.with_process(service, process)
            state.save(instance)

    def look(service: str) -> bool:
        if services.answers(instance, service):
            if preparations and service in preparations and service not in preparing:
                preparing[service] = pool.submit(preparations[service])
            return True
        if not instance.is_alive(service):
            if tries[service] == _TRIES:
                raise _did_not_start(instance, service, "It ended at once, three times.")
            start_one(service)
        return False

    def report(silent: list[str] | CouldNotLookError) -> None:
        progress.waiting(f"waiting for {', '.join(silent)}" if isinstance(silent, list) else str(silent))

    with ThreadPoolExecutor(2 * len(names)) as pool:
        for started in [pool.submit(start_one, s) for s in names if not instance.is_alive(s)]:
            started.result()
        try:
            wait_until(
                lambda: [s for s, answers in zip(names, pool.map(look, names), strict=True) if not answers],
                lambda silent: not silent,
                what="the services",
                deadline_seconds=START_SECONDS,
                patience=stretched,
                interval_seconds=0.05,
                report=report,
            )
        except DeadlineError:
            silent = next(s for s in names if not services.answers(instance, s))
            raise _did_not_start(
                instance, silent, f"It does not answer after {stretched(START_SECONDS):.0f} s{busy()}."
            ) from None
        for prepared in preparing.values():
            prepared.result()
    if any(tries.values()):
        progress.done(f"up: {', '.join(s for s in names if tries[s])}")
    return instance


def launch(instance: Instance, service: str, parts: Parts, java_: Java) -> Instance:
    """Start a service and wait for nothing. Raises `OperationError` when its process cannot be started."""
    instance = instance.with_process(service, _started(instance, service, parts, java_))
    state.save(instance)
    return instance


def stop_for_good(instance: Instance, progress: Progress) -> None:
    """Stop all services, and as fast as can be unless one of them still has to write its class archive."""
    alive = [s for s in services.ROLES if instance.is_alive(s)]
    if any(class_archives.will_be_written(instance.processes[s]) for s in alive):
        stop(instance, services.STOP_ORDER, progress)
        return
    for service in services.JVMS:
        if service in alive:
            running.kill(instance.processes[service])
    stop(instance, (tuple(s for s in alive if s not in services.JVMS),), progress)


def stop(instance: Instance, groups: tuple[tuple[str, ...], ...], progress: Progress) -> None:
    """Stop the services group after group, those of a group side by side."""
    for group in groups:
        alive = [s for s in group if instance.is_alive(s)]
        if alive:
            progress.waiting(f"stopping {', '.join(alive)}")
            with ThreadPoolExecutor(len(alive)) as pool:
                list(pool.map(lambda service: _stop_one(instance, service), alive))


def _stop_one(instance: Instance, service: str) -> None:
    needs = _NEEDED_TO_STOP.get(service)
    patience = _STOP_SECONDS if needs is None or instance.is_alive(needs) else _HOPELESS_STOP_SECONDS
    process = instance.processes[service]
    by_itself = running.terminate(process, deadline_seconds=patience, quick=service in postgres.SERVERS)
    # one that never replicated has not met all classes
    class_archives.keep(service, instance.name, whole=by_itself and instance.prepared)


def adopt(instance: Instance) -> Instance:
    """The instance with the processes that are marked as its own but were never written down."""
    for service, process in running.marked(_mark(instance, "")).items():
        if service in services.ROLES and not instance.is_alive(service):
            instance = instance.with_process(service, process)
    return instance


def _mark(instance: Instance, service: str) -> str:
    return f"{instance.folders.state}:{service}"


def _started(instance: Instance, service: str, parts: Parts, java_: Java) -> Process:
    if service in services.JVMS and running.has_crashed(instance.processes.get(service)):
        services.archive(service, parts, java_).unlink(missing_ok=True)  # Java aborts on a damaged one
    try:
        how = services.how_to_start(instance, service, parts, java_)
        return running.start(
            how.argv,
            mark=_mark(instance, service),
            log=how.log,
            environment=how.environment,
            account=how.account,
            cwd=how.cwd,
            limit_log=how.limit_log,
        )
    except OSError as error:
        raise OperationError(
            f"{service} cannot be started: {error.strerror or error}: {error.filename}.", folders.way_out(error)
        ) from None


def _did_not_start(instance: Instance, service: str, what: str) -> OperationError:
    process = instance.processes.get(service)
    if process:
        running.finish_log(process)
    numbers = [instance.ports[name] for name in services.ports_of(service)]
    taken = [str(port) for port in numbers if not ports.is_free(port) and not running.listens(process, [port])]
    if taken:
        what += f" Something else listens on port {', '.join(taken)}: `cdcproof up` then chooses another one."
    said = "\n".join(f"  {line}" for line in services.last_lines(instance, service, _LOG_LINES).splitlines())
    log, up = f"cdcproof logs {service}{instance.option}", f"cdcproof up{instance.option}"
    still_starts = running.is_alive(process) and not taken
    return OperationError(
        f"{service} did not start. {what}" + (f" Its log ends with:\n{said}" if said else ""),
        f"{up}   # waits on for it: what has started keeps running; its log: {log}"
        if still_starts
        else f"{log}   # then: {up}",
    )
