"""Fetching: whatever is interrupted is redone, whatever is not the pinned file is refused."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from cdcproof.core.errors import OperationError, UnreachableError
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import artifacts
from cdcproof.environments.embedded.artifacts import Artifact
from tests.canned import serving

GOOD = b"the pinned file"


def an_artifact(content: bytes = GOOD, name: str = "part") -> Artifact:
    return Artifact("org.example", name, "1.0", "", "jar", hashlib.sha256(content).hexdigest(), "kafka")


class Repository:
    """Stands for jgo: like it, hands out a file it already has without looking into it."""

    def __init__(self, content: bytes = GOOD) -> None:
        self.content = content
        self.asked: list[str] = []

    def __call__(self, artifact: Artifact, folder: Path) -> Path:
        self.asked.append(artifact.name)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / artifact.file_name
        if not file.exists():
            file.write_bytes(self.content)
        return file


def fetch(folder: Path, repository: Repository, *wanted: Artifact) -> None:
    artifacts.fetch_all(wanted or (an_artifact(),), folder, repository, Progress(io.StringIO()))


def test_the_lock_file_is_complete_and_pins_every_version() -> None:
    locked = artifacts.locked()
    assert {a.used_for for a in locked} == {"kafka", "plugins", "converter", "registry"}
    assert {a.version for a in locked if a.group == "org.apache.kafka"} == {"3.9.2"}
    assert {a.name for a in locked if a.used_for == "plugins"} == {
        "debezium-connector-postgres",
        "debezium-connector-sqlserver",
        "debezium-connector-jdbc",
    }


def test_a_line_is_read_with_and_without_classifier() -> None:
    sha = "a" * 64
    plain, archive = artifacts.parse(f"# words\n\n[kafka]\ng:a:1 {sha}\n[plugins]\ng:b:2:plugin:tar.gz {sha}\n")
    assert (plain.file_name, plain.used_for, plain.is_archive) == ("a-1.jar", "kafka", False)
    assert (archive.file_name, archive.used_for, archive.is_archive) == ("b-2-plugin.tar.gz", "plugins", True)


@pytest.mark.parametrize(
    "line",
    ["g:a " + "a" * 64, "g:a:1", "g:a:1 " + "a" * 63, "g:a:1:c " + "a" * 64, "g::1 " + "a" * 64],
)
def test_a_damaged_line_is_named(line: str) -> None:
    with pytest.raises(OperationError, match=r"artifacts\.lock:2"):
        artifacts.parse(f"[kafka]\n{line}\n")


def test_an_artifact_outside_a_known_section_is_refused() -> None:
    with pytest.raises(OperationError, match=r"artifacts\.lock:1"):
        artifacts.parse("g:a:1 " + "a" * 64)


def test_a_class_path_has_the_first_version_of_a_library_and_no_driver_that_nothing_here_needs() -> None:
    kafka = [
        "jackson-core-2.16.2.jar",
        "jakarta.xml.bind-api-2.3.3.jar",
        "kafka_2.13-3.9.2.jar",
        "kafka-clients-3.9.2.jar",
    ]
    others = ["jackson-core-2.17.2.jar", "jackson-core-asl-2.17.2.jar", "jakarta.xml.bind-api-4.0.2.jar"]
    drivers = ["manifest.jar", "ojdbc11-21.15.0.0.jar", "mysql-connector-j-9.1.0.jar", "postgresql-42.7.7.jar"]

    chosen = artifacts.one_of_each([Path(name) for name in (*kafka, *others, *drivers)])

    # a library may change its packages with its major version: that is another one
    assert [jar.name for jar in chosen] == [*kafka, *others[1:], "manifest.jar", "postgresql-42.7.7.jar"]


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    repository = Repository()
    fetch(tmp_path, repository)
    fetch(tmp_path, repository)
    assert repository.asked == ["part"]
    assert (tmp_path / "part-1.0.jar").read_bytes() == GOOD


def test_a_wrong_checksum_names_the_artifact_and_keeps_nothing(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match=r"org\.example:part:1\.0"):
        fetch(tmp_path, Repository(b"something else"))
    assert list(tmp_path.rglob("*.jar")) == []
    fetch(tmp_path, Repository())
    assert (tmp_path / "part-1.0.jar").read_bytes() == GOOD


def test_half_a_file_of_an_interrupted_fetch_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "part-1.0.jar").write_bytes(GOOD[:5])
    fetch(tmp_path, Repository())
    assert (tmp_path / "part-1.0.jar").read_bytes() == GOOD


def test_a_fetch_that_is_interrupted_goes_on_where_it_stopped(tmp_path: Path) -> None:
    class Interrupted(Repository):
        def __call__(self, artifact: Artifact, folder: Path) -> Path:
            if artifact.name == "second":
                raise KeyboardInterrupt
            return super().__call__(artifact, folder)

    wanted = (an_artifact(name="first"), an_artifact(name="second"))
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, Interrupted(), *wanted)
    repository = Repository()
    fetch(tmp_path, repository, *wanted)
    assert repository.asked == ["second"]


def test_what_is_missing_comes_from_the_mirror_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = "/maven/org/example/part/1.0/part-1.0.jar"
    with serving({f"GET {place}": (200, GOOD)}) as repository:
        monkeypatch.setenv(artifacts.MIRROR_VARIABLE, f"{repository.url}/maven/")
        artifacts.fetch_all([an_artifact()], tmp_path, artifacts._fetch_with_jgo, Progress(io.StringIO()))

    assert (tmp_path / "part-1.0.jar").read_bytes() == GOOD
    assert f"GET {place}" in repository.requests


def test_a_mirror_that_has_it_not_is_an_error_that_names_the_mirror_and_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({}) as repository:
        monkeypatch.setenv(artifacts.MIRROR_VARIABLE, repository.url)
        with pytest.raises(UnreachableError, match="part:1") as raised:
            artifacts.fetch_all([an_artifact()], tmp_path, artifacts._fetch_with_jgo, Progress(io.StringIO()))
    assert artifacts.MIRROR_VARIABLE in raised.value.remedy
