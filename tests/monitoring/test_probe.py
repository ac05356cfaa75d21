from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from cdcproof.core.errors import CdcproofError, DeadlineError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.secrets import known
from cdcproof.core.waiting import Deadline, wait_until
from cdcproof.monitoring.exporter.probe import Probe


class Service:
    """Answers each question once it is released; counts how many threads have asked it."""

    def __init__(self) -> None:
        self.asked = 0
        self.released = threading.Event()

    def ask(self) -> int:
        self.asked += 1
        number = self.asked
        assert self.released.wait(10)
        return number


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.released.set()


def test_who_asks_meanwhile_gets_the_same_answer_and_the_next_one_a_new_one(service: Service) -> None:
    probe: Probe[int] = Probe("It", 10)
    both = [probe.begin(service.ask) for _ in range(2)]
    service.released.set()
    assert [probe.result(future, Deadline(10)) for future in both] == [1, 1]
    assert probe.result(probe.begin(service.ask), Deadline(10)) == 2


def test_a_service_that_hangs_holds_one_thread_and_is_asked_again_when_that_has_ended(service: Service) -> None:
    probe: Probe[int] = Probe("It", 0.05)
    first = probe.begin(service.ask)
    with pytest.raises(DeadlineError, match=r"It did not answer within 0\.1 s"):
        probe.result(first, Deadline(0.1))
    for _ in range(20):
        with pytest.raises(DeadlineError, match="It has not answered since 20"):
            probe.result(probe.begin(service.ask), Deadline(10))
    assert service.asked == 1
    service.released.set()
    first.result(10)
    assert (
        wait_until(
            lambda: probe.result(probe.begin(service.ask), Deadline(10)),
            bool,
            what="the service to be asked again",
            deadline_seconds=10,
        )
        == 2
    ), "what came too late is not served"


def test_its_error_is_ours() -> None:
    def refuses() -> int:
        raise UnreachableError("Kafka does not answer.")

    probe: Probe[int] = Probe("It", 10)
    with pytest.raises(UnreachableError, match="Kafka does not answer"):
        probe.result(probe.begin(refuses), Deadline(10))


def test_a_fault_of_our_own_is_reported_without_a_secret_and_ends_nothing_else() -> None:
    known(["s3cret-word"])

    def breaks() -> int:
        raise ValueError("no s3cret-word here")

    probe: Probe[int] = Probe("It", 10)
    with pytest.raises(UnexpectedAnswerError, match="Internal error: ValueError") as raised:
        probe.result(probe.begin(breaks), Deadline(10))
    assert isinstance(raised.value, CdcproofError)
    assert "s3cret-word" not in str(raised.value)


def test_a_machine_without_another_thread_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    probe: Probe[int] = Probe("It", 10)
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", none_left)
        with pytest.raises(UnexpectedAnswerError, match="It was not asked: can't start new thread"):
            probe.result(probe.begin(lambda: 1), Deadline(10))
    assert probe.result(probe.begin(lambda: 1), Deadline(10)) == 1
