"""Ports."""

from __future__ import annotations

import socket

import pytest

from cdcproof.core.errors import UsageError
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import lifecycle
from cdcproof.environments.embedded.processes import ports
from cdcproof.environments.embedded.state import Instance


@pytest.fixture
def occupied() -> int:
    with socket.socket() as server:
        server.bind((ports.HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_wanted_port_is_given_when_it_is_free(occupied: int) -> None:
    free = ports.choose({"a": None})["a"]
    assert ports.choose({"a": free, "b": occupied})["a"] == free
    assert ports.choose({"b": occupied})["b"] != occupied


def test_no_port_is_given_twice() -> None:
    first = ports.choose(dict.fromkeys("abc"))
    assert len(set(first.values())) == 3
    assert not set(ports.choose(dict.fromkeys("abc"), first.values()).values()) & set(first.values())
    assert len(set(ports.choose({"a": first["a"], "b": first["a"]}).values())) == 2


def test_what_listens_accepts_and_is_not_free(occupied: int) -> None:
    assert ports.accepts(occupied)
    assert not ports.is_free(occupied)
    assert not ports.accepts(ports.choose({"a": None})["a"])


def test_a_port_that_was_taken_meanwhile_is_replaced_and_said(
    occupied: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {**ports.choose(dict.fromkeys(lifecycle.services.PORTS)), "kafka": occupied}
    with Progress() as progress:
        after = lifecycle._find_ports(Instance("one", before), {}, progress).ports
    assert after["kafka"] != occupied
    assert {k: v for k, v in after.items() if k != "kafka"} == {k: v for k, v in before.items() if k != "kafka"}
    assert f"port {occupied} of kafka is in use" in capsys.readouterr().err


def test_a_port_asked_for_that_is_in_use_or_unknown_is_refused(occupied: int) -> None:
    with Progress() as progress:
        with pytest.raises(UsageError, match=f"Port {occupied}, asked for kafka"):
            lifecycle._find_ports(Instance("one", {}), {"kafka": occupied}, progress)
        with pytest.raises(UsageError, match="no port 'kafcar'"):
            lifecycle._find_ports(Instance("one", {}), {"kafcar": 1}, progress)
