"""The client for HTTP: the only module that imports requests.

Every request has a timeout, every failure leaves as one of our errors and names the service and the address,
and whatever a service says is scrubbed before it is quoted.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakSet

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from cdcproof.core import tls
from cdcproof.core.errors import CouldNotLookError, DeadlineError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.json_text import parsed
from cdcproof.core.secrets import Secret, from_environment, scrub
from cdcproof.core.waiting import Deadline, wait_until, within
from cdcproof.pipeline.model import HttpService

T = TypeVar("T")

_LONGEST_QUOTE = 300
_MOST_BYTES = 16 * 2**20
"""No answer that a check can use is longer: a Connect with a thousand connectors sends some 8 MiB."""
_CHUNK_BYTES = 65_536
_OLDEST_COPY_SECONDS = 5
"""What a proxy may keep to answer many at once."""


class NotFoundError(UnexpectedAnswerError):
    """The service answered that there is no such thing (404)."""


class NotServedError(NotFoundError):
    """A 404 that is not JSON: nothing at that address knows the request, or does not know it yet."""


class ConflictError(UnexpectedAnswerError):
    """The service answered that it cannot do so now (409): for Kafka Connect, a rebalance."""


class ServiceFailedError(UnexpectedAnswerError):
    """The service could not do it, for a reason of its own (a status from 500 on)."""


@dataclass(frozen=True)
class Answer:
    """A whole answer; `url` is the address that answered, after redirects."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    encoding: str

    @property
    def text(self) -> str:
        """The decoded body."""
        return self.body.decode(self.encoding, errors="replace")

    def json(self) -> Any:
        """The decoded body. Raises `ValueError` for what is not JSON, or nested more deeply than Python follows."""
        return parsed(self.body)


class _Adapter(HTTPAdapter):
    """Knows its sockets, so that the wait for an answer can be ended from outside."""

    def __init__(self) -> None:
        super().__init__()
        self._sockets: WeakSet[socket.socket] = WeakSet()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """The pool that requests takes a connection from."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = _noting(pool.ConnectionCls, self._sockets)
        return pool

    def build_response(self, *args: Any, **kwargs: Any) -> requests.Response:
        """An answer; one that only names another address without its body, which requests would read to its end, however long."""
        answer = super().build_response(*args, **kwargs)
        if answer.is_redirect:
            answer.close()
            answer.raw = BytesIO()
        return answer

    def end(self) -> None:
        """End every connection: whoever waits for an answer gets an error."""
        for opened in list(self._sockets):
            with suppress(OSError):  # it has ended
                opened.shutdown(socket.SHUT_RDWR)


def _noting(kind: Any, sockets: WeakSet[socket.socket]) -> Any:
    class Noting(kind):  # type: ignore[misc]  # urllib3 has one kind for http and one for https
        def connect(self) -> None:
            super().connect()
            sockets.add(self.sock)

    return Noting


class Http:
    """One service at one base address, which may have a path (``http://host:8081/apis/ccompat/v7``).

    `timeout_seconds` is (to connect, between two bytes of the answer). The whole answer may take the first and twice the
    second, and have 16 MiB: a service that sends a byte a second, or without end, counts as one that does not answer.
    What a cache kept is no answer of the service, and raises `UnexpectedAnswerError`, unless `may_be_cached`: of things that do not change.
    After an answer that did not come in time, nothing is asked for `silence_seconds`: every request fails as that one did.
    Every request raises `UnreachableError`, `RefusedError` (401, 403, TLS), `NotFoundError` (404), `ConflictError`
    (409), `ServiceFailedError` (5xx) or `UnexpectedAnswerError` (another status, or an answer that is not what was
    asked for).
    """

    def __init__(
        self,
        service_name: str,
        base_url: str,
        auth: tuple[str, Secret] | None = None,
        timeout_seconds: tuple[float, float] = (3.0, 10.0),
        silence_seconds: float = 0.0,
        *,
        ca_file: Path | None = None,
        may_be_cached: bool = False,
    ) -> None:
        if ca_file:
            tls.context(ca_file, "ca_file")  # which requests would read later, and call an OSError
        self._ca_file = ca_file
        self.service_name = service_name
        self.base_url = base_url.rstrip("/")
        self._auth = auth
        self._timeout_seconds = timeout_seconds
        self._silence_seconds = silence_seconds
        self._silence = Deadline(0)
        self._silent: UnreachableError | None = None
        self._session = requests.Session()
        self._adapter = _Adapter()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, self._adapter)
        self._session.headers["User-Agent"] = "cdcproof"
        self._may_be_cached = may_be_cached
        if not may_be_cached:
            self._session.headers["Cache-Control"] = "no-cache"

    @classmethod
    def to(
        cls,
        service_name: str,
        service: HttpService,
        timeout_seconds: tuple[float, float] = (3.0, 10.0),
        silence_seconds: float = 0.0,
        *,
        may_be_cached: bool = False,
    ) -> Http:
        """The client of a service of the pipeline file; reads its password from the environment when it has a user."""
        auth = None
        if service.user and service.password_env:
            auth = (service.user, from_environment(service.password_env, service_name))
        return cls(
            service_name,
            service.url,
            auth,
            timeout_seconds,
            silence_seconds,
            ca_file=service.ca_file,
            may_be_cached=may_be_cached,
        )

    def get_json(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """GET and decode JSON."""
        return self._json(self._request("GET", path, params=params))

    def get_text(self, path: str = "") -> str:
        """GET the body as text."""
        return self._request("GET", path).text

    def get_answer(self, path: str, *, token: str = "", accept: Collection[int] = ()) -> Answer:
        """GET with a bearer token, where there is one; a status to accept is an answer like any other, and no error."""
        return self._request("GET", path, token=token, accept=accept)

    def put_json(self, path: str, body: Any = None) -> Any:
        """PUT JSON; the decoded answer, or None when it has no body."""
        return self._json(self._request("PUT", path, body=body))

    def post(self, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """POST, with JSON when there is a body; the decoded answer, or None when it has no body."""
        return self._json(self._request("POST", path, body=body, params=params))

    def patch_json(self, path: str, body: Any) -> Any:
        """PATCH JSON; the decoded answer, or None when it has no body."""
        return self._json(self._request("PATCH", path, body=body))

    def delete(self, path: str) -> None:
        """DELETE."""
        self._request("DELETE", path)

    def methods(self, path: str) -> frozenset[str]:
        """What may be asked of an address, by OPTIONS; nothing where the address is not known."""
        try:
            allowed = self._request("OPTIONS", path).headers.get("Allow", "")
        except NotServedError:
            raise
        except NotFoundError:
            return frozenset()
        return frozenset(method.strip() for method in allowed.split(",") if method.strip())

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        token: str = "",
        accept: Collection[int] = (),
    ) -> Answer:
        if self._silent and not self._silence.passed:
            raise UnreachableError(self._silent.message, self._silent.remedy)
        url = self.base_url + path
        to_connect, between_bytes = self._timeout_seconds
        whole = Deadline(to_connect + 2 * between_bytes)
        auth = _Bearer(token) if token else _basic(*self._auth) if self._auth else None
        try:
            # in a thread: nothing else ends a look-up of a host's name, or headers that come byte by byte
            answer = within(
                whole.seconds,
                lambda: self._exchange(method, url, body=body, params=params, auth=auth, whole=whole),
                what="the answer",
            )
        except DeadlineError:
            self._adapter.end()  # else the thread would wait on
            raise self._too_late(url, f"the answer was not complete after {whole.seconds:g} s") from None
        except requests.exceptions.SSLError as error:
            raise self._refused(url, error) from None
        except requests.exceptions.ConnectTimeout:
            raise self._unreachable(url, f"no connection within {to_connect:g} s") from None
        except (requests.exceptions.Timeout, urllib3.exceptions.ReadTimeoutError):
            raise self._too_late(url, f"no answer within {between_bytes:g} s") from None
        except (requests.exceptions.ConnectionError, urllib3.exceptions.ProtocolError) as error:
            raise self._unreachable(url, _reason(error)) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise UnexpectedAnswerError(f"{self._place(url)}: {scrub(str(error))}") from None
        if answer.status not in accept:
            self._raise_for_status(method, answer)
        self._demand_own(answer)
        return answer

    def _exchange(
        self,
        method: str,
        url: str,
        *,
        body: Any,
        params: Mapping[str, Any] | None,
        auth: AuthBase | None,
        whole: Deadline,
    ) -> Answer:
        with self._session.request(
            method,
            url,
            params=params,
            json=body,
            auth=auth,
            timeout=self._timeout_seconds,
            verify=str(self._ca_file)
            if self._ca_file
            else None,  # by request: a session's yields to REQUESTS_CA_BUNDLE
            stream=True,
        ) as response:
            received = bytearray()
            while part := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                received += part
                if whole.passed:
                    raise DeadlineError(f"The answer was not complete after {whole.seconds:g} s.")
                if len(received) > _MOST_BYTES:
                    raise UnexpectedAnswerError(
                        f"{self._place(url)} answered with more than {_MOST_BYTES >> 20} MiB.",
                        f"Check that the address is that of {self.service_name}.",
                    )
            encoding = response.encoding or "utf-8"
            return Answer(response.url, response.status_code, response.headers, bytes(received), encoding)

    def _demand_own(self, answer: Answer) -> None:
        if not self._may_be_cached and (kept := copy_of(answer.headers.get("Age", ""))):
            raise UnexpectedAnswerError(
                f"{self._place(answer.url)} {kept}.",
                f"Name the address of {self.service_name} itself as its url, or let the proxy keep none of its answers.",
            )

    def _raise_for_status(self, method: str, answer: Answer) -> None:
        status = answer.status
        if status < 300:
            return
        said = f"{self._place(answer.url)} answered {status} to {method}: {_quote(answer)}"
        if status in (401, 403):
            raise RefusedError(said, f"Check the user and the password for {self.service_name}.")
        if status == 404:
            raise NotFoundError(said) if _is_json(answer) else NotServedError(said)
        if status == 409:
            raise ConflictError(said)
        if status >= 500:
            raise ServiceFailedError(said)
        raise UnexpectedAnswerError(said)

    def _json(self, answer: Answer) -> Any:
        if not answer.body:
            return None
        try:
            return answer.json()
        except ValueError:
            raise UnexpectedAnswerError(
                f"{self._place(answer.url)} did not answer with JSON: {_quote(answer)}",
                f"Check that the address is that of {self.service_name}.",
            ) from None

    def _refused(self, url: str, error: Exception) -> RefusedError:
        unverified = tls.cause(error)
        if unverified is None:
            return RefusedError(f"{self._place(url)}: the TLS connection was refused: {_reason(error)}.")
        host = urlsplit(url).hostname or ""
        key = f"ca_file in the section of {self.service_name} in the pipeline file (or REQUESTS_CA_BUNDLE)"
        wrong, remedy = tls.not_verified(unverified, host, key, "the address")
        return RefusedError(f"{self._place(url)}: {wrong}.", remedy)

    def _too_late(self, url: str, reason: str) -> UnreachableError:
        self._silent, self._silence = self._unreachable(url, reason), Deadline(self._silence_seconds)
        return self._silent

    def _unreachable(self, url: str, reason: str) -> UnreachableError:
        return UnreachableError(
            f"{self._place(url)} does not answer: {reason}.",
            f"Check that {self.service_name} is running and that its address is right.",
        )

    def _place(self, url: str) -> str:
        return f"{self.service_name} at {shown(url)}"


def despite_rebalance(request: Callable[[], T], *, deadline_seconds: float = 20.0) -> T:
    """Call `request` again while it is answered 409, which Kafka Connect documents for writes during a rebalance.

    Raises `DeadlineError` that says "rebalancing" when the time is up; any other error at once.
    """

    def look() -> T | CouldNotLookError:
        try:
            return request()
        except CouldNotLookError as error:
            return error

    try:
        seen = wait_until(
            look,
            lambda answer: not isinstance(answer, ConflictError),
            what="the end of a rebalance",
            deadline_seconds=deadline_seconds,
            interval_seconds=0.25,
        )
    except DeadlineError as error:
        raise DeadlineError(
            f"Kafka Connect is still rebalancing. {error.message}", "Wait until it is done, and try again."
        ) from None
    if isinstance(seen, CouldNotLookError):
        raise seen
    return seen


def _basic(user: str, password: Secret) -> HTTPBasicAuth:
    """As UTF-8, as RFC 7617 recommends: requests would take Latin-1, and fail for what that does not hold."""
    return HTTPBasicAuth(user.encode(), password.reveal().encode())


class _Bearer(AuthBase):
    """By `auth`, and not as a header of ours: requests would put what a ~/.netrc says of the host in its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def copy_of(age: str) -> str:
    """Why an answer with this header Age is none of the service's, for people; empty where it may be.

    A cache says by it how old its copy is (RFC 9111): that of a Connect that is gone still says RUNNING.
    """
    is_copy = age.isdecimal() and int(age[:9]) > _OLDEST_COPY_SECONDS
    return f"was not asked: a cache before it sent a copy that is {age[:9]} s old" if is_copy else ""


def shown(url: str) -> str:
    """The address as it may be printed: without user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _reason(error: BaseException) -> str:
    """The operating system's words out of the nested exceptions of requests and urllib3."""
    text = str(error)
    for sign, reason in {
        "Connection refused": "connection refused",
        "Name or service not known": "the host name cannot be resolved",
        "nodename nor servname": "the host name cannot be resolved",
        "Temporary failure in name resolution": "the host name cannot be resolved",
        "No route to host": "no route to the host",
        "Network is unreachable": "the network cannot be reached",
        "Connection reset": "the connection was reset",
        "RemoteDisconnected": "the connection was closed without an answer",
        "CERTIFICATE_VERIFY_FAILED": "the certificate cannot be verified",
        "WRONG_VERSION_NUMBER": "the service does not speak TLS (use http://)",
    }.items():
        if sign in text:
            return reason
    return scrub(text)[:_LONGEST_QUOTE]


def _is_json(answer: Answer) -> bool:
    try:
        answer.json()
    except ValueError:
        return False
    return True


def _quote(answer: Answer) -> str:
    """What the service said: the message of an error in JSON, else the first line, scrubbed and short."""
    try:
        said = answer.json()
    except ValueError:
        said = None
    if isinstance(said, dict) and said.get("message"):
        text = " ".join(str(said["message"]).split())
    else:
        text = next((line.strip() for line in answer.text.splitlines() if line.strip()), "")
    text = scrub(text)
    return text[:_LONGEST_QUOTE] + "…" if len(text) > _LONGEST_QUOTE else text or "(no text)"
