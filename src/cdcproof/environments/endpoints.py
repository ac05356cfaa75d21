"""Whether an address answers: ``tcp://host:port`` a greeting, ``http(s)://host:port/path`` below 500."""

from __future__ import annotations

import http.client
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from cdcproof.clients.http import copy_of
from cdcproof.core import tls
from cdcproof.core.patience import stretched

# Connecting and answering may each take this long; together they stay below the 3 seconds a service is given.
_STEP_TIMEOUT_SECONDS = 1.4
_SERVER_ERROR = 500


@dataclass(frozen=True)
class Answer:
    """What an address did. `healthy` is None where it said nothing about what is behind a port."""

    up: bool
    healthy: bool | None
    detail: str


def probe(endpoint: str, greeting: bytes = b"", ca_file: Path | None = None) -> Answer:
    """Ask one address; a bare port by `greeting`, to which any answer will do. Never raises for an address that does not answer."""
    try:
        return _ask(urlsplit(endpoint), greeting, ca_file)
    except ssl.SSLCertVerificationError as error:
        wrong, remedy = tls.not_verified(
            error, urlsplit(endpoint).hostname or "", "services.ca_file", "services.endpoint"
        )
        return Answer(up=True, healthy=False, detail=f"{endpoint} answers, but {wrong}. {remedy}")
    except ssl.SSLError as error:
        return Answer(up=True, healthy=False, detail=f"{endpoint} answers, but TLS fails: {error.reason or error}")
    except http.client.HTTPException as error:
        return Answer(up=True, healthy=False, detail=f"{endpoint} does not speak HTTP: {type(error).__name__}")
    except ValueError as error:  # a port above 65535, a host that no name can be
        return Answer(up=False, healthy=None, detail=f"{endpoint} is no address: {error}")
    except OSError as error:
        return Answer(up=False, healthy=None, detail=f"{endpoint}: {_reason(error)}")


def _ask(address: SplitResult, greeting: bytes, ca_file: Path | None) -> Answer:
    host = address.hostname or ""
    if address.scheme == "tcp":
        with socket.create_connection((host, address.port), timeout=stretched(_STEP_TIMEOUT_SECONDS)) as connection:
            return _greet(connection, greeting, address.geturl())
    seconds = stretched(_STEP_TIMEOUT_SECONDS)
    opened = (
        http.client.HTTPSConnection(
            host, address.port, timeout=seconds, context=tls.context(ca_file, "services.ca_file")
        )
        if address.scheme == "https"
        else http.client.HTTPConnection(host, address.port, timeout=seconds)
    )
    with closing(opened) as connection:
        path = f"{address.path or '/'}{'?' + address.query if address.query else ''}"
        connection.request("GET", path, headers={"Cache-Control": "no-cache"})
        response = connection.getresponse()
    status = response.status
    if kept := copy_of(response.getheader("Age", "")):
        return Answer(up=True, healthy=False, detail=f"{address.geturl()} {kept}")
    return Answer(up=True, healthy=status < _SERVER_ERROR, detail=f"{address.geturl()} answers {status}")


def _greet(connection: socket.socket, greeting: bytes, url: str) -> Answer:
    """A server that stands still accepts all the same: its machine does that. One that hangs up is alive, and may want TLS."""
    if not greeting:
        return Answer(up=True, healthy=None, detail=f"{url} accepts connections")
    try:
        connection.sendall(greeting)
        answered = bool(connection.recv(1))
    except TimeoutError:
        return Answer(up=True, healthy=False, detail=f"{url} accepts connections, but does not answer")
    except OSError:
        answered = False
    if answered:
        return Answer(up=True, healthy=True, detail=f"{url} answers")
    return Answer(up=True, healthy=None, detail=f"{url} accepts connections, and hangs up")


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the name cannot be resolved"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror or str(error)).lower()
