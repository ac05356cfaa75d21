"""The client of an image's registry, by the distribution API of the OCI: which tags a repository has.

Asked without a login. A registry that wants one even of those who only read (Docker Hub does) names in its answer 401 who gives
out tokens to anybody (``WWW-Authenticate: Bearer realm=…``). https://github.com/opencontainers/distribution-spec/blob/main/spec.md
and https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from cdcproof.clients.http import Answer, Http
from cdcproof.core.errors import RefusedError, UnexpectedAnswerError
from cdcproof.core.waiting import Deadline

_HUB = "registry-1.docker.io"
_HUB_NAMES = ("docker.io", "index.docker.io")
_PAGE = 1000
"""Tags in an answer: what the registries' own software gives at most."""
_MOST_SECONDS = 60.0
_TIMEOUT_SECONDS = (3.0, 10.0)
_UNAUTHORISED, _LIMITED = 401, 429


@dataclass(frozen=True)
class Reference:
    """An image's name as a compose file has it; `tag` is empty for one that is named by its digest alone."""

    host: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, image: str) -> Reference:
        """As Docker reads it: ``postgres:15`` is ``library/postgres`` of Docker Hub, and no tag is ``latest``."""
        name, _, digest = image.partition("@")
        first, slash, rest = name.partition("/")
        if not slash or not (set(".:") & set(first) or first == "localhost"):
            first, rest = _HUB, name
        repository, _, tag = rest.partition(":")
        if first in (_HUB, *_HUB_NAMES):
            first, repository = _HUB, repository if "/" in repository else f"library/{repository}"
        return cls(first, repository, tag or ("" if digest else "latest"))

    @property
    def address(self) -> str:
        """By TLS, but on this machine itself."""
        return f"{'http' if _is_loopback(self.host) else 'https'}://{self.host}"


class ImageRegistry:
    """One repository. Errors as `Http`; `RefusedError` also for a registry that wants a login, or limits how often it is asked."""

    def __init__(self, reference: Reference, timeout_seconds: tuple[float, float] = _TIMEOUT_SECONDS) -> None:
        self._reference = reference
        self._timeout_seconds = timeout_seconds
        self._service = f"The registry of {reference.repository}"
        self._http = Http(self._service, reference.address, timeout_seconds=timeout_seconds, may_be_cached=True)
        self._token = ""

    def tags(self) -> frozenset[str]:
        """Every tag that the repository has."""
        path = f"/v2/{self._reference.repository}/tags/list?n={_PAGE}"
        found: set[str] = set()
        asked: set[str] = set()
        until = Deadline(_MOST_SECONDS)
        while path:
            if until.passed or path in asked:
                raise UnexpectedAnswerError(f"{self._service} does not come to an end of its list of tags.")
            asked.add(path)
            answer = self._ask(path)
            body = _decoded(answer)
            tags = body.get("tags", "") if isinstance(body, dict) else ""
            if not isinstance(tags, list | None):
                raise UnexpectedAnswerError(f"{self._service} does not answer with a list of tags.")
            found |= {str(tag) for tag in tags or ()}  # null where it has none
            path = self._next(path, answer.headers.get("Link", ""))
        return frozenset(found)

    def _ask(self, path: str) -> Answer:
        """Once more with a token, where one is asked for: the last may have run out."""
        answer = self._http.get_answer(path, token=self._token, accept=(_UNAUTHORISED, _LIMITED))
        if answer.status == _UNAUTHORISED:
            self._token = self._new_token(answer.headers.get("WWW-Authenticate", ""))
            answer = self._http.get_answer(path, token=self._token, accept=(_UNAUTHORISED, _LIMITED))
        if answer.status == _UNAUTHORISED:
            raise self._wants_login()
        return self._unlimited(answer)

    def _new_token(self, challenge: str) -> str:
        """A token for anybody, by the registry's own challenge."""
        _, _, rest = re.sub("(?i)bearer ", "bearer ", challenge).partition("bearer ")
        said = {name.lower(): value for name, value in reversed(re.findall(r'(\w+)="([^"]*)"', rest))}
        realm = urlsplit(said.get("realm", ""))
        if realm.scheme not in ("http", "https") or not realm.hostname:
            raise self._wants_login()
        service = Http(f"Who gives out tokens for {self._reference.repository}", f"{realm.scheme}://{realm.netloc}",
                       timeout_seconds=self._timeout_seconds, may_be_cached=True)  # fmt: skip
        wanted = urlencode({name: said[name] for name in ("service", "scope") if name in said})
        query = "&".join(filter(None, (realm.query, wanted)))
        answer = service.get_answer(f"{realm.path}?{query}", accept=(_UNAUTHORISED, _LIMITED))
        if answer.status == _UNAUTHORISED:
            raise self._wants_login()
        body = _decoded(self._unlimited(answer))
        token = (body.get("token") or body.get("access_token")) if isinstance(body, dict) else None
        if not isinstance(token, str) or not token.isprintable():
            raise UnexpectedAnswerError(f"{service.service_name} answered without a token.")
        return token

    def _next(self, path: str, link: str) -> str:
        """The path of the next page by the header Link; empty at the last one."""
        for place, rest in re.findall(r"<([^>]*)>([^<]*)", link):
            if re.search(r'rel\s*=\s*"?next\b', rest):
                here = self._reference.address + path
                there = urlsplit(urljoin(here, place))
                if there.netloc != urlsplit(here).netloc:
                    raise UnexpectedAnswerError(f"{self._service} continues its list of tags at another host.")
                return f"{there.path}?{there.query}"
        return ""

    def _unlimited(self, answer: Answer) -> Answer:
        if answer.status == _LIMITED:
            after = answer.headers.get("Retry-After", "")
            wait = f"in {after} s" if after.isdigit() else "later"
            raise RefusedError(
                f"{self._service} limits how often it may be asked (429).", f"Run this check again {wait}."
            )
        return answer

    def _wants_login(self) -> RefusedError:
        return RefusedError(
            f"{self._service} at {self._reference.host} shows its tags only to those who log in.",
            f"Where you are logged in: skopeo list-tags docker://{self._reference.host}/{self._reference.repository}",
        )


def _decoded(answer: Answer) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
