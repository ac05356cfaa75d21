"""The looks at images, by the engine's own API on loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cdcproof.clients.containers.compose_config import Rendered
from cdcproof.clients.containers.engine import Image
from cdcproof.core.errors import UnreachableError
from cdcproof.findings import Verdict
from cdcproof.observations.images import images_reading as images
from cdcproof.pipeline.model import Pipeline
from cdcproof.reporting.record import StepRecord
from checks.monthly import test_1_security as checks
from tests.check_in_process import judged
from tests.engine import container, engine_with
from tests.image_registries import Said, answering
from tests.pipelines import pipeline_of

OLD, NEW, REPOSITORY = (f"sha256:{letter * 64}" for letter in "abc")
NOW = 1_796_000_000.0
SERVICES: dict[str, dict[str, Any]] = {
    "kafka": {"image": "kafka:3"},
    "postgres": {"image": "postgres:15"},
    "grafana": {"image": "grafana:11", "profiles": ["monitoring"]},
    "built": {"build": "."},
}


def running(name: str, image: str, image_id: str, folder: Path) -> dict[str, Any]:
    made = container(name)
    made["Config"] |= {"Image": image}
    made["Config"]["Labels"]["com.docker.compose.project.working_dir"] = str(folder)
    return {**made, "Image": image_id}


@contextmanager
def engine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kafka: str = NEW, registry: Any = REPOSITORY, **changes: Any
) -> Iterator[Any]:
    """Two services that run; kafka by this image."""
    known = {"Id": NEW, "RepoDigests": [f"x@{REPOSITORY}"], "Created": "2026-11-20T08:00:00.123456789Z"}
    answers = {f"/images/{name}/json": known for name in ("kafka:3", "postgres:15")}
    answers |= {
        f"/distribution/{name}/json": registry
        if isinstance(registry, int)
        else {"Descriptor": {"digest": registry, "size": 1, "mediaType": "x"}, "Platforms": []}
        for name in ("kafka:3", "postgres:15")
    }
    monkeypatch.setattr(images, "rendered", lambda _: Rendered(SERVICES, {}))
    made = [running("kafka", "kafka:3", kafka, folder), running("postgres", "postgres:15", NEW, folder)]
    with engine_with(*made, answers={**answers, **changes}) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        yield pipeline_of("orders", paths={"compose_files": [str(folder / "docker-compose.yml")]})


def test_what_runs_is_compared_with_the_files_and_with_what_was_pulled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = checks.test_containers_run_the_images_of_the_compose_files
    with engine(tmp_path, monkeypatch) as pipeline:
        found = images.running(pipeline, NOW)
        assert [one.service for one in found.services] == ["kafka", "postgres"]
        assert found.services[0].image == Image(NEW, (f"x@{REPOSITORY}",), 1_763_625_600.123456 + 31_536_000)
        assert judged(check, pipeline, images=found).verdict is Verdict.PASSED

    with engine(tmp_path, monkeypatch, kafka=OLD) as pipeline:
        record = judged(check, pipeline, images=images.running(pipeline, NOW))
        assert [(d.subject, d.found) for d in record.differences] == [
            ("kafka", "an older kafka:3 than the one that was pulled")
        ]


def test_the_engine_asks_the_registries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = checks.test_no_newer_image_is_to_be_had
    for registry, verdict in ((REPOSITORY, Verdict.PASSED), (OLD, Verdict.WARNED), (500, Verdict.NOT_CHECKED)):
        with engine(tmp_path, monkeypatch, registry=registry) as pipeline:
            assert judged(check, pipeline, newer_images=images.newer(pipeline, NOW)).verdict is verdict


def test_what_was_not_pulled_and_made_anew_is_by_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `docker` in its place that pulls, and makes containers anew, of an engine that then says so."""
    (tmp_path / "docker").write_text(
        f"""#!/bin/sh
test "$1 $2 $3" = "compose -f {tmp_path}/docker-compose.yml" || exit 1
case "$4 $5" in "pull ") touch {tmp_path}/pulled;; "up -d") mv {tmp_path}/pulled {tmp_path}/made;; *) exit 1;; esac
"""
    )
    (tmp_path / "docker").chmod(0o755)
    made = tmp_path / "made"

    def image(_: str) -> dict[str, Any]:
        is_new = made.exists() or (tmp_path / "pulled").exists()
        return {
            "Id": NEW if is_new else OLD,
            "RepoDigests": [f"x@{REPOSITORY if is_new else OLD}"],
            "Created": "2026-11-20T08:00:00Z",
        }

    def inspected(_: str) -> dict[str, Any]:
        return running("kafka", "kafka:3", NEW if made.exists() else OLD, tmp_path)

    def verdicts(pipeline: Pipeline) -> dict[str, StepRecord]:
        return {
            "images": judged(run, pipeline, images=images.running(pipeline, NOW)),
            "newer": judged(newer, pipeline, newer_images=images.newer(pipeline, NOW)),
        }

    run, newer = checks.test_containers_run_the_images_of_the_compose_files, checks.test_no_newer_image_is_to_be_had
    changes = {"/images/kafka:3/json": image, "/containers/kafka/json": inspected}
    with engine(tmp_path, monkeypatch, **changes) as pipeline:
        before = verdicts(pipeline)
        bash(before["newer"].action[0], tmp_path)
        pulled = verdicts(pipeline)
        bash(pulled["images"].action[0], tmp_path)
        bash(next(line for line in pulled["images"].action if "window: " in line).partition("window: ")[2], tmp_path)
        after = verdicts(pipeline)

    assert [before[one].verdict for one in before] == [Verdict.PASSED, Verdict.WARNED]
    assert [pulled[one].verdict for one in pulled] == [Verdict.FAILED, Verdict.PASSED]
    assert [after[one].verdict for one in after] == [Verdict.PASSED, Verdict.PASSED]


def bash(command: str, folder: Path) -> None:
    subprocess.run(["bash", "-c", command], env={"PATH": f"{folder}:/usr/bin:/bin"}, check=True, timeout=30)


def test_an_engine_that_is_away_is_not_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine(tmp_path, monkeypatch) as pipeline:
        monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
        with pytest.raises(UnreachableError):
            images.running(pipeline, NOW)


def test_an_image_that_the_engine_has_not_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine(tmp_path, monkeypatch, **{"/images/kafka:3/json": 404}) as pipeline:
        assert images.running(pipeline, NOW).services[0].image is None


def test_the_registries_are_asked_for_newer_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warned, and green once the compose file names the newest version and runs it, as the Action advises."""
    tags = {"3.7.0": True, "3.7.1": True, "4.1.0": True, "latest": True}
    with answering(lambda _: Said(200, {"tags": [*tags]})) as host:
        verdicts = {}
        for tag in ("3.7.0", "4.1.0", "latest", "bookworm"):
            with tagged(tmp_path, monkeypatch, f"{host}/pipeline/kafka:{tag}") as pipeline:
                seen = images.newer_tags(pipeline, NOW)
                record = verdicts[tag] = judged(checks.test_no_newer_version_is_to_be_had, pipeline, newer_tags=seen)
                assert record.evidence[0].text.splitlines()[1].startswith(f"{host}/pipeline/kafka:{tag}")

    assert {tag: record.verdict for tag, record in verdicts.items()} == {
        "3.7.0": Verdict.WARNED,
        "4.1.0": Verdict.PASSED,
        "latest": Verdict.PASSED,
        "bookworm": Verdict.NOT_CHECKED,
    }
    assert verdicts["3.7.0"].differences[0].found == "3.7.1; of another major version: 4.1.0"
    assert "staging gate" in verdicts["3.7.0"].action[0]
    assert f"{host}/pipeline/kafka:bookworm: bookworm is no version" in verdicts["bookworm"].reason


def test_a_registry_that_is_away_is_asked_once_and_named_for_each_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tagged(tmp_path, monkeypatch, "127.0.0.1:9/own/kafka:3", "127.0.0.1:9/own/connect:2") as pipeline:
        record = judged(
            checks.test_no_newer_version_is_to_be_had, pipeline, newer_tags=images.newer_tags(pipeline, NOW)
        )

    assert record.verdict is Verdict.NOT_CHECKED
    for image in ("127.0.0.1:9/own/kafka:3", "127.0.0.1:9/own/connect:2"):
        assert f"{image}: The registry of own/" in record.reason
    assert "connection refused" in record.reason


def test_without_containers_no_version_is_known_to_be_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tagged(tmp_path, monkeypatch) as pipeline:
        seen = images.newer_tags(pipeline, NOW)
        assert judged(checks.test_no_newer_version_is_to_be_had, pipeline, newer_tags=seen).verdict is (
            Verdict.NOT_CHECKED
        )


@contextmanager
def tagged(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[Any]:
    """A container of each image."""
    services = {f"service{number}": {"image": name} for number, name in enumerate(names)}
    monkeypatch.setattr(images, "rendered", lambda _: Rendered(services or {"away": {"image": "away:1"}}, {}))
    known = {"Id": NEW, "RepoDigests": [], "Created": "2026-11-20T08:00:00.123456789Z"}
    made = [running(service, settings["image"], NEW, folder) for service, settings in services.items()]
    answers: dict[str, Any] = {f"/images/{name}/json": known for name in names}
    with engine_with(*made, answers=answers) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        yield pipeline_of("orders", paths={"compose_files": [str(folder / "docker-compose.yml")]})
