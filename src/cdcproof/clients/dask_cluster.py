"""Dask distributed: a cluster that takes work through an executor. A scheduler runs any code that anyone sends it: loopback or TLS only."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from cdcproof.core.errors import UnreachableError, UsageError
from cdcproof.core.secrets import scrub

# ruff: noqa: PLC0415  it takes a second, and most runs have no cluster

CONNECT_SECONDS = 15.0


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
        client.wait_for_workers(workers, timeout=seconds)
    except (OSError, TimeoutError, ValueError) as error:
        if client is not None:
            client.close(timeout=CONNECT_SECONDS)
        words = scrub(" ".join(f"{type(error).__name__}: {error}".split()))
        raise UnreachableError(
            f"The cluster at {address} is not ready: {words}", "See whether its scheduler runs, and has workers."
        ) from None
    return ClusterExecutor(client)


class ClusterExecutor(Executor):
    """Dask's executor, whose connection ends with it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor: Executor = client.get_executor(
            pure=False
        )  # pure: a slice that is read again would be the first one's result

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Give it to a worker. Raises `RuntimeError` when the scheduler is gone: what is given to a closed client never comes back."""
        if self._client.status not in ("running", "connecting"):
            raise RuntimeError(f"the connection to the scheduler is {self._client.status}")
        return self._executor.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  as its base has them
        """Let go of what was given, and of the cluster."""
        with suppress(Exception):  # the scheduler may be gone
            self._executor.shutdown(wait=wait)
        with suppress(Exception):
            self._client.close(timeout=CONNECT_SECONDS)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
