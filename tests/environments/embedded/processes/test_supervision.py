"""Class archives never stand in the way of a start, and are written when they are missing. ZooKeeper alone shows it."""

from __future__ import annotations

import io
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdcproof.core.errors import OperationError
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import artifacts, folders, services, state
from cdcproof.environments.embedded.processes import ports, running, supervision
from cdcproof.environments.embedded.services import java
from cdcproof.environments.embedded.state import Instance

pytestmark = pytest.mark.integration

NAME = "test-supervision"
ZOOKEEPER = "zookeeper"


class Services:
    """ZooKeeper, with class archives of its own; as an instance that has replicated."""

    def __init__(self) -> None:
        self.parts = artifacts.ready(folders.cache_folder(), Progress(io.StringIO()))
        self.java = java.ready(folders.cache_folder())
        folders.make(NAME)
        self.instance = Instance(NAME, ports.choose({ZOOKEEPER: None}), prepared=True)

    @property
    def archive(self) -> Path:
        return services.archive(ZOOKEEPER, self.parts, self.java)

    @property
    def arguments(self) -> str:
        return " ".join(running.arguments(self.instance.processes[ZOOKEEPER]))

    def start(self, preparation: Callable[[], None] = lambda: None) -> None:
        self.instance = supervision.start(
            self.instance,
            (ZOOKEEPER,),
            self.parts,
            self.java,
            Progress(io.StringIO()),
            preparations={ZOOKEEPER: preparation},
        )

    def stop_for_good(self) -> None:
        supervision.stop_for_good(self.instance, Progress(io.StringIO()))
        assert not self.instance.is_alive(ZOOKEEPER)


@pytest.fixture
def supervised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    cache = folders.cache_folder()
    artifacts.ready(cache, Progress(io.StringIO()))
    own = tmp_path / "cache" / "cdcproof"
    own.mkdir(parents=True)
    for shared in (cache / "artifacts", *cache.glob("unpacked-*")):
        (own / shared.name).symlink_to(shared)
    monkeypatch.setenv("XDG_CACHE_HOME", str(own.parent))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Services()
    yield made
    process = made.instance.processes.get(ZOOKEEPER)
    if process:
        running.kill(process)


def test_the_archive_that_is_missing_is_written_also_when_the_instance_goes_for_good(supervised: Services) -> None:
    supervised.start()
    supervised.stop_for_good()
    written = supervised.archive.stat().st_mtime_ns

    supervised.start()
    assert str(supervised.archive) in supervised.arguments
    supervised.stop_for_good()

    assert supervised.archive.stat().st_mtime_ns == written
    assert list(supervised.archive.parent.iterdir()) == [supervised.archive]


def test_an_instance_that_never_replicated_leaves_no_archive(supervised: Services) -> None:
    supervised.instance = replace(supervised.instance, prepared=False)
    supervised.start()
    supervised.stop_for_good()
    assert list(supervised.archive.parent.iterdir()) == []


def test_a_service_starts_in_spite_of_a_damaged_archive(supervised: Services) -> None:
    supervised.start()
    supervised.stop_for_good()
    whole = supervised.archive.read_bytes()
    supervised.archive.chmod(0o644)
    supervised.archive.write_bytes(whole[: len(whole) // 2])  # Java aborts on this one

    supervised.start()

    assert services.answers(supervised.instance, ZOOKEEPER)
    assert not supervised.archive.exists()
    assert java.WRITE_ARCHIVE in supervised.arguments


def test_a_port_that_somebody_else_took_is_named_and_not_believed(
    supervised: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another ZooKeeper answers where ours cannot listen."""
    monkeypatch.setattr(supervision, "START_SECONDS", 20.0)
    taken = supervised.instance.ports[ZOOKEEPER]
    with socketserver.ThreadingTCPServer(("127.0.0.1", taken), Other) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(OperationError, match=f"Something else listens on port {taken}"):
            supervised.start()
        server.shutdown()


class Other(socketserver.BaseRequestHandler):
    """A ZooKeeper that answers."""

    def handle(self) -> None:
        self.request.sendall(b"imok")


def test_what_is_prepared_is_done_once_the_service_answers_and_before_the_start_is_over(supervised: Services) -> None:
    answered = []

    def prepare() -> None:
        started = state.load(NAME)
        assert started
        answered.append(services.answers(started, ZOOKEEPER))

    supervised.start(prepare)

    assert answered == [True]
