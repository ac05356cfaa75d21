"""An answer on a service's port counts only when the service's own process gives it."""

from __future__ import annotations

import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest

from cdcproof.environments.embedded import services
from cdcproof.environments.embedded.processes.running import Process
from cdcproof.environments.embedded.state import Instance

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"


class Anything(socketserver.BaseRequestHandler):
    """Answers as ZooKeeper, as PostgreSQL and as any HTTP service."""

    def handle(self) -> None:
        asked = self.request.recv(4096)
        self.request.sendall(b"imok" if asked == b"ruok" else OK if asked.startswith(b"GET") else b"R\0\0\0\x08")


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server in this process."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Anything) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def idle() -> Iterator[Process]:
    """A process that runs and listens nowhere: a service that has not come to listen yet."""
    command = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield Process(command.pid, psutil.Process(command.pid).create_time())
    command.kill()
    command.wait()


@pytest.mark.parametrize("service", services.ROLES)
def test_what_another_process_answers_is_not_the_services_answer(service: str, port: int, idle: Process) -> None:
    ports = dict.fromkeys(services.ports_of(service), port)
    ours = Process(os.getpid(), psutil.Process().create_time())

    assert services.answers(Instance("a", ports, processes={service: ours}), service)
    assert not services.answers(Instance("a", ports, processes={service: idle}), service)
    assert not services.answers(Instance("a", ports), service)


def test_one_port_of_two_is_not_enough(port: int) -> None:
    ours = Process(os.getpid(), psutil.Process().create_time())
    ports = {"exporter-reconciliation": port, "exporter-connect": 1}

    assert not services.answers(Instance("a", ports, processes={"exporter": ours}), "exporter")
