"""A start on a busy machine: it waits longer, for every service, and what it says then leads on. Nothing is started."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cdcproof.core.errors import OperationError
from cdcproof.core.progress import Progress
from cdcproof.core.waiting import Deadline
from cdcproof.environments.embedded import folders, services
from cdcproof.environments.embedded.processes import supervision
from cdcproof.environments.embedded.processes.running import Process
from cdcproof.environments.embedded.state import Instance

ANY: Any = object()


@pytest.fixture
def sleeper() -> Iterator[Process]:
    """A process that runs and does not answer yet."""
    command = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield Process(command.pid, psutil.Process(command.pid).create_time())
    command.kill()
    command.wait()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(supervision, "START_SECONDS", 0.1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    folders.make("other")
    return Instance("other", dict.fromkeys(services.PORTS, 1))


def start(instance: Instance, service: str) -> None:
    supervision.start(instance, (service,), ANY, ANY, Progress(io.StringIO()))


@pytest.mark.parametrize("service", ["kafka", "exporter"])
def test_every_service_is_waited_for_as_long_as_the_machine_is_busy(
    service: str, instance: Instance, sleeper: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (16.0, 0.0, 0.0))
    monkeypatch.setattr(supervision, "_started", lambda *_: sleeper)

    wait = Deadline(0.8)  # eight times as long, which is the most
    with pytest.raises(OperationError) as raised:
        start(instance, service)

    assert wait.passed
    assert f"{service} did not start. It does not answer after 1 s on a machine with a load of 16 on 2 cores." in (
        raised.value.message
    )
    assert raised.value.remedy == (
        "cdcproof up --instance other   # waits on for it: what has started keeps running; "
        f"its log: cdcproof logs {service} --instance other"
    )


def test_on_a_quiet_machine_the_load_is_not_said(
    instance: Instance, sleeper: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.0, 0.0))
    monkeypatch.setattr(supervision, "_started", lambda *_: sleeper)
    with pytest.raises(OperationError, match="does not answer after 0 s") as raised:
        start(instance, "kafka")
    assert raised.value.message.endswith("after 0 s.")


def test_of_a_process_that_ended_the_log_comes_first(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "START_SECONDS", 10.0)
    monkeypatch.setattr(supervision, "_started", lambda *_: Process(2**22 + 1, 0.0))
    with pytest.raises(OperationError, match="It ended at once, three times") as raised:
        start(instance, "kafka")
    assert raised.value.remedy == "cdcproof logs kafka --instance other   # then: cdcproof up --instance other"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (28, "Free space there"),
        (13, "belongs to another account"),
        (1, "belongs to another account"),
        (30, "read-only"),
        (5, "Mend"),
    ],
)
def test_what_to_do_about_a_file_is_of_what_is_wrong_with_it(number: int, words: str) -> None:
    assert words in folders.way_out(OSError(number, os.strerror(number)))
    assert ("space" in folders.way_out(OSError(number, ""))) == (number == 28)
