"""Dask distributed: a cluster that takes work through an executor. A scheduler runs any code that anyone sends it: loopback or TLS only."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from cdcproof.core.errors import DeadlineError, UnreachableError, UsageError
from cdcproof.core.secrets import scrub
from cdcproof.core.waiting import Deadline, wait_until

# ruff: noqa: PLC0415  it takes a second, and most runs have no cluster

CONNECT_SECONDS = 15.0
LOST_SECONDS = 120.0
"""Work is given up when for so long no scheduler has answered, or it has had no worker: it would wait there without end."""
_LOOKS_SECONDS = 2.0


def demand_safe(address: str) -> None:
    """Raise `UsageError` for an address that is none, and for one that is neither on this machine nor by TLS."""
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or not port or parts.path or parts.username is not None:
        raise UsageError(f"--cluster {address}: give tls://HOST:PORT, or tcp://127.0.0.1:PORT.")
    if parts.scheme == "tcp" and not _is_loopback(parts.hostname):
        raise UsageError(
            f"--cluster {address}: without TLS anyone in between could run code on every worker.",
            "Give tls://HOST:PORT, with distributed.comm.tls in Dask's configuration, or go through a tunnel to tcp://127.0.0.1:PORT.",
        )


def demand_installed() -> None:
    """Raise `UsageError` naming the extra where Dask is missing."""
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise UsageError("--cluster needs Dask.", "Install it with: pip install 'cdcproof[cluster]'") from None


def connected(address: str, *, workers: int = 1, seconds: float | None = None) -> Executor:
    """An executor that gives work to the cluster's workers. Raises `UnreachableError` without a scheduler or without so many workers."""
    seconds = seconds or CONNECT_SECONDS
    from distributed import Client

    client: Any = None
    try:
        client = Client(address, timeout=seconds, set_as_default=False)  # type: ignore[no-untyped-call]
        wait_until(
            lambda: _workers(client),
            lambda found: found >= workers,
            what=f"workers, {workers} or more",
            deadline_seconds=seconds,
        )
    except (OSError, TimeoutError, ValueError, DeadlineError) as error:
        if client is not None:
            client.close(timeout=CONNECT_SECONDS)
        words = scrub(" ".join(f"{type(error).__name__}: {error}".split()))
        raise UnreachableError(
            f"The cluster at {address} is not ready: {words}", "See whether its scheduler runs, and has workers."
        ) from None
    return ClusterExecutor(client, address)


class ClusterExecutor(Executor):
    """Dask's executor, whose connection ends with it, and whose work ends when the cluster is lost.

    A scheduler that was started again knows nothing of what it had. Dask takes that for cancelled, and connects again by itself.
    """

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self._executor: Executor = client.get_executor(
            pure=False
        )  # pure: a slice that is read again would be the first one's result
        self._given: set[Future[Any]] = set()
        self._is_shut = threading.Event()
        threading.Thread(target=self._watch, name="cluster", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Give it to a worker, once Dask has connected again where it is about to. Raises `RuntimeError` when the scheduler is gone.

        What is given to a closed client never comes back.
        """
        status = wait_until(
            lambda: self._client.status,
            lambda status: status != "connecting",
            what="the connection to the scheduler",
            deadline_seconds=2 * CONNECT_SECONDS,  # Dask gives up before
        )
        if status != "running":
            raise RuntimeError(f"the connection to the scheduler is {status}")
        theirs = self._executor.submit(fn, *args, **kwargs)
        ours: Future[Any] = Future()
        self._given.add(ours)
        ours.add_done_callback(lambda _: self._let_go(ours, theirs))
        theirs.add_done_callback(lambda _: _pass_on(theirs, ours))
        return ours

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  as its base has them
        """Let go of what was given, and of the cluster."""
        self._is_shut.set()
        with suppress(Exception):  # the scheduler may be gone
            self._executor.shutdown(wait=wait)
        with suppress(Exception):
            self._client.close(timeout=CONNECT_SECONDS)

    def _let_go(self, ours: Future[Any], theirs: Future[Any]) -> None:
        self._given.discard(ours)
        if ours.cancelled():
            theirs.cancel()

    def _watch(self) -> None:
        lost: Deadline | None = None
        while not self._is_shut.wait(_LOOKS_SECONDS):
            wrong = _wrong_with(self._client)
            lost = (lost or Deadline(LOST_SECONDS)) if wrong else None
            if lost and lost.passed:
                for future in list(self._given):
                    self._give_up(future, wrong)

    def _give_up(self, future: Future[Any], wrong: str) -> None:
        with suppress(InvalidStateError):  # it came back after all
            future.set_exception(
                UnreachableError(
                    f"The cluster at {self._address} was lost: for {LOST_SECONDS:g} s {wrong}.",
                    "Start its scheduler and its workers, which end with it, and run again: what was read is kept.",
                )
            )


def _workers(client: Any) -> int:
    """How many the scheduler has now. Raises `TimeoutError` and whatever else Dask raises without one that answers."""
    return len(client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=CONNECT_SECONDS)["workers"])


def _wrong_with(client: Any) -> str:
    """Why nothing can come back from the cluster now; empty where it can."""
    try:
        return "" if _workers(client) else "its scheduler has had no workers"
    except Exception:  # noqa: BLE001  of a connection that ends at any place
        return "no scheduler has answered"


def _pass_on(theirs: Future[Any], ours: Future[Any]) -> None:
    """What became of it. Whoever waits hears of a cancelled one too."""
    with suppress(InvalidStateError):  # it was given up
        if theirs.cancelled():
            if ours.cancel():
                ours.set_running_or_notify_cancel()
        elif error := theirs.exception():
            ours.set_exception(error)
        else:
            ours.set_result(theirs.result())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
