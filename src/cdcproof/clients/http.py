"""The door for HTTP: the only module that imports requests.

Every request has a timeout, every failure leaves as one of our errors and names the service and the address,
and whatever a service says is scrubbed before it is quoted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from json import JSONDecodeError
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.auth import HTTPBasicAuth

from cdcproof.errors import CouldNotLookError, DeadlineError, RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.pipeline import HttpService
from cdcproof.secrets import Secret, from_environment, scrub
from cdcproof.waiting import wait_until

T = TypeVar("T")

_LONGEST_QUOTE = 300


class NotFoundError(UnexpectedAnswerError):
    """The service answered that there is no such thing (404)."""


class NotServedError(NotFoundError):
    """A 404 that is not JSON: nothing at that address knows the request, or does not know it yet."""


class ConflictError(UnexpectedAnswerError):
    """The service answered that it cannot do so now (409): for Kafka Connect, a rebalance."""


class ServiceFailedError(UnexpectedAnswerError):
    """The service could not do it, for a reason of its own (a status from 500 on)."""


class Http:
    """One service at one base address, which may have a path (``http://host:8081/apis/ccompat/v7``).

    `timeout_seconds` is (to connect, between two bytes of the answer).
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
    ) -> None:
        self.service_name = service_name
        self.base_url = base_url.rstrip("/")
        self._auth = auth
        self._timeout_seconds = timeout_seconds
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "cdcproof"

    @classmethod
    def to(cls, service_name: str, service: HttpService, timeout_seconds: tuple[float, float] = (3.0, 10.0)) -> Http:
        """The door to a service of the pipeline file; reads its password from the environment when it has a user."""
        auth = None
        if service.user and service.password_env:
            auth = (service.user, from_environment(service.password_env, service_name))
        return cls(service_name, service.url, auth, timeout_seconds)

    def get_json(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """GET and decode JSON."""
        return self._json(self._request("GET", path, params=params))

    def get_text(self, path: str = "") -> str:
        """GET the body as text."""
        return self._request("GET", path).text

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
        self, method: str, path: str, *, body: Any = None, params: Mapping[str, Any] | None = None
    ) -> requests.Response:
        url = self.base_url + path
        try:
            response = self._session.request(
                method,
                url,
                params=params,
                json=body,
                auth=_basic(*self._auth) if self._auth else None,
                timeout=self._timeout_seconds,
            )
        except requests.exceptions.SSLError as error:
            raise RefusedError(f"{self._place(url)}: the TLS connection was refused: {_reason(error)}.") from None
        except requests.exceptions.ConnectTimeout:
            raise self._unreachable(url, f"no connection within {self._timeout_seconds[0]:g} s") from None
        except requests.exceptions.Timeout:
            raise self._unreachable(url, f"no answer within {self._timeout_seconds[1]:g} s") from None
        except requests.exceptions.ConnectionError as error:
            raise self._unreachable(url, _reason(error)) from None
        except requests.exceptions.RequestException as error:
            raise UnexpectedAnswerError(f"{self._place(url)}: {scrub(str(error))}") from None
        self._raise_for_status(method, response)
        return response

    def _raise_for_status(self, method: str, response: requests.Response) -> None:
        status = response.status_code
        if status < 300:
            return
        said = f"{self._place(response.url)} answered {status} to {method}: {_quote(response)}"
        if status in (401, 403):
            raise RefusedError(said, f"Check the user and the password for {self.service_name}.")
        if status == 404:
            raise NotFoundError(said) if _is_json(response) else NotServedError(said)
        if status == 409:
            raise ConflictError(said)
        if status >= 500:
            raise ServiceFailedError(said)
        raise UnexpectedAnswerError(said)

    def _json(self, response: requests.Response) -> Any:
        if not response.content:
            return None
        try:
            return response.json()
        except (JSONDecodeError, UnicodeDecodeError):
            raise UnexpectedAnswerError(
                f"{self._place(response.url)} did not answer with JSON: {_quote(response)}",
                f"Check that the address is that of {self.service_name}.",
            ) from None

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


def _is_json(response: requests.Response) -> bool:
    try:
        response.json()
    except (JSONDecodeError, UnicodeDecodeError):
        return False
    return True


def _quote(response: requests.Response) -> str:
    """What the service said: the message of an error in JSON, else the first line, scrubbed and short."""
    text = ""
    try:
        answer = response.json()
    except (JSONDecodeError, UnicodeDecodeError):
        answer = None
    if isinstance(answer, dict) and answer.get("message"):
        text = " ".join(str(answer["message"]).split())
    else:
        text = next((line.strip() for line in response.text.splitlines() if line.strip()), "")
    text = scrub(text)
    return text[:_LONGEST_QUOTE] + "…" if len(text) > _LONGEST_QUOTE else text or "(no text)"
