"""A run as metrics: pushed to a Pushgateway, or written for the node exporter's text-file collector."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, Request, build_opener

from prometheus_client import CollectorRegistry, Gauge, generate_latest, pushadd_to_gateway

from cdcproof.core import tls
from cdcproof.core.errors import RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.files import write_whole
from cdcproof.core.secrets import from_environment
from cdcproof.findings import Verdict
from cdcproof.pipeline.model import HttpService
from cdcproof.reporting.record import StepRecord

PUSH_TIMEOUT_SECONDS = 5.0

_VALUES = ", ".join(f"{verdict.metric_value} {verdict}" for verdict in Verdict)


def registry_of(
    pipeline: str,
    suite: str,
    records: Sequence[StepRecord],
    last_success: Mapping[str, float],
    ended_at: float | None,
    *,
    failed_runs: int | None = None,
) -> CollectorRegistry:
    """The metrics of one suite: the newest record of each of its steps.

    `last_success` is step id to Unix time, for steps that ever were green; `ended_at` is when the whole suite last
    ended, and `failed_runs` how many whole runs in a row were not green; None when it never ended.
    """
    registry = CollectorRegistry()
    labels = ["check", "suite", "severity", "pipeline"]
    status = Gauge("cdcproof_check_status", f"Verdict of a runbook check: {_VALUES}.", labels, registry=registry)
    duration = Gauge("cdcproof_check_duration_seconds", "Time a check took.", labels, registry=registry)
    success = Gauge(
        "cdcproof_check_last_success_timestamp_seconds",
        "When a check was last passed, warned or waived.",
        labels,
        registry=registry,
    )
    for record in records:
        values = (record.step, suite, record.severity, pipeline)
        status.labels(*values).set(record.verdict.metric_value)
        duration.labels(*values).set(record.duration_seconds)
        if record.step in last_success:
            success.labels(*values).set(last_success[record.step])
    if ended_at is not None:
        Gauge(
            "cdcproof_suite_last_run_timestamp_seconds",
            "When all checks of a suite last ended, whatever their verdicts.",
            ["suite", "pipeline"],
            registry=registry,
        ).labels(suite, pipeline).set(ended_at)
    if failed_runs is not None:
        Gauge(
            "cdcproof_suite_failed_runs",
            "Whole runs of a suite in a row that were not green; 0 after a green one.",
            ["suite", "pipeline"],
            registry=registry,
        ).labels(suite, pipeline).set(failed_runs)
    return registry


def registry_of_command(command: str, pipeline: str, last_run: float, last_success: float | None) -> CollectorRegistry:
    """Both times. The second is absent for a command that never succeeded here: a Pushgateway keeps the one that it has."""
    registry = CollectorRegistry()
    labels = ["command", "pipeline"]
    run = Gauge(
        "cdcproof_scheduled_last_run_timestamp_seconds", "When a command last ended.", labels, registry=registry
    )
    run.labels(command, pipeline).set(last_run)
    if last_success is not None:
        success = Gauge(
            "cdcproof_scheduled_last_success_timestamp_seconds",
            "When a command last did its work to the end; a mismatch that it found is an answer.",
            labels,
            registry=registry,
        )
        success.labels(command, pipeline).set(last_success)
    return registry


def push(registry: CollectorRegistry, pipeline: str, suite: str, gateway: HttpService) -> None:
    """Push under the grouping key job, suite and pipeline. Errors as `push_under`."""
    push_under({"suite": suite, "pipeline": pipeline}, registry, gateway)


def push_under(grouping: Mapping[str, str], registry: CollectorRegistry, gateway: HttpService) -> None:
    """Push under the grouping key job and `grouping`. Raises `UnreachableError` or `UnexpectedAnswerError`."""
    try:
        pushadd_to_gateway(  # keeps the families that are not in this push, e.g. a last success nobody here remembers
            gateway.url,
            job="cdcproof",
            registry=registry,
            grouping_key=dict(grouping),
            timeout=PUSH_TIMEOUT_SECONDS,
            handler=_handler(gateway),
        )
    except HTTPError as error:
        raise UnexpectedAnswerError(f"the Pushgateway at {gateway.url} answered HTTP {error.code}") from None
    except OSError as error:
        if unverified := tls.cause(error):
            host = urlsplit(gateway.url).hostname or ""
            wrong, remedy = tls.not_verified(unverified, host, "pushgateway.ca_file", "pushgateway.url")
            raise RefusedError(f"the Pushgateway at {gateway.url}: {wrong}", remedy) from None
        reason = getattr(error, "reason", error)
        raise UnreachableError(f"the Pushgateway at {gateway.url} did not take them: {reason}") from None


def write_text_file(registry: CollectorRegistry, path: Path) -> None:
    """Write the metrics where a node exporter's ``--collector.textfile.directory`` finds them. Raises `OSError`."""
    write_whole(path, generate_latest(registry).decode())


def _handler(
    gateway: HttpService,
) -> Callable[[str, str, float | None, list[tuple[str, str]], bytes], Callable[[], None]]:
    password = gateway.password_env and from_environment(gateway.password_env, f"the Pushgateway at {gateway.url}")
    encrypted = (
        [HTTPSHandler(context=tls.context(gateway.ca_file, "pushgateway.ca_file"))]
        if gateway.url.startswith("https:")
        else []
    )

    def handler(
        url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        login = f"{gateway.user}:{password.reveal()}".encode() if gateway.user and password else b""
        authorization = {"Authorization": f"Basic {b64encode(login).decode()}"} if login else {}
        request = Request(url, data=data, headers={**dict(headers), **authorization}, method=method)  # noqa: S310  a pipeline file takes http and https alone

        def send() -> None:
            build_opener(*encrypted).open(request, timeout=timeout).close()

        return send

    return handler
