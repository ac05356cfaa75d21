"""The tags of a repository: Debian's docker-registry, and answers of each kind that a registry may give."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdcproof.clients import image_registry
from cdcproof.clients.image_registry import ImageRegistry, Reference
from cdcproof.core.errors import CouldNotLookError, RefusedError, UnexpectedAnswerError, UnreachableError
from tests.image_registries import Asked, Said, answering, registry

LIST = "/v2/pipeline/kafka/tags/list"


def tags(host: str, timeout_seconds: tuple[float, float] = (3.0, 10.0)) -> frozenset[str]:
    return ImageRegistry(Reference.parse(f"{host}/pipeline/kafka:3.7"), timeout_seconds).tags()


@pytest.mark.parametrize(
    ("image", "host", "repository", "tag"),
    [
        ("postgres", "registry-1.docker.io", "library/postgres", "latest"),
        ("postgres:15", "registry-1.docker.io", "library/postgres", "15"),
        ("docker.io/postgres:15", "registry-1.docker.io", "library/postgres", "15"),
        ("confluentinc/cp-kafka:7.5.0", "registry-1.docker.io", "confluentinc/cp-kafka", "7.5.0"),
        ("quay.io/debezium/connect:3.0", "quay.io", "debezium/connect", "3.0"),
        ("mcr.microsoft.com/mssql/server:2022-latest", "mcr.microsoft.com", "mssql/server", "2022-latest"),
        ("localhost/own:1", "localhost", "own", "1"),
        ("registry:5000/own/kafka", "registry:5000", "own/kafka", "latest"),
        ("[::1]:5000/own:2", "[::1]:5000", "own", "2"),
        ("postgres:15@sha256:abc", "registry-1.docker.io", "library/postgres", "15"),
        ("postgres@sha256:abc", "registry-1.docker.io", "library/postgres", ""),
    ],
)
def test_an_image_is_read_as_docker_reads_it(image: str, host: str, repository: str, tag: str) -> None:
    assert Reference.parse(image) == Reference(host, repository, tag)


@pytest.mark.parametrize(
    ("host", "scheme"),
    [("quay.io", "https"), ("localhost:5000", "http"), ("127.0.0.2:80", "http"), ("[::1]:5000", "http"), ("10.0.0.1", "https")],
)  # fmt: skip
def test_all_but_this_machine_is_asked_by_tls(host: str, scheme: str) -> None:
    assert Reference(host, "x", "1").address == f"{scheme}://{host}"


@pytest.mark.server
def test_a_real_registry_that_anybody_may_read(tmp_path: Path) -> None:
    with registry(tmp_path, "3.7.0", "3.9.1", "latest") as host:
        assert tags(host) == {"3.7.0", "3.9.1", "latest"}
        with pytest.raises(CouldNotLookError, match="answered 404"):
            ImageRegistry(Reference.parse(f"{host}/own/kafka:1")).tags()
    with pytest.raises(UnreachableError, match="connection refused"):
        tags(host)


@pytest.mark.server
def test_a_real_registry_that_wants_a_token_which_nobody_gives(tmp_path: Path) -> None:
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    auth = f'auth: {{token: {{realm: "http://127.0.0.1:9/token", service: x, issuer: x, rootcertbundle: "{certificates}"}}}}\n'
    with (
        registry(tmp_path, "3.7.0", auth=auth) as host,
        pytest.raises(UnreachableError, match="gives out tokens for pipeline/kafka"),
    ):
        tags(host)


@pytest.mark.server
def test_a_real_registry_that_wants_a_login(tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text("")
    auth = f'auth: {{htpasswd: {{realm: x, path: "{tmp_path}/htpasswd"}}}}\n'
    with (
        registry(tmp_path, "3.7.0", auth=auth) as host,
        pytest.raises(RefusedError, match="to those who log in") as error,
    ):
        tags(host)
    assert error.value.remedy.endswith(f"skopeo list-tags docker://{host}/pipeline/kafka")


class Hub:
    """Answers as Docker Hub does: a token for the asking, and two tags at a time. A token is good for so many requests."""

    def __init__(self, *names: str, good_for: int = 100) -> None:
        self.names, self.good_for, self.left = names, good_for, 0
        self.host = ""
        self.tokens: list[str] = []

    def __call__(self, asked: Asked) -> Said:
        if asked.path == "/token":
            assert asked.query == {"service": "the registry", "scope": "repository:pipeline/kafka:pull"}
            self.tokens.append(f"token {len(self.tokens)}")
            self.left = self.good_for
            return Said(200, {"access_token": self.tokens[-1]})
        assert asked.path == LIST
        if not self.tokens or asked.token != self.tokens[-1] or not self.left:
            challenge = (
                f'Bearer realm="http://{self.host}/token",service="the registry",scope="repository:pipeline/kafka:pull"'
            )
            return Said(401, {"errors": []}, {"www-authenticate": challenge})
        self.left -= 1
        rest = [name for name in self.names if name > asked.query.get("last", "")]
        link = {"Link": f'<{LIST}?last={rest[1]}&n=2>; rel="next"'} if len(rest) > 2 else {}
        return Said(200, {"name": "pipeline/kafka", "tags": rest[:2]}, link)


@pytest.mark.parametrize("good_for", [100, 1])
def test_a_token_is_asked_for_and_every_page_is_read(good_for: int) -> None:
    hub = Hub("1.0", "1.1", "1.2", "2.0", "3.0", good_for=good_for)
    with answering(hub) as hub.host:
        assert tags(hub.host) == {"1.0", "1.1", "1.2", "2.0", "3.0"}
    assert len(hub.tokens) == (1 if good_for == 100 else 3)


def test_a_netrc_does_not_take_the_place_of_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    hub = Hub("1.0")
    with answering(hub) as hub.host:
        assert tags(hub.host) == {"1.0"}


@pytest.mark.parametrize(
    ("said", "error", "why"),
    [
        (Said(429, {}, {"Retry-After": "30"}), RefusedError, r"limits how often .* \(429\)"),
        (Said(401, {}), RefusedError, "log in"),
        (Said(401, {}, {"WWW-Authenticate": 'Basic realm="x"'}), RefusedError, "log in"),
        (Said(401, {}, {"WWW-Authenticate": 'Bearer realm="file:///etc/passwd"'}), RefusedError, "log in"),
        (Said(401, {}, {"WWW-Authenticate": 'Bearer realm="/token"'}), RefusedError, "log in"),
        (Said(403, {}), RefusedError, "answered 403"),
        (Said(503, {}), CouldNotLookError, "answered 503"),
        (Said(200, "<html>a login page</html>"), UnexpectedAnswerError, "no|not answer with a list of tags"),
        (Said(200, []), UnexpectedAnswerError, "not answer with a list of tags"),
        (Said(200, {"name": "x"}), UnexpectedAnswerError, "not answer with a list of tags"),
        (Said(200, {"tags": "all"}), UnexpectedAnswerError, "not answer with a list of tags"),
        (Said(200, {"tags": []}, {"Link": f'<{LIST}?n=1000>; rel="next"'}), UnexpectedAnswerError, "not come to an end"),
        (Said(200, {"tags": []}, {"Link": '<http://elsewhere/v2>; rel="next"'}), UnexpectedAnswerError, "another host"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_tags_is_an_error_of_ours(said: Said, error: type[CouldNotLookError], why: str) -> None:
    with answering(lambda _: said) as host, pytest.raises(error, match=why):
        tags(host)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Said(429, {}), r"\(429\)"),
        (Said(401, {}), "log in"),
        (Said(403, {}), "answered 403"),
        (Said(200, {}), "without a token"),
        (Said(200, {"token": "two\nlines"}), "without a token"),
        (Said(200, {"token": "of another"}), "log in"),
    ],
)
def test_a_token_that_is_not_given(said: Said, why: str) -> None:
    places: list[str] = []
    challenge = 'Basic realm="x", Bearer service="x",realm="http://HOST/token"'

    def answer(asked: Asked) -> Said:
        return (
            said
            if asked.path == "/token"
            else Said(401, {}, {"WWW-Authenticate": challenge.replace("HOST", places[0])})
        )

    with answering(answer) as host:
        places.append(host)
        with pytest.raises(CouldNotLookError, match=why):
            tags(host)


def test_a_repository_without_tags() -> None:
    with answering(lambda _: Said(200, {"name": "pipeline/kafka", "tags": None})) as host:
        assert tags(host) == frozenset()


def test_a_list_that_grows_for_ever_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_registry, "_MOST_SECONDS", 0.1)

    def answer(asked: Asked) -> Said:
        last = int(asked.query.get("last", "0")) + 1
        return Said(200, {"tags": [str(last)]}, {"Link": f'<{LIST}?last={last}>; rel="next"'})

    with answering(answer) as host, pytest.raises(UnexpectedAnswerError, match="not come to an end"):
        tags(host)
