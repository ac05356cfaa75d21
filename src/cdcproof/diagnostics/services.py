"""The services, their logs, the threads of those that are Java, and how they are deployed."""

from __future__ import annotations

from collections.abc import Iterator

from cdcproof.core.secrets import learn, redact
from cdcproof.diagnostics.parts import File, Part, Remark, Scope, as_json, file_name
from cdcproof.environments.base import ServiceState
from cdcproof.reporting.record import table

_MOST_LINES = 20_000
_LEAST_LINES = 200
"""So many lines of each log are there, however long ago they were written."""
_DEADLOCK = "Java-level deadlock"


def states(scope: Scope) -> Iterator[Part]:
    """What runs, since when, and how often it was restarted."""
    found = scope.environment.services(scope.pipeline)
    yield File("services/states.txt", table(map(_row, found)) + "\n")
    for state in found:
        if state.verdict != "up":
            yield Remark(f"Service {state.name} is {state.verdict}: {state.detail}")


def log(service: str, scope: Scope) -> Iterator[Part]:
    """What a service wrote since then, and at least its last lines."""
    text = scope.environment.logs(scope.pipeline, service, _MOST_LINES, scope.since)
    if text.count("\n") < _LEAST_LINES:
        text = scope.environment.logs(scope.pipeline, service, _LEAST_LINES) or text
    yield File(f"logs/{file_name(service)}.log.txt", (text or "The log is empty.") + "\n", keep="end")


def threads(service: str, scope: Scope) -> Iterator[Part]:
    """What each thread of a Java process does."""
    text = scope.environment.thread_dump(scope.pipeline, service)
    yield File(f"threads/{file_name(service)}.txt", text + "\n")
    if _DEADLOCK in text:
        yield Remark(
            f"Threads of {service} block each other for ever (a deadlock): see threads/{file_name(service)}.txt"
        )


def deployment(scope: Scope) -> Iterator[Part]:
    """Images, limits, ports and environments of the containers, or the version of the embedded parts."""
    for service, settings in scope.environment.deployment(scope.pipeline).items():
        learn(settings)
        yield File(f"services/{file_name(service)}.json", as_json(redact(settings)))


def _row(state: ServiceState) -> dict[str, object]:
    hours = None if state.uptime_seconds is None else f"{state.uptime_seconds / 3600:.1f}"
    return {
        "service": state.name,
        "role": state.role,
        "state": state.verdict,
        "up for hours": hours,
        "restarts in 24 h": state.restarts_24h,
        "detail": state.detail,
    }
